//! Forget-me: everything that can be opened goes, a tombstone stays.

use bunker_core::names::SelfService;
use bunker_core::profile::UserSchema;
use pgrx::Uuid;

use super::belongings;
use super::reference::still_meant;
use super::sealed::{open_tombstone, seal_tombstone};
use super::{Locked, UserRef, open_record, stored_profile};
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::{self, Keys};
use crate::outbox::{self, Announcement};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::requests::{Wish, self_service};
use crate::service::{digests, guard, schema};
use crate::storage::record::{self, Record};
use crate::storage::{lookup, record_version};

/// Forgets a user. False when he was forgotten before; `None` if it waits for approval.
pub fn forget(kind: &str, value: &str) -> Result<Option<bool>> {
    audit::operation("delete_user", Some(kind), &record::TABLE, || {
        lookup::lock_for_writing()?;
        let (token, entry, keys) = UserRef::resolve_existing(kind, value)?;
        let record = record::lock(&token)?.ok_or(Error::NoSuchUser)?;
        if record.forgotten {
            audit::nothing_found(Some(&token), None);
            return Ok(Some(false));
        }
        if !still_meant(&record, entry.as_ref()) {
            return Err(Error::NoSuchUser);
        }
        if self_service::waits(SelfService::ForgetMe) {
            self_service::file(&Locked { record, keys }, &Wish::ForgetMe)?;
            return Ok(None);
        }
        bury(&keys, &record)?;
        Ok(Some(true))
    })
}

/// Turns a living user, whose row is locked, into a tombstone. To be done inside an operation that
/// reports the changes of `bunker.record`, under the writers' lock on `lookup`.
pub fn bury(keys: &Keys, record: &Record) -> Result<()> {
    let version = record.version.checked_add(1).ok_or(Error::Internal("too many versions"))?;
    // Before the record is opened: without the schema nobody knows what has to be preserved, and that
    // is no reason to lose it.
    let schema = schema::current()?;
    let preserved = match preserved(keys, record, schema.as_deref()) {
        Ok(values) => {
            lookup::delete(&record.token, &digests::decode(&record.digests)?)?;
            values
        }
        // A damaged record must be forgettable: its digests are not to be trusted, and what should
        // be preserved cannot be read by anyone.
        Err(Error::Damaged(_)) => {
            lookup::delete_all(&record.token)?;
            None
        }
        Err(error) => return Err(error),
    };
    let sealed = match preserved {
        Some(values) => Some(seal_tombstone(keys, &record.token, version, &values)?),
        None => None,
    };
    record_version::delete_all(&record.token)?;
    belongings::erase(&record.token, &record.digests)?;
    record::forget(&Record {
        token: record.token,
        created_at: record.created_at,
        updated_at: time::transaction_start(),
        forgotten: true,
        version,
        changed_by: audit::author(),
        digests: Vec::new(),
        sealed,
    })?;
    outbox::announce(Announcement::UserForgotten, &record.token)
}

/// The values that the schema wants preserved, as JSON text.
fn preserved(
    keys: &Keys,
    record: &Record,
    schema: Option<&UserSchema>,
) -> Result<Option<zeroize::Zeroizing<String>>> {
    let text = open_record(keys, record)?;
    let Some(schema) = schema else {
        return Ok(None);
    };
    let values = schema.preserved(&stored_profile(&text)?);
    Ok(values.map(|values| zeroize::Zeroizing::new(values.to_string())))
}

/// What is kept of a forgotten user: `{"token","created_at","forgotten_at","preserved"}`.
pub fn tombstone(token: &Uuid) -> Result<Option<Jsonb>> {
    audit::read("tombstone", None, |access| {
        let found = describe_tombstone(token)?;
        Ok(access.outcome(token, found))
    })
}

fn describe_tombstone(token: &Uuid) -> Result<Option<Jsonb>> {
    let Some(record) = record::find_tombstone(token)? else {
        return Ok(None);
    };
    let preserved = match (&record.sealed, keyring::existing()?) {
        (Some(sealed), Some(keys)) => {
            guard::admit(1)?;
            open_tombstone(&keys, token, record.version, sealed)?
        }
        _ => zeroize::Zeroizing::new(String::from("null")),
    };
    Ok(Some(Jsonb::from(format!(
        "{{\"token\":\"{}\",\"created_at\":\"{}\",\"forgotten_at\":\"{}\",\"preserved\":{}}}",
        token,
        time::to_json(record.created_at),
        time::to_json(record.updated_at),
        *preserved,
    ))))
}
