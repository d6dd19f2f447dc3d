//! Names for what has none of its own.

use bunker_core::crypto::random;
use pgrx::Uuid;

use crate::error::Result;

/// A random uuid (RFC 9562, version 4), which nobody can guess.
pub fn random() -> Result<Uuid> {
    let mut bytes = [0; 16];
    random::fill(&mut bytes)?;
    Ok(Uuid::from_bytes(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()))
}
