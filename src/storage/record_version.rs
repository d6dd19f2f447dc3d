//! `bunker.record_version`: former versions of living users.

use pgrx::Uuid;

use super::record::Record;
use super::sql;
use crate::error::{Error, Result};
use crate::pg::value::Value;

/// A former version of a profile.
pub struct Version {
    /// Which one.
    pub version: i32,
    /// The user's digests then.
    pub digests: Vec<u8>,
    /// The sealed profile.
    pub sealed: Vec<u8>,
}

/// Keeps what is about to be replaced.
pub fn insert(record: &Record) -> Result<()> {
    let sealed = record.sealed.as_deref().ok_or(Error::Damaged("a stored record"))?;
    sql::run(
        "INSERT INTO bunker.record_version
             (token, version, changed_at, changed_by, digests, sealed)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            Value::Uuid(&record.token),
            Value::Int4(record.version),
            Value::Time(record.updated_at),
            Value::Text(&record.changed_by),
            Value::Bytes(&record.digests),
            Value::Bytes(sealed),
        ],
    )
    .map(|_| ())
}

/// All versions of a living user, the current one included, oldest first.
pub fn all(token: &Uuid) -> Result<Vec<(i32, i64, String)>> {
    sql::rows(
        "SELECT v.version, v.changed_at, v.changed_by
           FROM bunker.record_version AS v
          WHERE v.token OPERATOR(pg_catalog.=) $1
          UNION ALL
         SELECT r.version, r.updated_at, r.changed_by
           FROM bunker.record AS r
          WHERE r.token OPERATOR(pg_catalog.=) $1 AND r.forgotten_at IS NULL
          ORDER BY 1",
        &[Value::Uuid(token)],
        |row| Ok((row.get(1)?, row.time(2)?, row.get(3)?)),
    )
}

/// One version of a living user, former or current.
pub fn find(token: &Uuid, version: i32) -> Result<Option<Version>> {
    sql::row(
        "SELECT v.version, v.digests, v.sealed
           FROM bunker.record_version AS v
          WHERE v.token OPERATOR(pg_catalog.=) $1 AND v.version OPERATOR(pg_catalog.=) $2
          UNION ALL
         SELECT r.version, r.digests, r.sealed
           FROM bunker.record AS r
          WHERE r.token OPERATOR(pg_catalog.=) $1 AND r.version OPERATOR(pg_catalog.=) $2
            AND r.forgotten_at IS NULL",
        &[Value::Uuid(token), Value::Int4(version)],
        |row| Ok(Version { version: row.get(1)?, digests: row.get(2)?, sealed: row.get(3)? }),
    )
}

/// Removes all former versions of a user.
pub fn delete_all(token: &Uuid) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.record_version WHERE token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token)],
    )
    .map(|_| ())
}
