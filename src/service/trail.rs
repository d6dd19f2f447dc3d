//! Reading the audit trail.

use pgrx::Uuid;
use serde_json::{Value, json};

use crate::audit;
use crate::error::{Error, Result};
use crate::identity;
use crate::keyring::{self, Keys};
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::service::users::{UserRef, check_page, open_profile, stored_profile};
use crate::service::{apps, guard};
use crate::storage::audit::Event;
use crate::storage::record_version::Version;
use crate::storage::{record, record_version};

/// Events about a user, who may have been forgotten (then his token names him); newest first.
pub fn of_user(kind: &str, value: &str, before: Option<i64>, rows: i32) -> Result<Vec<Event>> {
    audit::inquire("audit", Some(kind), || {
        let rows = check_page(rows)?;
        if let Some(token) = UserRef::as_token(kind, value)? {
            identity::admit_owner(Some(&token))?;
            return audit::of_user(&token, before, rows);
        }
        match UserRef::resolve(&Snapshot::of_caller(), kind, value)?.target {
            Some(target) => audit::of_user(&target.token, before, rows),
            None => Ok(Vec::new()),
        }
    })
}

/// All events, newest first.
pub fn all(before: Option<i64>, rows: i32) -> Result<Vec<Event>> {
    audit::admit("audit_all")?;
    audit::all(before, check_page(rows)?)
}

/// One event, with the profile or app data `before` and `after` it where it changed what still can be
/// opened.
pub fn event(id: i64) -> Result<Option<Jsonb>> {
    audit::admit("audit_event")?;
    let Some(event) = audit::find(id)? else {
        return Ok(None);
    };
    let (Some(token), Some(version)) = (event.token, event.version) else {
        return Ok(Some(describe(&event, Value::Null, Value::Null)));
    };
    audit::read("audit_event", None, |access| {
        let (before, after) = around(&event, &token, version)?;
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

/// What was changed, before and after a version was made; null where there is none, when the user has
/// been forgotten since, and in a sealed vault: the event itself can be told all the same.
fn around(event: &Event, token: &Uuid, version: i32) -> Result<(Value, Value)> {
    const NOTHING: (Value, Value) = (Value::Null, Value::Null);
    if !record::exists(&Snapshot::of_caller(), token)? {
        return Ok(NOTHING);
    }
    let keys = match keyring::existing() {
        Ok(Some(keys)) => keys,
        Ok(None) | Err(Error::Sealed(_)) => return Ok(NOTHING),
        Err(error) => return Err(error),
    };
    match &event.app {
        None => profiles_around(&keys, token, version),
        Some(app) if apps::is_change(&event.action) => apps::around(&keys, token, app, version),
        Some(_) => Ok(NOTHING),
    }
}

fn profiles_around(keys: &Keys, token: &Uuid, version: i32) -> Result<(Value, Value)> {
    let before = record_version::find(token, version.saturating_sub(1))?;
    let after = record_version::find(token, version)?;
    // Both at once: a call that is refused counts for nothing.
    guard::admit(before.iter().chain(&after).count() as u64)?;
    Ok((open(keys, token, before)?, open(keys, token, after)?))
}

fn open(keys: &Keys, token: &Uuid, found: Option<Version>) -> Result<Value> {
    let Some(found) = found else {
        return Ok(Value::Null);
    };
    stored_profile(&open_profile(keys, token, found.version, &found.digests, &found.sealed)?)
}
