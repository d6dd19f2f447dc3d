//! One agreement: its details are sealed, and everything else about it is bound to them.

use bunker_core::place;
use serde_json::{Map, Value, json};

use super::shape;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::pg::time;
use crate::service::sealed::{Field, Place};
use crate::storage::agreement::{Holder, Row};

/// How it was agreed, the application's reference, and who did it, as the application has it.
const DETAILS: Field = Field::new(place::AGREEMENT);

/// What became of an agreement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was given.
    Yes,
    /// It was refused, or withdrawn.
    No,
    /// It has ended by itself.
    Expired,
    /// It was ended for everybody.
    Revoked,
}

impl Status {
    /// The word in the table and in the answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// The status of that word.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Yes, Self::No, Self::Expired, Self::Revoked];
        all.into_iter().find(|status| status.as_str() == name)
    }
}

/// An opened agreement.
#[derive(Clone)]
pub struct Agreement {
    /// Without the sealed bytes.
    pub(super) row: Row,
    pub(super) details: Map<String, Value>,
}

impl Agreement {
    /// One that is about to be given for the first time; its version is 0 so far.
    pub(super) fn begin(holder: Holder, brief: &str, now: i64) -> Self {
        let row = Row {
            holder,
            brief: brief.to_owned(),
            version: 0,
            status: String::new(),
            created_at: now,
            updated_at: now,
            starts_at: None,
            expires_at: None,
            sealed: Vec::new(),
        };
        // What Databunker takes it for.
        let details = Map::from_iter([("agreementmethod".to_owned(), json!("api"))]);
        Self { row, details }
    }

    /// Opens a stored one.
    ///
    /// # Errors
    /// Damaged when anything of the row is not as it was sealed.
    pub(super) fn open(keys: &Keys, row: Row) -> Result<Self> {
        let text = open_details(keys, &row)?;
        let details = shape::stored(&text, "an agreement")?;
        Ok(Self { row, details })
    }

    /// The row to store, sealed.
    pub(super) fn seal(mut self, keys: &Keys) -> Result<Row> {
        seal_details(keys, &mut self.row, &Value::Object(self.details).to_string())?;
        Ok(self.row)
    }

    /// To which legal basis.
    pub fn brief(&self) -> &str {
        &self.row.brief
    }

    /// What has become of it by `now`, whether or not that was written down yet.
    ///
    /// # Errors
    /// Damaged, when the stored status is none.
    pub fn status(&self, now: i64) -> Result<Status> {
        match Status::named(&self.row.status).ok_or(Error::Damaged("an agreement"))? {
            Status::Yes if self.has_ended(now) => Ok(Status::Expired),
            status => Ok(status),
        }
    }

    pub(super) fn has_ended(&self, now: i64) -> bool {
        self.row.expires_at.is_some_and(|time| time <= now)
    }

    /// Takes down that its status was given to it anew `now`.
    pub(super) fn advance(&mut self, status: Status, now: i64) -> Result<()> {
        advance(&mut self.row, status, now)
    }

    /// All that is known of it, by name.
    pub fn describe(&self, now: i64) -> Result<Map<String, Value>> {
        let detail = |name: &str| self.details.get(name).cloned().unwrap_or_default();
        let optional = |time: Option<i64>| json!(time.map(time::to_json));
        let fields = [
            ("brief", json!(self.row.brief)),
            ("status", json!(self.status(now)?.as_str())),
            ("agreementmethod", detail("agreementmethod")),
            ("referencecode", detail("referencecode")),
            ("lastmodifiedby", detail("lastmodifiedby")),
            ("created_at", json!(time::to_json(self.row.created_at))),
            ("updated_at", json!(time::to_json(self.row.updated_at))),
            ("starttime", optional(self.row.starts_at)),
            ("expiration", optional(self.row.expires_at)),
        ];
        Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// Gives a row its next version.
pub(super) fn advance(row: &mut Row, status: Status, now: i64) -> Result<()> {
    row.status = status.as_str().to_owned();
    row.version = row.version.checked_add(1).ok_or(Error::Internal("too many versions"))?;
    row.updated_at = now;
    Ok(())
}

/// The row as `change` makes it, sealed anew. One that fails authentication is changed, too, and goes
/// on failing it: it must not keep others from being revoked, from ending or from being joined.
pub(super) fn changed(
    keys: &Keys,
    mut row: Row,
    change: impl FnOnce(&mut Row) -> Result<()>,
) -> Result<Row> {
    let details = match open_details(keys, &row) {
        Ok(details) => Some(details),
        Err(Error::Damaged(_)) => None,
        Err(error) => return Err(error),
    };
    change(&mut row)?;
    if let Some(details) = details {
        seal_details(keys, &mut row, &details)?;
    }
    Ok(row)
}

fn open_details(keys: &Keys, row: &Row) -> Result<zeroize::Zeroizing<String>> {
    let place = Place { owner: &row.holder.owner, version: row.version, extra: &binding(row) };
    DETAILS.open(keys, &place, &row.sealed)
}

fn seal_details(keys: &Keys, row: &mut Row, details: &str) -> Result<()> {
    let place = Place { owner: &row.holder.owner, version: row.version, extra: &binding(row) };
    row.sealed = DETAILS.seal_one(keys, &place, details)?;
    Ok(())
}

/// All that the row says besides owner and version.
fn binding(row: &Row) -> Vec<u8> {
    let agreement = place::Agreement {
        kind: row.holder.kind,
        brief: &row.brief,
        status: &row.status,
        created_at: row.created_at,
        updated_at: row.updated_at,
        starts_at: row.starts_at,
        expires_at: row.expires_at,
    };
    agreement.bytes()
}
