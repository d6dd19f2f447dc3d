//! How long something lasts: what a caller asks for, and the most that a setting allows.

use bunker_core::calendar::Interval;

use crate::error::{Error, Result};
use crate::pg::{session, time};

/// When something ends that begins at `now` (microseconds since 2000-01-01 UTC). `ttl` is how long the
/// caller wants it to last, `bound` the most that `setting` allows: what he gets when he does not say,
/// or asks for more. In that case he is told so.
///
/// # Errors
/// A span of time that is not longer than nothing.
pub fn ends_at(
    ttl: Option<Interval>,
    bound: Interval,
    setting: &'static str,
    now: i64,
) -> Result<i64> {
    let latest = bound.after(now).min(time::LAST);
    let wanted = ttl.map_or(Ok(latest), |ttl| after(ttl, now))?;
    if wanted > latest {
        session::notice(&format!("the time is bounded by {setting}"));
    }
    Ok(wanted.min(latest))
}

/// The same without a bound.
///
/// # Errors
/// A span of time that is not longer than nothing.
pub fn after(ttl: Interval, now: i64) -> Result<i64> {
    let end = ttl.after(now).min(time::LAST);
    // `1 month -29 days` is longer than nothing as intervals compare, but not in every month.
    if ttl.is_positive() && end > now { Ok(end) } else { Err(unusable()) }
}

/// What a caller is told about a span of time for which nothing can last.
pub fn unusable() -> Error {
    Error::BadArgument(
        "the span of time is not usable",
        "Give a finite interval longer than nothing, such as '7 days'.",
    )
}
