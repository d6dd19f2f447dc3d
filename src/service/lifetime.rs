//! Since when something is kept, and how long it lasts: what a caller asks for, and the most that a
//! setting allows. Times are microseconds since 2000-01-01 UTC.

use bunker_core::calendar::Interval;
use pgrx::Uuid;

use crate::error::{Error, Result};
use crate::pg::{session, time};
use crate::storage::mortal::Mortal;

/// Since when something is kept that is changed now and then.
#[derive(Clone, Copy)]
pub struct Since {
    /// When it was made.
    pub created_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
}

impl Since {
    /// What is made at `now`.
    pub const fn at(now: i64) -> Self {
        Self { created_at: now, updated_at: now }
    }
}

/// The life of something that ends by itself.
#[derive(Clone, Copy)]
pub struct Life {
    /// Names what lives.
    pub id: Uuid,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
}

impl Life {
    /// The row of a user's with this life; what it holds is yet to be sealed.
    pub fn of(&self, token: &Uuid) -> Mortal {
        let &Self { id, created_at, expires_at } = self;
        Mortal { id, token: *token, created_at, expires_at, sealed: Vec::new() }
    }
}

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
