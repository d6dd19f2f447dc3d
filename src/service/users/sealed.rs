//! Sealing and opening profiles: which bytes are bound to which.

use bunker_core::crypto::{Binding, RandomPool};
use bunker_core::profile::{self, Limits};
use pgrx::Uuid;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::storage::record::Record;

/// Table and field of a living user's profile, and of its former versions: a version keeps its
/// bytes when it moves from one table to the other.
const PROFILE: &str = "record.profile";
/// Table and field of a tombstone's preserved values.
const TOMBSTONE: &str = "record.tombstone";

fn binding<'a>(domain: &'a str, token: &'a Uuid, version: i32, extra: &'a [u8]) -> Binding<'a> {
    Binding { domain, owner: token.as_bytes(), version: version.cast_unsigned(), extra }
}

/// Seals a profile under a new data key.
pub fn seal_profile(
    keys: &Keys,
    token: &Uuid,
    version: i32,
    digests: &[u8],
    profile: &str,
    pool: &mut RandomPool,
) -> Result<Vec<u8>> {
    let binding = binding(PROFILE, token, version, digests);
    Ok(keys.current_data_key()?.seal(&binding, profile.as_bytes(), pool)?)
}

/// Opens a profile.
///
/// # Errors
/// Damaged when the bytes, or the row they stand in, are not as they were sealed.
pub fn open_profile(
    keys: &Keys,
    token: &Uuid,
    version: i32,
    digests: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<String>> {
    let binding = binding(PROFILE, token, version, digests);
    into_text(keys.data_key(sealed)?.open(&binding, sealed)?)
}

/// Opens the profile of a living user's record.
pub fn open_record(keys: &Keys, record: &Record) -> Result<Zeroizing<String>> {
    let sealed = record.sealed.as_deref().ok_or(Error::Damaged("a stored record"))?;
    open_profile(keys, &record.token, record.version, &record.digests, sealed)
}

/// Seals the preserved values of a forgotten user.
pub fn seal_tombstone(keys: &Keys, token: &Uuid, version: i32, values: &str) -> Result<Vec<u8>> {
    let binding = binding(TOMBSTONE, token, version, &[]);
    let mut pool = RandomPool::for_seals(1);
    Ok(keys.current_data_key()?.seal(&binding, values.as_bytes(), &mut pool)?)
}

/// Opens the preserved values of a forgotten user.
pub fn open_tombstone(
    keys: &Keys,
    token: &Uuid,
    version: i32,
    sealed: &[u8],
) -> Result<Zeroizing<String>> {
    let binding = binding(TOMBSTONE, token, version, &[]);
    into_text(keys.data_key(sealed)?.open(&binding, sealed)?)
}

fn into_text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>> {
    String::from_utf8(std::mem::take(&mut *bytes))
        .map(Zeroizing::new)
        .map_err(|_| Error::Damaged("a stored record"))
}

/// Reads a profile that was stored, perhaps when other limits were in force.
pub fn stored_profile(text: &str) -> Result<Value> {
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    profile::parse(text, &limits).map_err(|_| Error::Damaged("a stored record"))
}
