//! What users who have logged in do themselves, and what of it waits for approval.

use bunker_core::names::SelfService;
use serde_json::Value;

use super::{Wish, file};
use crate::audit;
use crate::error::Result;
use crate::guc;
use crate::identity;
use crate::pg::session;
use crate::service::schema;
use crate::service::users::{self, Locked};
use crate::storage::request as table;

/// Whether the caller is a user who must not do that without approval.
pub fn waits(what: SelfService<'_>) -> bool {
    identity::subject().is_some() && !guc::self_service_allows(what)
}

/// The same of a change of his profile, of which the schema may reserve parts (`admin`).
pub fn profile_waits(old: &Value, new: &Value) -> Result<bool> {
    if identity::subject().is_none() {
        return Ok(false);
    }
    let schema = schema::current()?;
    let is_reserved = schema.is_some_and(|schema| schema.admin_change(old, new).is_some());
    Ok(is_reserved || waits(SelfService::ChangeProfile))
}

/// Files a request for what the caller wanted done. A NOTICE tells him under which name.
pub fn file(user: &Locked, wish: &Wish) -> Result<()> {
    let request = audit::consequence("request", &table::TABLE, || file::file(user, wish))?;
    session::notice(&format!("this waits for approval as request {request}"));
    Ok(())
}

/// The same for a user who is not locked yet.
pub fn file_for(kind: &str, value: &str, wish: &Wish) -> Result<()> {
    file(&users::lock(kind, value)?, wish)
}
