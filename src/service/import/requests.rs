//! Requests of the data subject.

use pgrx::Uuid;

use super::ACTION;
use super::members::Members;
use super::row::Bring;
use super::verdict::Verdict;
use crate::audit;
use crate::error::{Error, Result};
use crate::service::requests::{self, Known, Wish};
use crate::service::users;
use crate::storage::request;

/// As long as a role's name can be, in bytes.
const MAX_NAME: usize = 63;

/// A request, open or decided.
pub struct Request {
    token: Uuid,
    wish: Wish,
    known: Known,
}

impl Request {
    /// Reads a row.
    pub fn read(members: &mut Members<'_>) -> Result<Self> {
        members.expect(
            "A request has token, request, action and status (open, approved, cancelled), and perhaps \
             subject, change, reason, requested_by, created_at and updated_at.",
        );
        let action = members.text("action")?;
        let subject = members.optional_text("subject")?;
        let change = members.optional_document("change");
        Ok(Self {
            token: members.uuid("token")?,
            wish: Wish::read(&action, change.as_ref(), subject.as_deref())?,
            known: Known {
                request: members.uuid("request")?,
                status: members.text("status")?,
                reason: members.optional_text("reason")?,
                requested_by: members.optional_text("requested_by")?.map(checked).transpose()?,
                since: members.since()?,
            },
        })
    }
}

fn checked(name: String) -> Result<String> {
    if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
        return Err(Error::BadArgument(
            "requested_by is not usable",
            "Give 1 to 63 bytes without control characters.",
        ));
    }
    Ok(name)
}

impl Bring for Request {
    fn token(&self) -> Option<Uuid> {
        Some(self.token)
    }

    fn bring(&self) -> Result<Verdict> {
        let is_new = audit::consequence(ACTION, &request::TABLE, || {
            let user = users::lock("token", &self.token.to_string())?;
            requests::bring(&user, &self.wish, &self.known)
        })?;
        Ok(Verdict::brought(Some(self.token), is_new))
    }
}
