//! Writing a bundle, in whatever dialect.

use std::collections::BTreeMap;

use base16ct::lower;
use bunker_core::crypto::BundleKey;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::BundleError;
use crate::header::Header;
use crate::schema::Table;
use crate::summary::{Signed, Summary};
use crate::value::Value;

/// How a bundle is written down. A line has no line feed in it.
///
/// The lines of all but `end` are part of the bundle's digest.
pub trait Dialect {
    /// The first lines.
    fn begin(&mut self, header: &Header, lines: &mut Vec<String>);
    /// All rows of these tables go; those that follow take their place.
    fn replace(&mut self, tables: &[&'static Table], lines: &mut Vec<String>);
    /// All that is held of these users goes; the rows that follow take its place.
    fn users(&mut self, tokens: &[Uuid], lines: &mut Vec<String>);
    /// Rows of a table, at least one.
    fn rows(
        &mut self,
        table: &'static Table,
        rows: &[Vec<Value<'static>>],
        lines: &mut Vec<String>,
    );
    /// The last lines that are part of the digest.
    fn close(&mut self, _lines: &mut Vec<String>) {}
    /// The last lines.
    fn end(&mut self, signed: &Signed, lines: &mut Vec<String>);
}

/// The most rows in a line.
pub(crate) const MAX_ROWS: usize = 200;

/// The most bytes of rows in a line, but for the last of them.
const MAX_BYTES: usize = 64 * 1024;

/// Writes a bundle line by line. Holds a line's rows at most.
pub struct Writer {
    dialect: Box<dyn Dialect>,
    header: Header,
    digest: Sha256,
    rows: BTreeMap<String, u64>,
    users: u64,
    batch: Vec<Vec<Value<'static>>>,
    batch_bytes: usize,
    table: Option<&'static Table>,
    lines: Vec<String>,
}

impl Writer {
    /// Begins a bundle.
    #[must_use]
    pub fn begin(mut dialect: Box<dyn Dialect>, header: Header) -> Self {
        let mut lines = Vec::new();
        dialect.begin(&header, &mut lines);
        let mut writer = Self {
            dialect,
            header,
            digest: Sha256::new(),
            rows: BTreeMap::new(),
            users: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            table: None,
            lines: Vec::new(),
        };
        writer.take(lines);
        writer
    }

    /// See [`Dialect::replace`].
    pub fn replace(&mut self, tables: &[&'static Table]) {
        self.flush();
        let mut lines = Vec::new();
        self.dialect.replace(tables, &mut lines);
        self.take(lines);
    }

    /// See [`Dialect::users`].
    pub fn users(&mut self, tokens: &[Uuid]) {
        self.flush();
        self.users += tokens.len() as u64;
        let mut lines = Vec::new();
        self.dialect.users(tokens, &mut lines);
        self.take(lines);
    }

    /// Adds a row, with a value for each column of the table.
    pub fn row(&mut self, table: &'static Table, row: Vec<Value<'static>>) {
        let bytes: usize = row.iter().map(size).sum();
        let is_full = self.batch.len() >= MAX_ROWS || self.batch_bytes + bytes > MAX_BYTES;
        if is_full || self.table.is_some_and(|current| current != table) {
            self.flush();
        }
        self.table = Some(table);
        self.batch_bytes += bytes;
        self.batch.push(row);
    }

    /// The lines that are ready.
    pub fn ready(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Ends the bundle; its last lines, those that were ready included.
    ///
    /// # Errors
    /// None that a header of ours could bring about.
    pub fn end(mut self, key: &BundleKey, cursor: String) -> Result<Vec<String>, BundleError> {
        self.flush();
        let mut lines = Vec::new();
        self.dialect.close(&mut lines);
        self.take(lines);
        let summary = Summary {
            bundle: self.header,
            rows: self.rows,
            users: self.users,
            digest: lower::encode_string(&self.digest.finalize()),
            cursor,
        };
        let signed = Signed::sign(summary, key)?;
        self.dialect.end(&signed, &mut self.lines);
        Ok(self.lines)
    }

    fn flush(&mut self) {
        let Some(table) = self.table.take() else {
            return;
        };
        let rows = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        *self.rows.entry(table.name.to_owned()).or_default() += rows.len() as u64;
        let mut lines = Vec::new();
        self.dialect.rows(table, &rows, &mut lines);
        self.take(lines);
    }

    fn take(&mut self, lines: Vec<String>) {
        for line in lines {
            add_line(&mut self.digest, &line);
            self.lines.push(line);
        }
    }
}

/// Adds a line to the digest of a bundle.
pub(crate) fn add_line(digest: &mut Sha256, line: &str) {
    digest.update(line.as_bytes());
    digest.update(b"\n");
}

fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Uuid(_) => 16,
        Value::Int(_) | Value::Null => 8,
    }
}
