//! What each role has read lately, in memory that all sessions share.

use bunker_core::rate::{RateTable, Refused};
use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgLwLock, pg_shmem_init};

use super::{setting, time};
use crate::error::{Error, Result};

struct Shared(RateTable);

// SAFETY: numbers only, no pointers: it means the same in every process.
unsafe impl PGRXSharedMemory for Shared {}

/// Behind a lock, not made of atomics: to look, count and write is then one step, so that of two
/// hundred sessions exactly as many pass as may. It is held for less than a microsecond; who waits
/// sleeps, and a crash of its holder starts the server anew, with an empty table.
///
/// SAFETY: no other shared memory and no other tranche of locks has this name.
static RATES: PgLwLock<Shared> = unsafe { PgLwLock::new(c"databunker_read_rates") };

/// Asks for the shared memory. Called by `_PG_init` while the postmaster loads the library.
#[expect(unexpected_cfgs, reason = "the macro asks for versions of PostgreSQL that we do not have")]
pub fn request() {
    pg_shmem_init!(RATES = Shared(RateTable::new()));
}

/// Takes `records` from the `limit` that a role may read in a minute, over all sessions.
///
/// # Errors
/// Over the limit or, when the library was not preloaded, because there is no shared memory.
pub fn take(role: pg_sys::Oid, records: u64, limit: u32) -> Result<()> {
    if !setting::preloaded() {
        return Err(Error::NotPreloaded("databunker.read_rate_limit"));
    }
    let now = time::monotonic().as_secs();
    let taken = RATES.exclusive().0.take(role.to_u32(), records, limit, now);
    taken.map_err(|refused| match refused {
        Refused::OverLimit => {
            Error::RateLimited("Wait a minute; databunker.read_rate_limit is the limit.")
        }
        Refused::TableFull => {
            Error::RateLimited("1,024 other roles have read in the last minute; wait a minute.")
        }
    })
}
