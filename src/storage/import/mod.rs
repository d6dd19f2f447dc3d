//! What a bundle brings into the vault's tables, many rows a statement.
//!
//! Every statement reads its rows from arrays and meets rows of its table by a unique index only, so
//! its plan stays good while the table grows from nothing to millions of rows.

mod belongings;
mod consents;
mod records;

use bunker_bundle::{Kind, Table, Value as Bundled};
use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;

use super::bundle::{BundleRow, from_unix_time};
use super::sql;
use crate::error::{Error, Result};
use crate::pg::value::Value;

pub use belongings::{Mortal, end, end_mortals, merge, mortals, outrun_apps, remove_requests};
pub use consents::{absent_unclaimed, drop_unclaimed, merge_activity, merge_basis};
pub use records::{Imported, Known, add, add_versions, find, keep_versions, lock, replace};

/// The columns of rows as arrays, in the order of the table's.
fn columns(table: &Table, rows: &[BundleRow]) -> Vec<Value<'static>> {
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(position, column)| array(column.kind, rows.iter().map(|row| &row[position])))
        .collect()
}

/// Values of one column. The reader of bundles has seen to it that they are of its kind.
fn array<'a>(kind: Kind, values: impl Iterator<Item = &'a Bundled<'static>>) -> Value<'static> {
    match kind {
        Kind::Uuid => Value::array(values.map(uuid).collect()),
        Kind::Int => Value::array(
            values.map(|value| int(value).and_then(|it| i32::try_from(it).ok())).collect(),
        ),
        Kind::Time => Value::array(values.map(|value| int(value).and_then(time)).collect()),
        Kind::Text | Kind::Json => Value::array(values.map(text).collect()),
        Kind::Bytes => Value::array(values.map(bytes).collect()),
    }
}

fn uuid(value: &Bundled<'_>) -> Option<Uuid> {
    if let Bundled::Uuid(uuid) = value { Some(Uuid::from_bytes(*uuid.as_bytes())) } else { None }
}

fn int(value: &Bundled<'_>) -> Option<i64> {
    if let Bundled::Int(number) = value { Some(*number) } else { None }
}

fn time(unix: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(from_unix_time(unix)).ok()
}

fn text<'a>(value: &'a Bundled<'static>) -> Option<&'a str> {
    if let Bundled::Text(text) = value { Some(text) } else { None }
}

fn bytes<'a>(value: &'a Bundled<'static>) -> Option<&'a [u8]> {
    if let Bundled::Bytes(bytes) = value { Some(bytes) } else { None }
}

/// Tokens as an array.
fn tokens<'a>(tokens: impl IntoIterator<Item = &'a Uuid>) -> Value<'static> {
    Value::array(tokens.into_iter().map(|token| Some(*token)).collect())
}

/// Keeps writers of users and of lookup kinds out until the transaction ends, and says whether the vault
/// has no user and no tombstone so far.
pub fn lock_users() -> Result<bool> {
    super::lookup_kind::lock_writes()?;
    let any = sql::written_row("SELECT EXISTS (SELECT FROM bunker.record)", &[], |row| {
        row.get::<bool>(1)
    })?;
    any.map(|any| !any).ok_or(Error::Internal("the users could not be counted"))
}
