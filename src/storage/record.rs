//! `bunker.record`: the current version of each user, and tombstones.

use pgrx::Uuid;

use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::scan::{self, Snapshot};
use crate::pg::value::{Place, Value};
use crate::pg::writer::{UniqueViolation, Writer};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"record", c"record_pkey");

/// A user as he is stored.
pub struct Record {
    /// The user token.
    pub token: Uuid,
    /// When he was created.
    pub created_at: i64,
    /// When the current version was made.
    pub updated_at: i64,
    /// Whether he is a tombstone.
    pub forgotten: bool,
    /// The current version, from 1.
    pub version: i32,
    /// The role that made it.
    pub changed_by: String,
    /// His digests, see [`crate::service::digests`].
    pub digests: Vec<u8>,
    /// The sealed profile; of a tombstone the preserved values, if there are any.
    pub sealed: Option<Vec<u8>>,
}

/// What a look-up needs of a user, borrowed from the table while it is read.
pub struct View<'a> {
    /// When he was created.
    pub created_at: i64,
    /// When the current version was made.
    pub updated_at: i64,
    /// The current version.
    pub version: i32,
    /// His digests.
    pub digests: &'a [u8],
    /// The sealed profile.
    pub sealed: &'a [u8],
}

/// Hands a living user to `read`. `place` is where he is looked for first.
pub fn view<R>(
    snapshot: &Snapshot,
    token: &Uuid,
    place: Option<Place>,
    read: impl Fn(View<'_>) -> Result<R>,
) -> Result<Option<R>> {
    let read = |row: &scan::Row| {
        if !row.is_null(4) {
            return Ok(None);
        }
        let view = View {
            created_at: row.time(2)?,
            updated_at: row.time(3)?,
            version: row.int4(5)?,
            digests: row.bytes(7)?,
            sealed: row.bytes(8)?,
        };
        read(view).map(Some)
    };
    if let Some(place) = place {
        let here = scan::at_place(snapshot, &TABLE, place, |row| {
            if row.uuid(1)? == *token { read(row) } else { Ok(None) }
        })?;
        if here.is_some() {
            return Ok(here);
        }
    }
    let found = scan::find(snapshot, &TABLE, &[Value::Uuid(token)], read)?;
    Ok(found.flatten())
}

/// Whether the token is that of a living user.
pub fn exists(snapshot: &Snapshot, token: &Uuid) -> Result<bool> {
    Ok(standing(snapshot, token)?.unwrap_or(false))
}

/// Whether there is a user of that token, and whether he lives.
pub fn standing(snapshot: &Snapshot, token: &Uuid) -> Result<Option<bool>> {
    scan::find(snapshot, &TABLE, &[Value::Uuid(token)], |row| Ok(row.is_null(4)))
}

/// The digests of a living user, see [`crate::service::digests`].
pub fn digests(snapshot: &Snapshot, token: &Uuid) -> Result<Option<Vec<u8>>> {
    let found = scan::find(snapshot, &TABLE, &[Value::Uuid(token)], |row| {
        if row.is_null(4) { row.bytes(7).map(|digests| Some(digests.to_vec())) } else { Ok(None) }
    })?;
    Ok(found.flatten())
}

/// A forgotten user.
pub fn find_tombstone(token: &Uuid) -> Result<Option<Record>> {
    sql::row(
        "SELECT r.token, r.created_at, r.updated_at, true, r.version,
                r.changed_by, r.digests, r.sealed
           FROM bunker.record AS r
          WHERE r.token OPERATOR(pg_catalog.=) $1 AND r.forgotten_at IS NOT NULL",
        &[Value::Uuid(token)],
        read,
    )
}

/// Adds users at version 1; where they stand.
pub fn insert<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Vec<Place>> {
    let mut writer = Writer::open(&TABLE)?;
    for record in records {
        let sealed =
            record.sealed.as_deref().ok_or(Error::Internal("a record without a profile"))?;
        let values = [
            Value::Uuid(&record.token),
            Value::Time(record.created_at),
            Value::Time(record.updated_at),
            Value::Null(pgrx::pg_sys::TIMESTAMPTZOID),
            Value::Int4(record.version),
            Value::Text(&record.changed_by),
            Value::Bytes(&record.digests),
            Value::Bytes(sealed),
        ];
        writer.insert(&values)?.map_err(given_out_twice)?;
    }
    writer.finish().map_err(given_out_twice)
}

/// Reads a user, or a tombstone, and keeps others from changing him until the transaction ends.
pub fn lock(token: &Uuid) -> Result<Option<Record>> {
    sql::written_row(
        "SELECT r.token, r.created_at, r.updated_at, r.forgotten_at IS NOT NULL, r.version,
            r.changed_by, r.digests, r.sealed
       FROM bunker.record AS r
      WHERE r.token OPERATOR(pg_catalog.=) $1
        FOR UPDATE",
        &[Value::Uuid(token)],
        read,
    )
}

/// Keeps others from forgetting or changing a user until the transaction ends, while what belongs to
/// him is added or changed; his digests, or `None` when he is no living user.
///
/// FOR KEY SHARE would not do, although it conflicts with FOR UPDATE: `heap_lock_tuple` (heapam.c) looks
/// for a conflict, lets go of the page, and when it is back only minds updates. Somebody's FOR UPDATE of
/// that moment goes unnoticed; FOR SHARE looks again.
pub fn keep(token: &Uuid) -> Result<Option<Vec<u8>>> {
    sql::written_row(
        "SELECT r.digests
           FROM bunker.record AS r
          WHERE r.token OPERATOR(pg_catalog.=) $1 AND r.forgotten_at IS NULL
            FOR SHARE",
        &[Value::Uuid(token)],
        |row| row.get(1),
    )
}

/// The same as [`lock`], or `None` when somebody else has him locked.
pub fn lock_if_free(token: &Uuid) -> Result<Option<Record>> {
    sql::written_row(
        "SELECT r.token, r.created_at, r.updated_at, r.forgotten_at IS NOT NULL, r.version,
                r.changed_by, r.digests, r.sealed
           FROM bunker.record AS r
          WHERE r.token OPERATOR(pg_catalog.=) $1
            FOR UPDATE SKIP LOCKED",
        &[Value::Uuid(token)],
        read,
    )
}

/// A user without his profile.
pub struct Summary {
    /// The user token.
    pub token: Uuid,
    /// The current version.
    pub version: i32,
    /// When he was created.
    pub created_at: i64,
    /// When the current version was made.
    pub updated_at: i64,
}

/// The same as [`page`], without reading the profiles.
pub fn summaries(after: Option<&Uuid>, limit: i32) -> Result<Vec<Summary>> {
    sql::rows(
        "SELECT r.token, r.version, r.created_at, r.updated_at
           FROM bunker.record AS r
          WHERE r.forgotten_at IS NULL
            AND ($1 IS NULL OR r.token OPERATOR(pg_catalog.>) $1)
          ORDER BY r.token
          LIMIT $2",
        &[Value::uuid(after), Value::Int4(limit)],
        |row| {
            Ok(Summary {
                token: row.get(1)?,
                version: row.get(2)?,
                created_at: row.time(3)?,
                updated_at: row.time(4)?,
            })
        },
    )
}

/// Up to `limit` living users after a token, in the order of tokens.
pub fn page(after: Option<&Uuid>, limit: i32) -> Result<Vec<Record>> {
    sql::rows(
        "SELECT r.token, r.created_at, r.updated_at, false, r.version,
                r.changed_by, r.digests, r.sealed
           FROM bunker.record AS r
          WHERE r.forgotten_at IS NULL
            AND ($1 IS NULL OR r.token OPERATOR(pg_catalog.>) $1)
          ORDER BY r.token
          LIMIT $2",
        &[Value::uuid(after), Value::Int4(limit)],
        read,
    )
}

fn read(row: &sql::Row<'_>) -> Result<Record> {
    Ok(Record {
        token: row.get(1)?,
        created_at: row.time(2)?,
        updated_at: row.time(3)?,
        forgotten: row.get(4)?,
        version: row.get(5)?,
        changed_by: row.get(6)?,
        digests: row.get(7)?,
        sealed: row.optional(8)?,
    })
}

/// Replaces what changes with a new version.
pub fn update(record: &Record) -> Result<()> {
    sql::run(
        "UPDATE bunker.record
            SET updated_at = $2, version = $3, changed_by = $4, digests = $5, sealed = $6
          WHERE token OPERATOR(pg_catalog.=) $1",
        &[
            Value::Uuid(&record.token),
            Value::Time(record.updated_at),
            Value::Int4(record.version),
            Value::Text(&record.changed_by),
            Value::Bytes(&record.digests),
            record.sealed.as_deref().map_or(Value::Null(pgrx::pg_sys::BYTEAOID), Value::Bytes),
        ],
    )
    .and_then(one_row)
}

/// Turns a user into a tombstone that holds `record`'s preserved values.
pub fn forget(record: &Record) -> Result<()> {
    sql::run(
        "UPDATE bunker.record
            SET updated_at = $2, forgotten_at = $2, version = $3, changed_by = $4,
                digests = '\\x', sealed = $5
          WHERE token OPERATOR(pg_catalog.=) $1",
        &[
            Value::Uuid(&record.token),
            Value::Time(record.updated_at),
            Value::Int4(record.version),
            Value::Text(&record.changed_by),
            record.sealed.as_deref().map_or(Value::Null(pgrx::pg_sys::BYTEAOID), Value::Bytes),
        ],
    )
    .and_then(one_row)
}

/// Whether there is any user, or tombstone.
pub fn any() -> Result<bool> {
    let any = sql::row("SELECT EXISTS (SELECT FROM bunker.record)", &[], |row| row.get(1))?;
    Ok(any.unwrap_or_default())
}

/// How many users live, and how many are forgotten.
pub fn count() -> Result<(i64, i64)> {
    let counts = sql::row(
        "SELECT pg_catalog.count(*) FILTER (WHERE r.forgotten_at IS NULL),
                pg_catalog.count(r.forgotten_at)
           FROM bunker.record AS r",
        &[],
        |row| Ok((row.get(1)?, row.get(2)?)),
    )?;
    Ok(counts.unwrap_or_default())
}

/// A token that was drawn is nobody else's; one that another system has given may be.
fn given_out_twice(_: UniqueViolation) -> Error {
    Error::Exists("another user has this token", "Leave him out, or bring him under another token.")
}

/// The row was locked before. If a policy or a trigger kept it from being changed, the blind index
/// and the record would part ways unnoticed.
fn one_row(affected: usize) -> Result<()> {
    if affected == 1 { Ok(()) } else { Err(Error::Internal("a user's row could not be changed")) }
}
