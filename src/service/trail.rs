//! Reading the audit trail.

use pgrx::Uuid;
use serde_json::{Value, json};

use crate::audit;
use crate::error::Result;
use crate::keyring;
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::pg::time;
use crate::service::users::{UserRef, check_page, open_profile, stored_profile};
use crate::storage::audit::Event;
use crate::storage::{record, record_version};

/// Events about a user, who may have been forgotten (then his token names him); newest first.
pub fn of_user(kind: &str, value: &str, before: Option<i64>, rows: i32) -> Result<Vec<Event>> {
    let rows = check_page(rows)?;
    if let Some(token) = UserRef::as_token(kind, value)? {
        return audit::of_user(&token, before, rows);
    }
    match UserRef::resolve(&Snapshot::of_caller(), kind, value)?.target {
        Some(target) => audit::of_user(&target.token, before, rows),
        None => Ok(Vec::new()),
    }
}

/// All events, newest first.
pub fn all(before: Option<i64>, rows: i32) -> Result<Vec<Event>> {
    audit::all(before, check_page(rows)?)
}

/// One event, with the profile `before` and `after` it where it changed one that still can be opened.
pub fn event(id: i64) -> Result<Option<Jsonb>> {
    let Some(event) = audit::find(id)? else {
        return Ok(None);
    };
    let (before, after) = match (event.token, event.version) {
        (Some(token), Some(version)) => {
            (profile_at(&token, version - 1)?, profile_at(&token, version)?)
        }
        _ => (Value::Null, Value::Null),
    };
    let text = json!({
        "id": event.id,
        "at": time::to_json(event.at),
        "actor": &*event.actor,
        "action": event.action,
        "status": event.status,
        "kind": event.kind,
        "token": event.token.map(|token| uuid::Uuid::from_bytes(*token.as_bytes()).to_string()),
        "app": event.app,
        "reason": event.reason,
        "message": event.message,
        "before": before,
        "after": after,
    });
    Ok(Some(Jsonb::from(text.to_string())))
}

/// A profile's version, or null when there is none, or the user has been forgotten since.
fn profile_at(token: &Uuid, version: i32) -> Result<Value> {
    if version < 1 || !record::exists(&Snapshot::of_caller(), token)? {
        return Ok(Value::Null);
    }
    let (Some(keys), Some(found)) = (keyring::existing()?, record_version::find(token, version)?)
    else {
        return Ok(Value::Null);
    };
    let text = open_profile(&keys, token, found.version, &found.digests, &found.sealed)?;
    stored_profile(&text)
}
