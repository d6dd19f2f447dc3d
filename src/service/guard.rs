//! How many records may be read: in a transaction without an unlock, and by a role in a minute.
//!
//! Both make an injected `SELECT bunker_get_user(token) FROM …` unprofitable. The first counts in
//! the backend and not in the transaction's own state, so that nothing in SQL takes a count back:
//! no ROLLBACK TO, no caught exception, no SET ROLE, no RESET ALL, no DISCARD ALL. It starts again
//! with the next top-level transaction; what a client can read by many small transactions is for
//! the second to bound. Superusers are not exempt.

use std::cell::Cell;
use std::time::Duration;

use pgrx::Uuid;
use pgrx::pg_sys::Oid;

use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::identity;
use crate::pg::session::{self, Transaction};
use crate::pg::setting::MAX_FREE_TEXT;
use crate::pg::{caller, read_rates, time};
use crate::service::ids;

/// How long an unlock lasts.
const UNLOCK: Duration = Duration::from_secs(60);

/// What a transaction has read.
#[derive(Clone, Copy)]
struct Tally {
    transaction: Transaction,
    records: u64,
}

/// A guard that is open.
#[derive(Clone, Copy)]
struct Unlocked {
    /// Only for him: another session role must get an unlock of its own.
    session_role: Oid,
    /// Only in this transaction, if it acted as somebody: a pool gives the session to others then.
    transaction: Option<Transaction>,
    /// On the clock that nobody can set.
    until: Duration,
}

thread_local! {
    static TALLY: Cell<Tally> = const { Cell::new(Tally { transaction: Transaction::NONE, records: 0 }) };
    static UNLOCKED: Cell<Option<Unlocked>> = const { Cell::new(None) };
}

/// Lets `records` be read and counts them. Called once they are found and before they leave, where
/// that is possible before they are opened.
///
/// # Errors
/// Over a limit (then nothing is counted), or in a parallel query.
pub fn admit(records: u64) -> Result<()> {
    let tally = tally_with(records)?;
    if records > 0
        && let Some(limit) = guc::read_rate_limit()
    {
        read_rates::take(caller::session_role(), records, limit)?;
    }
    TALLY.set(tally);
    Ok(())
}

/// Fails where [`admit`] would for the transaction's sake, and counts nothing: a call that opens
/// many records stops at the first that is too much.
pub fn foresee(records: u64) -> Result<()> {
    tally_with(records).map(|_| ())
}

/// The transaction's tally, if it reads that many more and may.
fn tally_with(records: u64) -> Result<Tally> {
    session::refuse_parallel()?;
    let mut tally = TALLY.get();
    let transaction = Transaction::current();
    if tally.transaction != transaction {
        tally = Tally { transaction, records: 0 };
    }
    tally.records = tally.records.saturating_add(records);
    match guc::bulk_read_limit() {
        Some(limit) if records > 0 && tally.records > u64::from(limit) && !is_unlocked() => {
            Err(Error::BulkGuard)
        }
        _ => Ok(tally),
    }
}

fn is_unlocked() -> bool {
    UNLOCKED.get().is_some_and(|unlocked| {
        unlocked.session_role == caller::session_role()
            && unlocked.transaction.is_none_or(|unlocked| unlocked == Transaction::current())
            && time::monotonic() < unlocked.until
    })
}

/// Opens the bulk guard of this session, for this session role, for 60 seconds, but no longer than an
/// identity lasts by which it was done; the unlock's number in the audit trail. ROLLBACK does not close
/// it. What is read meanwhile counts, so a transaction that goes on afterwards may be over the limit.
/// The rate of reads stays bounded.
///
/// # Errors
/// Without a reason, with one of more than 1,000 bytes, or in a parallel query.
pub fn unlock(reason: &str) -> Result<Uuid> {
    // Opened after its event is delivered: an unlock that nobody would know of opens nothing.
    let number = audit::read("unlock_bulk", None, |access| {
        if reason.trim().is_empty() || reason.len() > MAX_FREE_TEXT {
            return Err(Error::BadArgument(
                "the reason for the unlock is not usable",
                "Say in 1 to 1,000 bytes why so much has to be read.",
            ));
        }
        let number = ids::random()?;
        access.because(reason);
        access.told(format!("unlock {number}"));
        Ok(number)
    })?;
    UNLOCKED.set(Some(Unlocked {
        session_role: caller::session_role(),
        transaction: identity::current().map(|_| Transaction::current()),
        until: time::monotonic() + UNLOCK,
    }));
    Ok(number)
}
