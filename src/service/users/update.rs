//! Changing a user: patch, check, index and seal anew, and keep what was.

use bunker_core::crypto::RandomPool;
use bunker_core::profile;
use pgrx::Uuid;
use serde_json::Value;

use super::factory::duplicate;
use super::reference::lock;
use super::{Locked, open_record, seal_profile, stored_profile};
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring::Keys;
use crate::outbox::{self, Announcement};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::kinds::Kinds;
use crate::service::requests::{Wish, self_service};
use crate::service::{consent, digests, guard, kinds, schema};
use crate::storage::lookup::{self, Entry, Target};
use crate::storage::record::{self, Record};
use crate::storage::record_version;

/// Applies a patch to a user's profile; the new version, or `None` if the patch waits for approval.
pub fn update(
    kind: &str,
    value: &str,
    patch: &Jsonb,
    expected: Option<i32>,
) -> Result<Option<i32>> {
    audit::operation("update_user", Some(kind), &record::TABLE, || {
        let user = lock(kind, value)?;
        if expected.is_some_and(|version| version != user.record.version) {
            return Err(Error::VersionConflict);
        }
        let patch = profile::parse_patch(patch.as_str(), &guc::limits())?;
        let (old, new) = patched(&user, &patch)?;
        if self_service::profile_waits(&old, &new)? {
            self_service::file(&user, &Wish::ChangeProfile(patch))?;
            return Ok(None);
        }
        store(user, &new).map(Some)
    })
}

/// Applies a patch to the profile of a user who is locked; the new version.
pub fn change(user: Locked, patch: &Value) -> Result<i32> {
    let (_, new) = patched(&user, patch)?;
    store(user, &new)
}

/// Checks that a patch could be applied to the profile of a user who is locked. Whether somebody else
/// has a lookup value that it sets is not looked at.
pub fn rehearse(user: &Locked, patch: &Value) -> Result<()> {
    let (_, new) = patched(user, patch)?;
    kinds::all()?.entries(user.keys.index(), &new).map(drop)
}

/// The profile before and after the patch, which the schema allows.
fn patched(user: &Locked, patch: &Value) -> Result<(Value, Value)> {
    let text = open_record(&user.keys, &user.record)?;
    // A profile that was taken under a higher limit must still be changeable, say into a smaller.
    let old = stored_profile(&text)?;
    if profile::tests_values(patch) {
        // Its success or failure tells a value to whoever guesses it: that counts as reading it.
        guard::admit(1)?;
    }
    let new = profile::apply(&old, patch, &guc::limits())?;
    check(&old, &new)?;
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

fn store(user: Locked, profile: &Value) -> Result<i32> {
    let Locked { record: old, keys } = user;
    let kinds = kinds::all()?;
    let entries = kinds.entries(keys.index(), profile)?;
    reindex(&keys, &kinds, &old.token, &digests::decode(&old.digests)?, &entries)?;
    record_version::insert(&old)?;
    let version = old.version.checked_add(1).ok_or(Error::Internal("too many versions"))?;
    let digests = digests::encode(&entries);
    let text = Jsonb::canonical(profile.to_string());
    let sealed = seal_profile(
        &keys,
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
    outbox::announce(Announcement::UserChanged, &new.token)?;
    Ok(version)
}

/// Brings the blind index from the old entries to the new ones.
fn reindex(keys: &Keys, kinds: &Kinds, token: &Uuid, old: &[Entry], new: &[Entry]) -> Result<()> {
    let gone: Vec<_> = old.iter().filter(|entry| !new.contains(entry)).copied().collect();
    let added: Vec<_> = new
        .iter()
        .filter(|entry| !old.contains(entry))
        .map(|&entry| lookup::Row { entry, target: Target { token: *token, place: None } })
        .collect();
    consent::release(keys, token, &gone)?;
    if lookup::delete(token, &gone)? != gone.len() {
        return Err(Error::Damaged("a lookup entry"));
    }
    if added.is_empty() {
        return Ok(());
    }
    lookup::insert(&added)?.map_err(|position| duplicate(kinds, &added[position].entry))?;
    let got: Vec<_> = added.iter().map(|row| row.entry).collect();
    consent::announce_gained(token, &got)
}
