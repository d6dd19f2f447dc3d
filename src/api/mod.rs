//! The SQL functions, one file a noun: arguments in, use case, result out.
//!
//! Their declarations, with defaults, privileges and strictness, are in `sql/`.

mod audit;
mod check;
mod guard;
mod keys;
mod lookups;
mod schema;
mod triggers;
mod users;

use pgrx::datum::TimestampWithTimeZone;

use crate::error::{Error, Result};

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
