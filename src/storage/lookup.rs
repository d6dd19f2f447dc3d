//! `bunker.lookup`: the blind index, from digests to tokens. Its primary key is the duplicate check.

pub use bunker_core::digests::Entry;
use pgrx::{Uuid, pg_sys};

use super::sql;
use crate::error::Result;
use crate::pg::relation::{OpenTable, TableRef};
use crate::pg::scan::{self, Snapshot};
use crate::pg::value::{Place, Value};
use crate::pg::writer::{UniqueViolation, Writer};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"lookup", c"lookup_pkey");

/// Where an entry leads.
#[derive(Clone, Copy)]
pub struct Target {
    /// To whom.
    pub token: Uuid,
    /// Where his record was when the entry was made, if that was known.
    pub place: Option<Place>,
}

/// An entry and where it leads.
pub struct Row {
    /// What is looked up.
    pub entry: Entry,
    /// Whom it leads to.
    pub target: Target,
}

/// Keeps the table's writers' lock for the rest of the transaction, see `lookup_kind::lock_writes`.
pub fn lock_for_writing() -> Result<()> {
    OpenTable::open(&TABLE, pg_sys::RowExclusiveLock).map(drop)
}

/// Where an entry leads.
pub fn find(snapshot: &Snapshot, entry: &Entry) -> Result<Option<Target>> {
    let keys = [Value::Bytes(&entry.digest), Value::Int2(entry.kind)];
    scan::find(snapshot, &TABLE, &keys, |row| {
        Ok(Target { token: row.uuid(1)?, place: row.optional(2) })
    })
}

/// Adds entries, which the caller has sorted. The position of the first that another user has.
pub fn insert<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<Result<(), usize>> {
    let mut writer = Writer::open(&TABLE)?;
    for Row { entry, target } in rows {
        let values = [
            Value::Uuid(&target.token),
            target.place.as_ref().map_or(Value::Null(pg_sys::TIDOID), Value::Place),
            Value::Int2(entry.kind),
            Value::Bytes(&entry.digest),
        ];
        if let Err(UniqueViolation(position)) = writer.insert(&values)? {
            return Ok(Err(position));
        }
    }
    Ok(writer.finish().map(drop).map_err(|UniqueViolation(position)| position))
}

/// Removes entries of a user; how many there were.
pub fn delete(token: &Uuid, entries: &[Entry]) -> Result<usize> {
    let mut removed = 0;
    for entry in entries {
        removed += sql::run(
            "DELETE FROM bunker.lookup
              WHERE kind OPERATOR(pg_catalog.=) $1
                AND digest OPERATOR(pg_catalog.=) $2
                AND token OPERATOR(pg_catalog.=) $3",
            &[Value::Int2(entry.kind), Value::Bytes(&entry.digest), Value::Uuid(token)],
        )?;
    }
    Ok(removed)
}

/// Removes whatever leads to a user, without knowing his digests: for a record that is damaged.
/// Reads the whole table.
pub fn delete_all(token: &Uuid) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.lookup WHERE token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token)],
    )
    .map(|_| ())
}

/// Removes all entries of a kind.
pub fn delete_kind(kind: i16) -> Result<()> {
    sql::run("DELETE FROM bunker.lookup WHERE kind OPERATOR(pg_catalog.=) $1", &[Value::Int2(kind)])
        .map(|_| ())
}
