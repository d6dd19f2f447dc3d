//! The kinds of rows.

use pgrx::Uuid;

use super::belongings::{AppData, Session, Share};
use super::consent::{Activity, Agreement, LegalBasis};
use super::facts::Fact;
use super::members::Members;
use super::requests::Request;
use super::users::User;
use super::verdict::Verdict;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;

/// A row that can be brought by itself.
pub trait Bring {
    /// The user whose it is, if it says so by his token.
    fn token(&self) -> Option<Uuid>;

    /// Brings it.
    ///
    /// # Errors
    /// It cannot be brought.
    fn bring(&self) -> Result<Verdict>;
}

/// A row that was read, by how it is brought.
pub enum Row<'a> {
    /// A user: many of them together.
    User(User<'a>),
    /// A fact: likewise.
    Fact(Fact),
    /// Anything else: one after the other.
    Other(Box<dyn Bring + 'a>),
}

impl<'a> Row<'a> {
    /// Reads a row that is brought `now`.
    ///
    /// # Errors
    /// It is of no kind, or has not the members of its kind.
    pub fn read(row: Option<&'a Jsonb>, now: i64) -> Result<Self> {
        let row = row.ok_or(Error::BadArgument("a row is null", "A row is a JSON object."))?;
        let mut members = Members::of(row, now)?;
        let kind = members.text("kind")?;
        let row = match kind.as_str() {
            "user" => Self::User(User::read(&mut members)?),
            "audit" => Self::Fact(Fact::read(&mut members)?),
            "app_data" => Self::Other(Box::new(AppData::read(&mut members)?)),
            "session" => Self::Other(Box::new(Session::read(&mut members)?)),
            "share" => Self::Other(Box::new(Share::read(&mut members)?)),
            "legal_basis" => Self::Other(Box::new(LegalBasis::read(&mut members)?)),
            "activity" => Self::Other(Box::new(Activity::read(&mut members)?)),
            "agreement" => Self::Other(Box::new(Agreement::read(&mut members)?)),
            "request" => Self::Other(Box::new(Request::read(&mut members)?)),
            _ => {
                return Err(Error::BadArgument(
                    "a row is of an unknown kind",
                    "A row is a user, app_data, session, share, legal_basis, activity, agreement, \
                     request or audit.",
                ));
            }
        };
        members.finish().map(|()| row)
    }

    /// Whether the next row is brought in the same way.
    pub fn goes_with(&self, next: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(next)
    }
}
