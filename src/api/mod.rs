//! The SQL functions, one file a noun: arguments in, use case, result out.
//!
//! Their declarations, with defaults, privileges and strictness, are in `sql/`.

mod access;
mod apps;
mod audit;
mod bundle;
mod check;
mod consent;
mod events;
mod expiry;
mod guard;
mod import;
mod keys;
mod lookups;
mod reports;
mod requests;
mod schema;
mod sessions;
mod shares;
mod triggers;
mod users;

use bunker_core::calendar;
use pgrx::datum::{Interval, TimestampWithTimeZone};

use crate::error::{Error, Result};
use crate::service::lifetime;

/// An argument that must not be NULL in a function that takes NULL for others.
fn required<T>(argument: Option<T>) -> Result<T> {
    argument.ok_or(Error::BadArgument(
        "a required argument is null",
        "Only arguments with a default may be null.",
    ))
}

/// A time for SQL, from microseconds since 2000-01-01 UTC.
fn timestamp(time: i64) -> Result<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(time).map_err(|_| Error::Damaged("a stored time"))
}

/// A span of time from SQL. Infinity, which PostgreSQL 17 and later know, is none.
fn span(interval: Interval) -> Result<calendar::Interval> {
    let (months, days, microseconds) = (interval.months(), interval.days(), interval.micros());
    // Written as the largest or the smallest value of each part (INTERVAL_NOT_FINITE in timestamp.h).
    let ends = [(i32::MAX, i32::MAX, i64::MAX), (i32::MIN, i32::MIN, i64::MIN)];
    if ends.contains(&(months, days, microseconds)) {
        return Err(lifetime::unusable());
    }
    Ok(calendar::Interval { months, days, microseconds })
}
