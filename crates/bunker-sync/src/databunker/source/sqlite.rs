//! A store in a SQLite file.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::{Query, Row, Source, Visit};
use crate::error::Result;

/// A store in a SQLite file.
pub struct Sqlite(Connection);

impl Sqlite {
    /// Opens it to read. Also who reads may have to write: to undo what a killed server has left half-done.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch("PRAGMA query_only = ON; BEGIN")?;
        Ok(Self(connection))
    }
}

impl Source for Sqlite {
    fn tables(&mut self) -> Result<Vec<String>> {
        let mut statement =
            self.0.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    fn count(&mut self, table: &str) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        Ok(self.0.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    fn scan(&mut self, query: &Query<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let mut statement = self.0.prepare(&query.sql('"', ""))?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let cells = (0..width).map(|column| row.get_ref(column).map(bytes));
            visit(&Row::new(query, cells.collect::<rusqlite::Result<_>>()?))?;
        }
        Ok(())
    }
}

/// A value as text. The server's columns have the type STRING, which SQLite takes for NUMERIC: a text of
/// digits comes back as a number.
fn bytes(value: ValueRef<'_>) -> Option<Vec<u8>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(number.to_string().into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    }
}
