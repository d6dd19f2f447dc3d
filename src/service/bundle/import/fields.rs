//! The values of a bundle's row, one after the other.

use std::vec::IntoIter;

use bunker_bundle::{Column, Kind, Table, Value};
use pgrx::Uuid;

use super::malformed;
use crate::error::Result;
use crate::pg::time;
use crate::storage::bundle::{BundleRow, from_uuid};

/// Refuses what no column of the vault's tables takes. That values are of their columns' kinds, and not
/// missing where they must not be, the reader has checked.
pub fn check(table: &Table, rows: &[BundleRow]) -> Result<()> {
    let fits = |(value, column): (&Value<'_>, &Column)| match value {
        Value::Text(text) => !text.contains('\0'),
        Value::Int(time) if column.kind == Kind::Time => is_time(*time),
        Value::Int(number) => i32::try_from(*number).is_ok(),
        Value::Null | Value::Bytes(_) | Value::Uuid(_) => true,
    };
    let all_fit = |row: &BundleRow| row.iter().zip(table.columns).all(fits);
    if rows.iter().all(all_fit) { Ok(()) } else { Err(malformed()) }
}

fn is_time(unix: i64) -> bool {
    time::is_storable(time::from_unix_micros(unix))
}

/// A uuid.
pub fn uuid(value: &Value<'_>) -> Option<Uuid> {
    value.as_uuid().map(from_uuid)
}

/// Takes the values of a row in the order of its columns.
pub struct Fields(IntoIter<Value<'static>>);

impl Fields {
    /// The values of a row.
    pub fn of(row: BundleRow) -> Self {
        Self(row.into_iter())
    }

    fn next(&mut self) -> Result<Value<'static>> {
        self.0.next().ok_or_else(malformed)
    }

    /// A uuid.
    pub fn uuid(&mut self) -> Result<Uuid> {
        uuid(&self.next()?).ok_or_else(malformed)
    }

    fn number(&mut self) -> Result<Option<i64>> {
        match self.next()? {
            Value::Int(number) => Ok(Some(number)),
            Value::Null => Ok(None),
            _ => Err(malformed()),
        }
    }

    /// A number of up to 32 bits, or of another type that holds fewer.
    pub fn int<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let number = self.number()?.ok_or_else(malformed)?;
        T::try_from(number).map_err(|_| malformed())
    }

    /// A time, by PostgreSQL's clock.
    pub fn time(&mut self) -> Result<i64> {
        self.optional_time()?.ok_or_else(malformed)
    }

    /// A time that may be missing.
    pub fn optional_time(&mut self) -> Result<Option<i64>> {
        Ok(self.number()?.map(time::from_unix_micros))
    }

    /// A text.
    pub fn text(&mut self) -> Result<String> {
        self.optional_text()?.ok_or_else(malformed)
    }

    /// A text that may be missing.
    pub fn optional_text(&mut self) -> Result<Option<String>> {
        match self.next()? {
            Value::Text(text) => Ok(Some(text.into_owned())),
            Value::Null => Ok(None),
            _ => Err(malformed()),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<Vec<u8>> {
        self.optional_bytes()?.ok_or_else(malformed)
    }

    /// Bytes that may be missing.
    pub fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>> {
        match self.next()? {
            Value::Bytes(bytes) => Ok(Some(bytes.into_owned())),
            Value::Null => Ok(None),
            _ => Err(malformed()),
        }
    }
}
