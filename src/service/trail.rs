//! Reading the audit trail.

use pgrx::Uuid;
use serde_json::{Value, json};

use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::{self, Keys};
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::service::guard;
use crate::service::users::{UserRef, check_page, open_profile, stored_profile};
use crate::storage::audit::Event;
use crate::storage::record_version::Version;
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
    let (Some(token), Some(version)) = (event.token, event.version) else {
        return Ok(Some(describe(&event, Value::Null, Value::Null)));
    };
    audit::read("audit_event", None, |access| {
        let (before, after) = profiles_around(&token, version)?;
        Ok(access.outcome(&token, Some(describe(&event, before, after))))
    })
}

fn describe(event: &Event, before: Value, after: Value) -> Jsonb {
    let mut described = audit::describe(event);
    for (name, value) in [("id", json!(event.id)), ("before", before), ("after", after)] {
        described.insert(name.to_owned(), value);
    }
    Jsonb::from(Value::Object(described).to_string())
}

/// The profiles before and after a version was made; null where there is none, when the user has been
/// forgotten since, and in a sealed vault: the event itself can be told all the same.
fn profiles_around(token: &Uuid, version: i32) -> Result<(Value, Value)> {
    const NOTHING: (Value, Value) = (Value::Null, Value::Null);
    if !record::exists(&Snapshot::of_caller(), token)? {
        return Ok(NOTHING);
    }
    let keys = match keyring::existing() {
        Ok(Some(keys)) => keys,
        Ok(None) | Err(Error::Sealed(_)) => return Ok(NOTHING),
        Err(error) => return Err(error),
    };
    let before = record_version::find(token, version.saturating_sub(1))?;
    let after = record_version::find(token, version)?;
    // Both at once: a call that is refused counts for nothing.
    guard::admit(before.iter().chain(&after).count() as u64)?;
    Ok((open(&keys, token, before)?, open(&keys, token, after)?))
}

fn open(keys: &Keys, token: &Uuid, found: Option<Version>) -> Result<Value> {
    let Some(found) = found else {
        return Ok(Value::Null);
    };
    stored_profile(&open_profile(keys, token, found.version, &found.digests, &found.sealed)?)
}
