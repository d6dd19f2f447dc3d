//! A row of a bundle or a target, with its columns by name.

use std::borrow::Cow;

use bunker_bundle::{Table, Value};
use bunker_core::crypto::OpenError;
use uuid::Uuid;

/// A row and the table whose it is. A column that is not there, or holds something else than it should,
/// is damaged, as it would be if its value did not open.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    table: &'static Table,
    values: &'a [Value<'a>],
}

impl<'a> Row<'a> {
    /// A row with a value for each column of the table.
    pub fn new(table: &'static Table, values: &'a [Value<'a>]) -> Self {
        Self { table, values }
    }

    /// Whose row it is.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// A number, or a time in microseconds since 1970-01-01 UTC.
    pub fn int(&self, column: &str) -> Result<i64, OpenError> {
        self.optional_int(column)?.ok_or(OpenError::Damaged)
    }

    /// The same where it may be NULL.
    pub fn optional_int(&self, column: &str) -> Result<Option<i64>, OpenError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(*number)),
            _ => Err(OpenError::Damaged),
        }
    }

    /// A text.
    pub fn text(&self, column: &str) -> Result<&'a str, OpenError> {
        self.optional_text(column)?.ok_or(OpenError::Damaged)
    }

    /// The same where it may be NULL.
    pub fn optional_text(&self, column: &str) -> Result<Option<&'a str>, OpenError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(OpenError::Damaged),
        }
    }

    /// Bytes.
    pub fn bytes(&self, column: &str) -> Result<&'a [u8], OpenError> {
        self.optional_bytes(column)?.ok_or(OpenError::Damaged)
    }

    /// The same where they may be NULL.
    pub fn optional_bytes(&self, column: &str) -> Result<Option<&'a [u8]>, OpenError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(OpenError::Damaged),
        }
    }

    /// A uuid.
    pub fn uuid(&self, column: &str) -> Result<Uuid, OpenError> {
        match self.value(column)? {
            Value::Uuid(uuid) => Ok(*uuid),
            _ => Err(OpenError::Damaged),
        }
    }

    /// The primary key, for a report: it is made of tokens, numbers and names that stand in the clear,
    /// and of digests in hex.
    pub fn key(&self) -> String {
        let values = self.table.key.iter().map(|column| match self.value(column) {
            Ok(Value::Int(number)) => number.to_string().into(),
            Ok(Value::Uuid(uuid)) => uuid.to_string().into(),
            Ok(Value::Text(text)) => Cow::Borrowed(text.as_ref()),
            Ok(Value::Bytes(bytes)) => base16ct::lower::encode_string(bytes).into(),
            Ok(Value::Null) | Err(_) => "?".into(),
        });
        values.collect::<Vec<_>>().join(" ")
    }

    fn value(&self, column: &str) -> Result<&'a Value<'a>, OpenError> {
        let position = self.table.position(column);
        position.and_then(|position| self.values.get(position)).ok_or(OpenError::Damaged)
    }
}
