//! JSON documents of users that are no profiles: app data and sessions. The limits are the same.

use bunker_core::profile::{self, PatchError, ProfileError};
use serde_json::Value;

use super::guard;
use super::users::stored_profile;
use crate::error::{Error, Result};
use crate::guc;
use crate::pg::jsonb::Jsonb;

const LIMITS: &str =
    "databunker.max_profile_size is the limit, and 128 objects and arrays in each other.";

/// Takes a document as it is.
///
/// # Errors
/// It is no JSON object, or is over a limit.
pub fn check(document: &Jsonb) -> Result<()> {
    profile::parse(document.as_str(), &guc::limits()).map(drop).map_err(unusable)
}

/// A stored document with a patch applied to it.
///
/// # Errors
/// The patch cannot be applied, or the result is no JSON object, or is over a limit.
pub fn patched(stored: &str, patch: &Jsonb) -> Result<Jsonb> {
    let limits = guc::limits();
    let patch = profile::parse_patch(patch.as_str(), &limits).map_err(unusable)?;
    if profile::tests_values(&patch) {
        // Its success or failure tells a value to whoever guesses it: that counts as reading it.
        guard::admit(1)?;
    }
    let new = profile::apply(&read(stored)?, &patch, &limits).map_err(|error| match error {
        PatchError::TooBig | PatchError::TooDeep => Error::TooMany(LIMITS),
        PatchError::NotAnObject => unusable(ProfileError::NotAnObject),
        PatchError::ReservedName => unusable(ProfileError::ReservedName),
        other => Error::BadPatch(other),
    })?;
    Ok(Jsonb::canonical(new.to_string()))
}

/// Whether a stored document and one that is given say the same.
///
/// # Errors
/// The given one is no JSON object, or is over a limit.
pub fn same(stored: &str, given: &Jsonb) -> Result<bool> {
    let new = profile::parse(given.as_str(), &guc::limits()).map_err(unusable)?;
    Ok(profile::same_json(&read(stored)?, &new))
}

/// Reads a document that was stored, perhaps when other limits were in force.
pub fn read(stored: &str) -> Result<Value> {
    stored_profile(stored)
}

fn unusable(error: ProfileError) -> Error {
    match error {
        ProfileError::TooBig | ProfileError::TooDeep => Error::TooMany(LIMITS),
        ProfileError::ReservedName => Error::BadArgument(
            "the data have a member with a reserved name",
            "Names that begin with $serde_json:: are not available.",
        ),
        _ => Error::BadArgument("the data are not a JSON object", "Send one such as {\"a\": 1}."),
    }
}
