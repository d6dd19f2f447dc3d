//! What was tried lately, in memory that all sessions share: no ROLLBACK takes a try back.

use std::hash::{DefaultHasher, Hash, Hasher};

use bunker_core::attempts::{Allowance, AttemptTable};
use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgLwLock, pg_shmem_init};

use super::{setting, time};
use crate::error::{Error, Result};

struct Shared(AttemptTable);

// SAFETY: numbers only, no pointers: it means the same in every process.
unsafe impl PGRXSharedMemory for Shared {}

/// SAFETY: no other shared memory and no other tranche of locks has this name.
static ATTEMPTS: PgLwLock<Shared> = unsafe { PgLwLock::new(c"databunker_attempts") };

/// Asks for the shared memory. Called by `_PG_init` while the postmaster loads the library.
#[expect(unexpected_cfgs, reason = "the macro asks for versions of PostgreSQL that we do not have")]
pub fn request() {
    pg_shmem_init!(ATTEMPTS = Shared(AttemptTable::new()));
}

/// Counts a try at something; whether it was allowed.
///
/// # Errors
/// The library was not preloaded: there is no shared memory, and nothing could be counted.
pub fn count(what: &impl Hash, allowed: Allowance) -> Result<bool> {
    require_memory()?;
    Ok(ATTEMPTS.exclusive().0.count(key(what), allowed, now()).is_ok())
}

/// Whether as many tries at something as are allowed have been counted. Not so when there was no
/// room to count them, which is for [`count`] to refuse.
///
/// # Errors
/// As [`count`].
pub fn is_exhausted(what: &impl Hash, allowed: Allowance) -> Result<bool> {
    require_memory()?;
    Ok(ATTEMPTS.share().0.is_exhausted(key(what), allowed, now()))
}

/// # Errors
/// The library was not preloaded: nothing can be counted.
pub fn require_memory() -> Result<()> {
    if setting::preloaded() { Ok(()) } else { Err(Error::NotPreloaded("logging in")) }
}

/// Seconds since the machine's start: 2^32 of them are 136 years.
fn now() -> u32 {
    u32::try_from(time::monotonic().as_secs()).unwrap_or(u32::MAX)
}

/// The same in all processes: this hasher begins with constants. What is hashed is drawn by us, and
/// nobody can make two of it collide.
fn key(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
