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

use super::bundle::{self, BundleRow};
use super::sql;
use crate::error::{Error, Result};
use crate::pg::time::from_unix_micros;
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
        Kind::Uuid => {
            Value::array(values.map(|value| value.as_uuid().map(bundle::from_uuid)).collect())
        }
        Kind::Int => {
            let narrow = |number| i32::try_from(number).ok();
            Value::array(values.map(|value| value.as_int().and_then(narrow)).collect())
        }
        Kind::Time => Value::array(values.map(|value| value.as_int().and_then(time)).collect()),
        Kind::Text | Kind::Json => Value::array(values.map(Bundled::as_text).collect()),
        Kind::Bytes => Value::array(values.map(Bundled::as_bytes).collect()),
    }
}

fn time(unix: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(from_unix_micros(unix)).ok()
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
