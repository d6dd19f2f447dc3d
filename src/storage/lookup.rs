//! `bunker.lookup`: the blind index, from digests to tokens. Its primary key is the duplicate check.

use pgrx::Uuid;

use super::sql;
use crate::error::Result;
use crate::pg::relation::{OpenTable, TableRef};
use crate::pg::scan;
use crate::pg::value::Value;
use crate::pg::writer::Writer;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"lookup", c"lookup_pkey");

/// Bytes of a digest (HMAC-SHA-256).
pub const DIGEST_LENGTH: usize = 32;

/// A user's entry under one lookup kind. The order is the one in which entries are written, the
/// same in every transaction, so that two of them never wait for each other in a circle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The keyed digest of the normalised value.
    pub digest: [u8; DIGEST_LENGTH],
    /// The kind's id.
    pub kind: i16,
}

/// An entry and the user it leads to.
pub struct Row {
    /// What is looked up.
    pub entry: Entry,
    /// Whom it leads to.
    pub token: Uuid,
}

/// Keeps the table's writers' lock for the rest of the transaction, see `lookup_kind::lock_writes`.
pub fn lock_for_writing() -> Result<()> {
    OpenTable::open(&TABLE, pgrx::pg_sys::RowExclusiveLock).map(drop)
}

/// Whom an entry leads to.
pub fn find(entry: &Entry) -> Result<Option<Uuid>> {
    let keys = [Value::Bytes(&entry.digest), Value::Int2(entry.kind)];
    scan::find(&TABLE, &keys, |row| row.uuid(1))
}

/// Adds entries, which the caller has sorted. The position of the first that another user has.
pub fn insert<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<Result<(), usize>> {
    let mut writer = Writer::open(&TABLE)?;
    for (position, Row { entry, token }) in rows.into_iter().enumerate() {
        let values = [
            Value::Uuid(token),
            Value::Int2(entry.kind),
            Value::Bytes(&entry.digest),
        ];
        if writer.insert(&values)?.is_err() {
            return Ok(Err(position));
        }
    }
    writer.finish();
    Ok(Ok(()))
}

/// Removes entries of a user.
pub fn delete(token: &Uuid, entries: &[Entry]) -> Result<()> {
    for entry in entries {
        sql::run(
            "DELETE FROM bunker.lookup
              WHERE kind OPERATOR(pg_catalog.=) $1
                AND digest OPERATOR(pg_catalog.=) $2
                AND token OPERATOR(pg_catalog.=) $3",
            &[
                Value::Int2(entry.kind),
                Value::Bytes(&entry.digest),
                Value::Uuid(token),
            ],
        )?;
    }
    Ok(())
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
    sql::run(
        "DELETE FROM bunker.lookup WHERE kind OPERATOR(pg_catalog.=) $1",
        &[Value::Int2(kind)],
    )
    .map(|_| ())
}
