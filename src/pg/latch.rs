//! Waiting for another process.

use std::time::{Duration, Instant};

use pgrx::pg_sys;

/// Wakes the process that owns a latch; anyone's latch, which is why a stale one does no harm.
///
/// # Safety
/// The pointer is to a latch in PostgreSQL's shared memory.
pub unsafe fn wake(latch: *mut pg_sys::Latch) {
    // SAFETY: the caller's.
    unsafe { pg_sys::SetLatch(latch) };
}

/// The latch of this process.
pub fn own() -> *mut pg_sys::Latch {
    // SAFETY: reads the backend's state; every process that runs our code has a latch.
    unsafe { pg_sys::MyLatch }
}

/// How often one steps aside before one sleeps.
const YIELDS: u32 = 20;

/// Lets other processes run some times, while `go_on` says so. To be done before sleeping.
///
/// Sleeping and being woken cost both sides several system calls. Where the processors are busy, who
/// is waited for is often done by the time one gets a processor again.
pub fn step_aside(go_on: impl Fn() -> bool) {
    for _ in 0..YIELDS {
        if !go_on() {
            return;
        }
        std::thread::yield_now();
    }
}

/// Takes back a wake-up that may be there already. What one waits for has to be looked at after this
/// and before [`wait`].
pub fn reset() {
    // SAFETY: a process may reset its own latch.
    unsafe { pg_sys::ResetLatch(pg_sys::MyLatch) };
}

/// Sleeps until the latch is set, or `longest` has passed, or the postmaster has died, which ends the
/// process. Then lets PostgreSQL cancel the statement or end the session.
pub fn wait(longest: Duration) {
    let milliseconds = longest.as_millis().min(i32::MAX as u128) as core::ffi::c_long;
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: waits for the process's own latch.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds, pg_sys::PG_WAIT_EXTENSION);
    }
    pgrx::check_for_interrupts!();
}

/// Sleeps a moment, for things that nobody wakes us for; at most `longest`.
pub fn nap(longest: Duration) {
    const MOMENT: Duration = Duration::from_millis(2);
    reset();
    wait(longest.min(MOMENT));
}

/// When to give up.
#[derive(Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left of the time; `None` when it is over.
    pub fn left(self) -> Option<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}
