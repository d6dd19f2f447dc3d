//! SQLite files.

use std::io;
use std::path::Path;
use std::time::Duration;

use bunker_bundle::layout::{self, Flavor};
use bunker_bundle::{Kind, Table, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::{LOSES_ROWS, Target, Visit, insert_statement, uuid_or_text};
use crate::error::{Error, Result};
use crate::files;

/// A SQLite file.
pub struct Sqlite {
    connection: Connection,
}

/// How long others are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Statements that are kept prepared: one for each table and what is done with it.
const CACHED: usize = 64;

impl Sqlite {
    /// Opens a file that is there, to read.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::NotFound("there is no such file"));
        }
        let target = Self::connect(path)?;
        target.connection.execute_batch("PRAGMA query_only = ON")?;
        Ok(target)
    }

    /// Opens a file to write, or makes it, for its owner only.
    pub fn create(path: &Path) -> Result<Self> {
        match files::create_private(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(files::named(path, error));
            }
            _ => {}
        }
        let target = Self::connect(path)?;
        // EXTRA: a commit lasts also if the power fails. What is deleted is overwritten with zeros, so
        // that nothing of a forgotten user stays in the file. The cache is in KiB.
        target.connection.execute_batch(
            "PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; PRAGMA cache_size = -24576;",
        )?;
        Ok(target)
    }

    /// Also who reads may have to write: to undo what a killed writer has left half-done.
    fn connect(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(CACHED);
        Ok(Self { connection })
    }
}

impl Target for Sqlite {
    fn flavor(&self) -> Flavor {
        Flavor::Sqlite
    }

    fn begin(&mut self) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        for definition in layout::definitions(Flavor::Sqlite) {
            self.connection.execute_batch(&definition)?;
        }
        Ok(())
    }

    fn begin_reading(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch("BEGIN")?)
    }

    fn commit(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn rollback(&mut self) {
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        Ok(self.connection.table_exists(None, name)?)
    }

    fn execute(&mut self, statement: &str, parameters: &[Value<'_>]) -> Result<()> {
        let mut statement = self.connection.prepare_cached(statement)?;
        statement.execute(params_from_iter(parameters.iter().map(Bound)))?;
        Ok(())
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<Value<'_>>]) -> Result<()> {
        let mut statement = self.connection.prepare_cached(&insert_statement(table, 1))?;
        for row in rows {
            // A trigger of the file's owner may leave it out.
            if statement.execute(params_from_iter(row.iter().map(Bound)))? == 0 {
                return Err(LOSES_ROWS);
            }
        }
        Ok(())
    }

    fn query(
        &mut self,
        statement: &str,
        parameters: &[Value<'_>],
        kinds: &[Kind],
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(statement)?;
        let mut rows = statement.query(params_from_iter(parameters.iter().map(Bound)))?;
        let mut values = Vec::with_capacity(kinds.len());
        while let Some(row) = rows.next()? {
            values.clear();
            for (position, kind) in kinds.iter().enumerate() {
                values.push(value(*kind, row.get_ref(position)?));
            }
            visit(&values)?;
        }
        Ok(())
    }
}

/// A value as a parameter.
struct Bound<'a>(&'a Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Uuid(uuid) => uuid.to_string().into(),
        })
    }
}

/// A value of an answer.
fn value(kind: Kind, value: ValueRef<'_>) -> Value<'static> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Text(number.to_string().into()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec().into()),
        ValueRef::Text(text) => match str::from_utf8(text) {
            Ok(text) => uuid_or_text(kind, text),
            Err(_) => Value::Bytes(text.to_vec().into()),
        },
    }
}
