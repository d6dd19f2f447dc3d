//! What another system knows of an agreement: the evidence that it was given, or not.

use serde_json::{Map, Value};

use super::agreement::{Agreement, Status};
use super::terms::DETAILS;
use crate::error::{Error, Result};

/// An agreement of another system's. Times are microseconds since 2000-01-01 UTC.
pub struct Evidence {
    /// What became of it there.
    pub status: Status,
    /// How it was agreed, the application's reference, and who did it: those of them that are known, by
    /// the names that `bunker_accept_agreement` has for them.
    pub details: Map<String, Value>,
    /// When it was first given; now unless known.
    pub created_at: Option<i64>,
    /// When it was last given or taken; now unless known.
    pub updated_at: Option<i64>,
    /// From when on it is meant to hold.
    pub starts_at: Option<i64>,
    /// When it ends.
    pub expires_at: Option<i64>,
}

impl Evidence {
    /// What has become of it by `now`.
    pub fn status(&self, now: i64) -> Status {
        match self.status {
            Status::Yes if self.expires_at.is_some_and(|time| time <= now) => Status::Expired,
            status => status,
        }
    }

    /// The agreement, of which `begun` says whose it is, to what, and when that was taken down here.
    ///
    /// # Errors
    /// A detail that is too long.
    pub(super) fn agreement(&self, mut begun: Agreement, status: Status) -> Result<Agreement> {
        DETAILS.merge(&mut begun.details, self.details.clone())?;
        let now = begun.row.updated_at;
        begun.advance(status, self.updated_at.unwrap_or(now))?;
        begun.row.created_at = self.created_at.unwrap_or(now);
        (begun.row.starts_at, begun.row.expires_at) = (self.starts_at, self.expires_at);
        Ok(begun)
    }

    /// Checks that an agreement which is here already says what `new`, made of this evidence, says. When
    /// it was taken down that it has expired does not count, nor do times that are not known.
    ///
    /// # Errors
    /// It says something else.
    pub(super) fn is_known_by(&self, here: &Agreement, new: &Agreement) -> Result<()> {
        let (old, row) = (&here.row, &new.row);
        let is_known = old.status == row.status
            && here.details == new.details
            && (old.starts_at, old.expires_at) == (row.starts_at, row.expires_at)
            && self.created_at.is_none_or(|time| time == old.created_at)
            && (row.status == Status::Expired.as_str()
                || self.updated_at.is_none_or(|time| time == old.updated_at));
        if is_known {
            return Ok(());
        }
        Err(Error::Exists(
            "something else is known of the agreement",
            "Leave it out, or take it down with bunker_accept_agreement.",
        ))
    }
}
