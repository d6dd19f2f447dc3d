//! Who files a request, and who decides it: four eyes.

use crate::audit;
use crate::identity::{self, Identity};
use crate::service::access_tokens::USER;
use crate::storage::request::Row;

/// One side of a request.
pub struct Party {
    /// The session's role.
    pub role: String,
    /// What the access token is called by which it acts, if it does; of a user, [`USER`].
    pub acting_as: Option<String>,
}

impl Party {
    /// Who calls.
    pub fn current() -> Self {
        let acting_as = match identity::current() {
            Some(Identity::Application { name, .. }) => Some(name.to_string()),
            Some(Identity::Subject(_)) => Some(USER.to_owned()),
            Some(Identity::Stranger) | None => None,
        };
        Self { role: audit::author(), acting_as }
    }

    /// Who has filed a request.
    pub fn requester(row: &Row) -> Self {
        Self { role: row.requested_by.clone(), acting_as: row.requested_as.clone() }
    }

    /// Whether both may be the same person: access tokens tell people apart who share a database role.
    /// Where one side has none, the role alone has to.
    pub fn may_be(&self, other: &Self) -> bool {
        match (&self.acting_as, &other.acting_as) {
            (Some(own), Some(other)) => own == other,
            _ => self.role == other.role,
        }
    }
}
