//! Users as a bundle brings them.

use pgrx::Uuid;
use pgrx::pg_sys::{BYTEAOID, TIMESTAMPTZOID};

use super::tokens;
use crate::error::{Error, Result};
use crate::pg::scan::{self, Snapshot};
use crate::pg::value::{Place, Value};
use crate::pg::writer::{UniqueViolation, Writer};
use crate::storage::record::{Record, TABLE};
use crate::storage::sql;

/// A user of a bundle, or a tombstone.
pub struct Imported {
    /// As he is stored.
    pub record: Record,
    /// When he was forgotten, if he was.
    pub forgotten_at: Option<i64>,
}

/// What decides which of two states of a user counts.
pub struct Known {
    /// His version.
    pub version: i32,
    /// When it was made.
    pub updated_at: i64,
    /// When he was forgotten, if he was.
    pub forgotten_at: Option<i64>,
    /// His digests.
    pub digests: Vec<u8>,
}

/// What is known of a user, or of a tombstone.
pub fn find(snapshot: &Snapshot, token: &Uuid) -> Result<Option<Known>> {
    scan::find(snapshot, &TABLE, &[Value::Uuid(token)], |row| {
        Ok(Known {
            version: row.int4(5)?,
            updated_at: row.time(3)?,
            forgotten_at: row.optional(4),
            digests: row.bytes(7)?.to_vec(),
        })
    })
}

/// Adds users and tombstones; where they stand.
///
/// # Errors
/// One of them is there already.
pub fn add<'a>(users: impl IntoIterator<Item = &'a Imported>) -> Result<Vec<Place>> {
    let taken =
        |_: UniqueViolation| Error::BadArgument("the bundle has a user twice", "Export it again.");
    let mut writer = Writer::open(&TABLE)?;
    for user in users {
        writer.insert(&values(user))?.map_err(taken)?;
    }
    writer.finish().map_err(taken)
}

fn values(user: &Imported) -> [Value<'_>; 8] {
    let record = &user.record;
    [
        Value::Uuid(&record.token),
        Value::Time(record.created_at),
        Value::Time(record.updated_at),
        user.forgotten_at.map_or(Value::Null(TIMESTAMPTZOID), Value::Time),
        Value::Int4(record.version),
        Value::Text(&record.changed_by),
        Value::Bytes(&record.digests),
        record.sealed.as_deref().map_or(Value::Null(BYTEAOID), Value::Bytes),
    ]
}

/// Waits for those who add to what belongs to these users, and keeps others from it until the
/// transaction ends.
pub fn lock<'a>(users: impl IntoIterator<Item = &'a Uuid>) -> Result<()> {
    sql::run(
        "SELECT r.token
           FROM bunker.record AS r
          WHERE r.token OPERATOR(pg_catalog.=) ANY ($1)
          ORDER BY r.token
            FOR UPDATE",
        &[tokens(users)],
    )
    .map(drop)
}

/// Keeps the versions at which these users are, before they get others.
pub fn keep_versions<'a>(users: impl IntoIterator<Item = &'a Uuid>) -> Result<usize> {
    sql::run(
        "INSERT INTO bunker.record_version (token, version, changed_at, changed_by, digests, sealed)
         SELECT r.token, r.version, r.updated_at, r.changed_by, r.digests, r.sealed
           FROM bunker.record AS r
          WHERE r.token OPERATOR(pg_catalog.=) ANY ($1)
            AND r.forgotten_at IS NULL AND r.sealed IS NOT NULL
             ON CONFLICT (token, version) DO NOTHING",
        &[tokens(users)],
    )
}

/// Keeps states of users that are older than those that are there, as former versions; how many were
/// missing.
pub fn add_versions<'a>(users: impl IntoIterator<Item = &'a Imported>) -> Result<usize> {
    let mut added = 0;
    for Imported { record, .. } in users {
        let Some(sealed) = &record.sealed else { continue };
        added += sql::run(
            "INSERT INTO bunker.record_version
                 (token, version, changed_at, changed_by, digests, sealed)
             VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (token, version) DO NOTHING",
            &[
                Value::Uuid(&record.token),
                Value::Int4(record.version),
                Value::Time(record.updated_at),
                Value::Text(&record.changed_by),
                Value::Bytes(&record.digests),
                Value::Bytes(sealed),
            ],
        )?;
    }
    Ok(added)
}

/// Puts users and tombstones into the place of those with their tokens, which are there and locked.
pub fn replace<'a>(users: impl IntoIterator<Item = &'a Imported>) -> Result<()> {
    for user in users {
        let replaced = sql::run(
            "UPDATE bunker.record
                SET created_at = $2, updated_at = $3, forgotten_at = $4, version = $5,
                    changed_by = $6, digests = $7, sealed = $8
              WHERE token OPERATOR(pg_catalog.=) $1",
            &values(user),
        )?;
        if replaced != 1 {
            return Err(Error::Internal("a user's row could not be changed"));
        }
    }
    Ok(())
}
