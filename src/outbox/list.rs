//! Reading the list, and keeping it short.
//!
//! Events get their numbers when they are first read, because transactions commit in another order
//! than they happen to begin in: a cursor over numbers that the writers had drawn would pass over
//! whoever drew early and commits late.

use crate::audit::unreported;
use crate::error::Result;
use crate::guc;
use crate::pg::transaction;
use crate::storage::event::{self, Numbered};
use crate::storage::outbox as queue;

/// The most events that one call numbers.
const MAX_NUMBERED: usize = 10_000;

/// The events after a number, at most so many, as they stand now and whatever snapshot the
/// transaction has: numbers below one that was returned would else be seen later, or never.
pub fn page(after: i64, limit: i32) -> Result<Vec<Numbered>> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let numbered = event::after(after, limit)?;
    // Who is behind has enough to read; who has read everything brings in the news.
    if numbered.len() == limit || !number_waiting()? {
        return Ok(numbered);
    }
    event::after(after, limit)
}

/// Numbers what waits in the queue; whether anything did. Not in a transaction that may not write,
/// and not while another one does the same: nobody waits here.
fn number_waiting() -> Result<bool> {
    if transaction::is_read_only() || !event::lock_numbers()? {
        return Ok(false);
    }
    let waiting = queue::oldest(MAX_NUMBERED)?;
    if waiting.events.is_empty() {
        // Who looks in vain in a long transaction must not keep the others from looking.
        event::unlock_numbers()?;
        return Ok(false);
    }
    event::insert(&waiting.events)?;
    queue::remove(&waiting)?;
    Ok(true)
}

/// Drops events that are older at the time `now` than `databunker.max_event_retention`, read or not
/// and at most `limit` of them; how many there were.
///
/// It takes the lock of the numbers for the rest of the transaction, so that should be short. If a
/// reader has the lock, what he has not numbered yet stays until the next time.
///
/// # Errors
/// PostgreSQL's own; or the setting's check hook was bypassed.
pub fn purge(now: i64, limit: i32) -> Result<usize> {
    let time = guc::max_event_retention()?.before(now);
    let numbered = unreported(|| event::delete_before(time, limit))?;
    let left = usize::try_from(limit).unwrap_or(0).saturating_sub(numbered);
    if left == 0 || !event::lock_numbers()? {
        return Ok(numbered);
    }
    let unread = queue::oldest_before(time, left)?;
    queue::remove(&unread)?;
    Ok(numbered + unread.events.len())
}
