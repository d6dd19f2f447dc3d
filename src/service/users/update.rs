//! Changing a user: patch, check, index and seal anew, and keep what was.

use bunker_core::crypto::RandomPool;
use bunker_core::profile;
use pgrx::Uuid;
use serde_json::Value;

use super::create::duplicate;
use super::reference::still_meant;
use super::{UserRef, open_record, seal_profile, stored_profile};
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring::Keys;
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::kinds::Kinds;
use crate::service::{digests, guard, kinds, schema};
use crate::storage::lookup::{self, Entry, Target};
use crate::storage::record::{self, Record};
use crate::storage::record_version;

/// Applies a patch to a user's profile; the new version.
pub fn update(kind: &str, value: &str, patch: &Jsonb, expected: Option<i32>) -> Result<i32> {
    audit::operation("update_user", Some(kind), &record::TABLE, || {
        lookup::lock_for_writing()?;
        let (token, entry, keys) = UserRef::resolve_existing(kind, value)?;
        let record = record::lock(&token)?
            .filter(|record| !record.forgotten && still_meant(record, entry.as_ref()))
            .ok_or(Error::NoSuchUser)?;
        if expected.is_some_and(|version| version != record.version) {
            return Err(Error::VersionConflict);
        }
        let (old, new) = patched(&keys, &record, patch)?;
        check(&old, &new)?;
        store(&keys, record, &new)
    })
}

/// The profile before and after the patch.
fn patched(keys: &Keys, record: &Record, patch: &Jsonb) -> Result<(Value, Value)> {
    let limits = guc::limits();
    let text = open_record(keys, record)?;
    // A profile that was taken under a higher limit must still be changeable, say into a smaller.
    let old = stored_profile(&text)?;
    let patch = profile::parse_patch(patch.as_str(), &limits)?;
    if profile::tests_values(&patch) {
        // Its success or failure tells a value to whoever guesses it: that counts as reading it.
        guard::admit(1)?;
    }
    let new = profile::apply(&old, &patch, &limits)?;
    Ok((old, new))
}

fn check(old: &Value, new: &Value) -> Result<()> {
    let Some(schema) = schema::current()? else {
        return Ok(());
    };
    schema.check(new)?;
    match schema.locked_change(old, new) {
        Some(location) => Err(Error::LockedChange(location.clone())),
        None => Ok(()),
    }
}

fn store(keys: &Keys, old: Record, profile: &Value) -> Result<i32> {
    let kinds = kinds::all()?;
    let entries = kinds.entries(keys.index(), profile)?;
    reindex(&kinds, &old.token, &digests::decode(&old.digests)?, &entries)?;
    record_version::insert(&old)?;
    let version = old.version.checked_add(1).ok_or(Error::Internal("too many versions"))?;
    let digests = digests::encode(&entries);
    let text = Jsonb::canonical(profile.to_string());
    let sealed = seal_profile(
        keys,
        &old.token,
        version,
        &digests,
        text.as_str(),
        &mut RandomPool::for_seals(1),
    )?;
    let new = Record {
        updated_at: time::transaction_start(),
        version,
        changed_by: audit::author(),
        digests,
        sealed: Some(sealed),
        ..old
    };
    record::update(&new)?;
    Ok(version)
}

/// Brings the blind index from the old entries to the new ones.
fn reindex(kinds: &Kinds, token: &Uuid, old: &[Entry], new: &[Entry]) -> Result<()> {
    let gone: Vec<_> = old.iter().filter(|entry| !new.contains(entry)).copied().collect();
    let added: Vec<_> = new
        .iter()
        .filter(|entry| !old.contains(entry))
        .map(|&entry| lookup::Row { entry, target: Target { token: *token, place: None } })
        .collect();
    if lookup::delete(token, &gone)? != gone.len() {
        return Err(Error::Damaged("a lookup entry"));
    }
    if added.is_empty() {
        return Ok(());
    }
    lookup::insert(&added)?.map_err(|position| duplicate(kinds, &added[position].entry))
}
