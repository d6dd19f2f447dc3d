//! A store in a new SQLite file.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bunker_bundle::layout::Flavor;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::super::rows::{Cell, Cells, Change};
use super::super::schema::TABLES;
use super::{EXISTS, Sink, statement};
use crate::error::{Error, Result};
use crate::files;

/// A store in a SQLite file, written under another name until it is whole.
pub struct Sqlite {
    connection: Option<Connection>,
    path: PathBuf,
    partial: PathBuf,
    /// The file of that other name, locked for as long as it is written.
    _lock: File,
    is_indexed: bool,
}

/// What is not finished is thrown away, so there is nothing to roll back to.
const FAST: &str = "PRAGMA journal_mode = OFF; PRAGMA cache_size = -32768; BEGIN";

impl Sqlite {
    /// Begins a store for its owner only.
    pub fn create(path: &Path) -> Result<Self> {
        if path.extension().is_none_or(|extension| extension != "db") {
            return Err(Error::Usage(
                "a Databunker server opens only files whose name ends with .db",
            ));
        }
        if path.try_exists()? {
            return Err(EXISTS);
        }
        let partial = path.with_extension("db.partial");
        let lock = begin(&partial)?;
        let connection = Connection::open(&partial)?;
        connection.execute_batch(FAST)?;
        for table in TABLES {
            connection.execute_batch(&table.definition(Flavor::Sqlite))?;
        }
        let path = path.to_owned();
        Ok(Self { connection: Some(connection), path, partial, _lock: lock, is_indexed: false })
    }

    fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or(Error::Refused("the store is finished"))
    }

    /// Once most rows are there: it is faster than index by index, row by row.
    fn index(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.is_indexed, true) {
            for table in TABLES {
                for index in table.indexes(Flavor::Sqlite) {
                    self.connection()?.execute_batch(&index)?;
                }
            }
        }
        Ok(())
    }
}

/// Makes the file of the other name and locks it. What a killed attempt has left of it goes; one that
/// still writes has it locked.
fn begin(partial: &Path) -> Result<File> {
    match File::open(partial) {
        Ok(left) => {
            lock(&left, partial)?;
            fs::remove_file(partial)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(files::named(partial, error)),
    }
    let file = files::create_private(partial).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => BUSY,
        _ => files::named(partial, error),
    })?;
    lock(&file, partial)?;
    Ok(file)
}

const BUSY: Error = Error::Busy("another export is writing this store");

/// Whoever had the lock before may have removed the file, and somebody else have made another.
fn lock(file: &File, path: &Path) -> Result<()> {
    file.try_lock().map_err(|_| BUSY)?;
    let (mine, there) = (file.metadata()?, fs::metadata(path).map_err(|_| BUSY)?);
    if (mine.dev(), mine.ino()) == (there.dev(), there.ino()) { Ok(()) } else { Err(BUSY) }
}

impl Sink for Sqlite {
    fn insert(&mut self, cells: &Cells) -> Result<()> {
        let mut statement = self.connection()?.prepare_cached(&cells.table.insertion())?;
        statement.execute(params_from_iter(&cells.values))?;
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<()> {
        self.index()?;
        let mut statement = self.connection()?.prepare_cached(&statement(change))?;
        let name = Cell::Text(change.row.1.clone());
        let values = change.values.iter().map(|(_, cell)| cell);
        statement.execute(params_from_iter(values.chain([&name])))?;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.index()?;
        self.connection()?.execute_batch("COMMIT")?;
        if let Some(connection) = self.connection.take() {
            connection.close().map_err(|(_, error)| error)?;
        }
        // A rename would replace what somebody else has put there meanwhile.
        fs::hard_link(&self.partial, &self.path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => EXISTS,
            _ => error.into(),
        })?;
        Ok(fs::remove_file(&self.partial)?)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        if self.connection.take().is_some() {
            // What is left of it the next attempt removes.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Int(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            // In columns of the type STRING, SQLite would make a number of it: 007 would become 7.
            Self::Text(text) if looks_like_a_number(text) => {
                ToSqlOutput::Borrowed(ValueRef::Blob(text.as_bytes()))
            }
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn looks_like_a_number(text: &str) -> bool {
    // Not of Rust's inf and nan: the server would not find a name that stands there as bytes.
    text.contains(|character: char| character.is_ascii_digit())
        && text.trim().parse::<f64>().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests {
    use super::*;

    #[test]
    fn whatever_sqlite_takes_for_a_number_is_one() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (s STRING)").unwrap();
        for text in [
            "007",
            "1e5",
            "+1",
            "-0",
            " 12 ",
            "\t3\n",
            ".5",
            "5.",
            "1e",
            "0x10",
            "inf",
            "1_000",
            "१२",
            "99999999999999999999",
            "4111 1111",
            "a1",
            "",
            "1\u{b}",
            "+",
            ".",
            "e5",
            "--1",
            "1.5E+3 ",
        ] {
            connection.execute("DELETE FROM t", []).unwrap();
            connection.execute("INSERT INTO t VALUES (?)", [Cell::Text(text.to_owned())]).unwrap();
            let kept: Vec<u8> = connection
                .query_row("SELECT CAST(s AS BLOB) FROM t", [], |row| row.get(0))
                .unwrap();
            assert_eq!(kept, text.as_bytes(), "{text:?}");
        }
    }
}
