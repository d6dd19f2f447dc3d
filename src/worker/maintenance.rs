//! The maintenance worker: does the chores of one database in short transactions.
//!
//! He never stays long. DROP DATABASE and CREATE DATABASE … TEMPLATE wait five seconds for others to
//! leave; what is not done by then another worker does, after a pause.

use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;

use crate::error::Result;
use crate::keyring;
use crate::pg::owner::as_owner;
use crate::pg::{background, launch, session, time};
use crate::service::maintenance::{self, CHORES, Chore};
use crate::storage::audit;

/// How long a worker stays.
const STAY: Duration = Duration::from_secs(2);
/// How long a transaction should take at most; so long others may wait for a row that it has locked.
const TRANSACTION: Duration = Duration::from_millis(50);
/// Pieces of work in the first transaction of a chore, and in the largest one.
const FIRST_BATCH: i32 = 16;
const LARGEST_BATCH: i32 = 1_000;

/// Does what is due, until nothing is, or the time is over, or the process is asked to end.
pub fn run() {
    background::commit_locally();
    if !is_usable() {
        return;
    }
    let (begun, now) = (Instant::now(), time::now());
    let mut under_way: Vec<_> = CHORES.iter().map(|chore| Turn::of(chore, now)).collect();
    // In turns: a long chore does not keep the others waiting.
    while !under_way.is_empty() && !background::should_end() {
        if begun.elapsed() >= STAY {
            launch::leave_something();
            break;
        }
        under_way.retain_mut(|turn| !background::should_end() && turn.take());
    }
    if !background::should_end() {
        let _ = transaction(c"looking for old audit events", || {
            maintenance::hand_over_old_months(now).map(drop)
        });
    }
}

/// Whether there is a vault in this database that has been used and is not sealed.
fn is_usable() -> bool {
    let usable = background::attempt(c"looking for a vault", || {
        if session::extension() == Oid::INVALID {
            return Ok(false);
        }
        as_owner(audit::owner()?, || Ok(matches!(keyring::existing(), Ok(Some(_)))))
    });
    usable.unwrap_or(false)
}

/// A chore that is being done.
struct Turn {
    chore: &'static Chore,
    /// The time that names the round.
    now: i64,
    batch: i32,
}

impl Turn {
    fn of(chore: &'static Chore, now: i64) -> Self {
        Self { chore, now, batch: FIRST_BATCH }
    }

    /// Does one batch; whether there may be more.
    fn take(&mut self) -> bool {
        let begun = Instant::now();
        let done = transaction(self.chore.activity, || (self.chore.run)(self.now, self.batch));
        let is_full = done.is_some_and(|done| done >= self.batch as usize);
        self.adjust(begun.elapsed());
        is_full
    }

    /// Larger batches while they are quick, smaller ones when they are not.
    fn adjust(&mut self, taken: Duration) {
        let next = if taken > TRANSACTION {
            self.batch / 2
        } else if taken < TRANSACTION / 2 {
            self.batch * 2
        } else {
            self.batch
        };
        self.batch = next.clamp(1, LARGEST_BATCH);
    }
}

/// A transaction as the owner of the tables; `None` when it failed, which the log is told.
fn transaction<R>(
    activity: &'static std::ffi::CStr,
    work: impl FnOnce() -> Result<R>,
) -> Option<R> {
    let done = background::attempt(activity, || as_owner(audit::owner()?, work));
    done.inspect_err(|error| {
        let what = format!("maintenance failed while {}", activity.to_string_lossy());
        background::log_failure(&what, error, "The next round tries again.");
    })
    .ok()
}
