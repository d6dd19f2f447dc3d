//! `bunker.lookup_kind`: by what users are found, and where in a profile it stands.

use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::scan;
use crate::pg::value::Value;
use crate::pg::writer::{UniqueViolation, Writer};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"lookup_kind", c"lookup_kind_pkey");

/// A kind as it is stored.
#[derive(PartialEq, Eq)]
pub struct Row {
    /// Number in the blind index.
    pub id: i16,
    /// Name in the SQL functions; part of every digest.
    pub name: String,
    /// JSON pointer (RFC 6901) into the profile.
    pub path: String,
    /// Name of the normaliser.
    pub normalizer: String,
    /// Version of the normaliser that made the digests.
    pub normalizer_version: i32,
}

/// How often the table has changed, as far as this backend knows.
pub fn changes() -> u32 {
    TABLE.changes()
}

/// Id, name, path and normaliser of the kinds that every vault has.
const BUILT_IN: [(i16, &str, &str, &str); 4] = [
    (1, "email", "/email", "email"),
    (2, "phone", "/phone", "phone"),
    (3, "login", "/login", "login"),
    (4, "custom", "/custom", "custom"),
];

/// Whether every vault has a kind of that name, as it has `token`.
pub fn is_built_in(kind: &str) -> bool {
    kind == "token" || BUILT_IN.iter().any(|(_, name, ..)| *name == kind)
}

/// Stores the kinds that every vault has, with the normaliser's version that its first digests are
/// made by. At first use, not at installation: a dump restores the rows of the vault it is from.
pub fn insert_built_in(version: i32) -> Result<()> {
    let mut stored = Vec::new();
    scan::read_all(&TABLE, |row| {
        stored.push(row.int2(1)?);
        Ok(())
    })?;
    let mut writer = Writer::open(&TABLE)?;
    for (id, name, path, normalizer) in BUILT_IN {
        if !stored.contains(&id) {
            let [name, path, normalizer] = [name, path, normalizer].map(Value::Text);
            let values = [Value::Int2(id), name, path, normalizer, Value::Int4(version)];
            writer.insert(&values)?.map_err(taken)?;
        }
    }
    writer.finish().map(drop).map_err(taken)
}

fn taken(_: UniqueViolation) -> Error {
    Error::Internal("a lookup kind has the name of one that every vault has")
}

/// The kinds that are stored.
pub fn stored() -> Result<Vec<Row>> {
    let mut kinds = Vec::new();
    scan::read_all(&TABLE, |row| {
        kinds.push(Row {
            id: row.int2(1)?,
            name: row.text(2)?.to_owned(),
            path: row.text(3)?.to_owned(),
            normalizer: row.text(4)?.to_owned(),
            normalizer_version: row.int4(5)?,
        });
        Ok(())
    })?;
    Ok(kinds)
}

/// All kinds, in the order of their ids; those of `BUILT_IN` also before the first use.
pub fn read(version: i32) -> Result<Vec<Row>> {
    let mut kinds = stored()?;
    for (id, name, path, normalizer) in BUILT_IN {
        if kinds.iter().all(|kind: &Row| kind.id != id) {
            let [name, path, normalizer] = [name, path, normalizer].map(str::to_owned);
            kinds.push(Row { id, name, path, normalizer, normalizer_version: version });
        }
    }
    kinds.sort_by_key(|kind| kind.id);
    Ok(kinds)
}

/// Keeps others from adding users or kinds until this transaction ends; reading goes on.
///
/// In the order in which writers of users take these locks, `lookup` before `record`: the other way
/// round, one that has the first and one that waits with the second would block each other.
pub fn lock_writes() -> Result<()> {
    sql::run(
        "LOCK TABLE bunker.lookup, bunker.record, bunker.lookup_kind
             IN SHARE ROW EXCLUSIVE MODE",
        &[],
    )
    .map(|_| ())
}

/// Adds a kind; its id.
pub fn insert(name: &str, path: &str, normalizer: &str, version: i32) -> Result<i16> {
    let id = sql::written_row(
        "INSERT INTO bunker.lookup_kind (id, name, path, normalizer, normalizer_version)
         SELECT (pg_catalog.max(k.id) OPERATOR(pg_catalog.+) 1)::pg_catalog.int2, $1, $2, $3, $4
           FROM bunker.lookup_kind AS k
         RETURNING id",
        &[Value::Text(name), Value::Text(path), Value::Text(normalizer), Value::Int4(version)],
        |row| row.get(1),
    )?;
    id.ok_or(Error::Internal("a lookup kind could not be added"))
}

/// Adds a kind as another copy of the vault has it.
pub fn insert_row(kind: &Row) -> Result<()> {
    sql::run(
        "INSERT INTO bunker.lookup_kind (id, name, path, normalizer, normalizer_version)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            Value::Int2(kind.id),
            Value::Text(&kind.name),
            Value::Text(&kind.path),
            Value::Text(&kind.normalizer),
            Value::Int4(kind.normalizer_version),
        ],
    )
    .map(drop)
}

/// Notes that a kind's digests are from this version of the normaliser.
pub fn set_version(id: i16, version: i32) -> Result<()> {
    sql::run(
        "UPDATE bunker.lookup_kind SET normalizer_version = $2 WHERE id OPERATOR(pg_catalog.=) $1",
        &[Value::Int2(id), Value::Int4(version)],
    )
    .map(|_| ())
}
