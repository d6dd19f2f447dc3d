//! Sealing and opening profiles.

use bunker_core::crypto::RandomPool;
use bunker_core::place;
use bunker_core::profile::{self, Limits};
use pgrx::Uuid;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::service::sealed::{Field, Place};
use crate::storage::record::Record;

/// A living user's profile, and its former versions: a version keeps its bytes when it moves from one
/// table to the other.
const PROFILE: Field = Field::new(place::PROFILE);
/// A tombstone's preserved values.
const TOMBSTONE: Field = Field::new(place::TOMBSTONE);

/// Seals a profile under a new data key.
pub fn seal_profile(
    keys: &Keys,
    token: &Uuid,
    version: i32,
    digests: &[u8],
    profile: &str,
    pool: &mut RandomPool,
) -> Result<Vec<u8>> {
    PROFILE.seal(keys, &Place { owner: token, version, extra: digests }, profile, pool)
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
    PROFILE.open(keys, &Place { owner: token, version, extra: digests }, sealed)
}

/// Opens the profile of a living user's record.
pub fn open_record(keys: &Keys, record: &Record) -> Result<Zeroizing<String>> {
    let sealed = record.sealed.as_deref().ok_or(Error::Damaged("a stored record"))?;
    open_profile(keys, &record.token, record.version, &record.digests, sealed)
}

/// Seals the preserved values of a forgotten user.
pub fn seal_tombstone(keys: &Keys, token: &Uuid, version: i32, values: &str) -> Result<Vec<u8>> {
    TOMBSTONE.seal_one(keys, &Place { owner: token, version, extra: &[] }, values)
}

/// Opens the preserved values of a forgotten user.
pub fn open_tombstone(
    keys: &Keys,
    token: &Uuid,
    version: i32,
    sealed: &[u8],
) -> Result<Zeroizing<String>> {
    TOMBSTONE.open(keys, &Place { owner: token, version, extra: &[] }, sealed)
}

/// Reads a profile that was stored, perhaps when other limits were in force.
pub fn stored_profile(text: &str) -> Result<Value> {
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    profile::parse(text, &limits).map_err(|_| Error::Damaged("a stored record"))
}
