//! Points in time, as PostgreSQL counts them: microseconds since 2000-01-01 UTC.

use std::ffi::{CStr, c_int};
use std::time::Duration;

use bunker_core::calendar::SINCE_1970;
use pgrx::pg_sys;
use rustix::time::{ClockId, clock_gettime};

use super::datetime;

/// What a time can be: from the first `timestamptz` (timestamp.h) to below the last that bundles can
/// tell, which count from 1970, in the year 294247.
const RANGE: std::ops::Range<i64> = -211_813_488_000_000_000..i64::MAX - SINCE_1970;

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

/// A point in time in any notation that `timestamptz_in` takes; `None` if it is none, or infinite.
///
/// The same calls as there (timestamp.c), but without its errors, which quote the text.
pub fn parse(text: &CStr) -> Option<i64> {
    let (mut kind, mut zone) = (0, 0);
    let (mut parts, mut fraction) = (pg_sys::pg_tm::default(), 0);
    let mut time = 0;
    // SAFETY: the fields are as ParseDateTime has found them; the functions report by their results.
    let failure = datetime::decode(text, |fields| unsafe {
        pg_sys::DecodeDateTime(
            fields.texts,
            fields.types,
            fields.count,
            &mut kind,
            &mut parts,
            &mut fraction,
            &mut zone,
            // What an error message would quote.
            #[cfg(not(feature = "pg15"))]
            &mut pg_sys::DateTimeErrorExtra::default(),
        )
    });
    if failure != 0 || kind != pg_sys::DTK_DATE as c_int {
        return None;
    }
    // SAFETY: as above.
    if unsafe { pg_sys::tm2timestamp(&mut parts, fraction, &mut zone, &mut time) } != 0 {
        return None;
    }
    is_storable(time).then_some(time)
}

/// A point in time in microseconds since 1970-01-01 UTC; `None` where that is more than 64 bits hold.
pub fn to_unix_micros(time: i64) -> Option<i64> {
    time.checked_add(SINCE_1970)
}

/// A point in time that is given in microseconds since 1970-01-01 UTC. Whether PostgreSQL can store it,
/// [`is_storable`] knows.
pub fn from_unix_micros(time: i64) -> i64 {
    time.saturating_sub(SINCE_1970)
}

/// A point in time that is given in seconds since 1970-01-01 UTC; `None` if PostgreSQL cannot store it.
pub fn from_unix(seconds: f64) -> Option<i64> {
    let micros = (seconds * 1e6).round();
    // Within 2^53 microseconds of 1970, some 285 years, no precision is lost.
    let time = (micros.abs() < 9e18).then_some(micros as i64)?.checked_sub(SINCE_1970)?;
    is_storable(time).then_some(time)
}

/// The last point in time that PostgreSQL can store.
pub const LAST: i64 = RANGE.end - 1;

/// Whether a computed time is one that PostgreSQL can store, and not infinite.
pub fn is_storable(time: i64) -> bool {
    RANGE.contains(&time)
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
