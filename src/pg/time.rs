//! Points in time, as PostgreSQL counts them: microseconds since 2000-01-01 UTC.

use std::ffi::CStr;
use std::time::Duration;

use pgrx::pg_sys;
use rustix::time::{ClockId, clock_gettime};

/// The start of the current transaction, which is what `now()` gives.
pub fn transaction_start() -> i64 {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// ISO 8601 in UTC, as PostgreSQL writes timestamps into JSON.
pub fn to_json(time: i64) -> String {
    let mut buffer = [0; pg_sys::MAXDATELEN as usize + 1];
    let utc = 0;
    // SAFETY: JsonEncodeDateTime (json.c) writes at most MAXDATELEN + 1 bytes and ends with NUL.
    unsafe {
        pg_sys::JsonEncodeDateTime(
            buffer.as_mut_ptr(),
            pg_sys::Datum::from(time),
            pg_sys::TIMESTAMPTZOID,
            &utc,
        );
        CStr::from_ptr(buffer.as_ptr()).to_string_lossy().into_owned()
    }
}

/// The time now, also inside a long transaction.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Time on a clock that nobody sets and that all processes share (CLOCK_MONOTONIC); only
/// differences of it mean anything.
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    // It counts from the start of the machine, and nanoseconds are below 10^9.
    Duration::new(now.tv_sec.cast_unsigned(), now.tv_nsec as u32)
}
