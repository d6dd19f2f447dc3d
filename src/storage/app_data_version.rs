//! `bunker.app_data_version`: former versions of app data.

use pgrx::Uuid;

use super::app_data::AppData;
use super::sql;
use crate::error::{Error, Result};
use crate::pg::value::Value;

/// Keeps what is about to be replaced, unless there is nothing.
///
/// # Errors
/// Damaged when that version is kept already: its number was altered.
pub fn insert(data: &AppData) -> Result<()> {
    let Some(sealed) = &data.sealed else {
        return Ok(());
    };
    let added = sql::run(
        "INSERT INTO bunker.app_data_version
             (token, app, version, changed_at, changed_by, sealed)
         VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (token, app, version) DO NOTHING",
        &[
            Value::Uuid(&data.token),
            Value::Text(&data.app),
            Value::Int4(data.version),
            Value::Time(data.updated_at),
            Value::Text(&data.changed_by),
            Value::Bytes(sealed),
        ],
    )?;
    if added == 1 { Ok(()) } else { Err(Error::Damaged("a version of app data")) }
}

/// The sealed data of a version, former or current.
pub fn find(token: &Uuid, app: &str, version: i32) -> Result<Option<Vec<u8>>> {
    sql::row(
        "SELECT v.sealed
           FROM bunker.app_data_version AS v
          WHERE v.token OPERATOR(pg_catalog.=) $1 AND v.app OPERATOR(pg_catalog.=) $2
            AND v.version OPERATOR(pg_catalog.=) $3
          UNION ALL
         SELECT a.sealed
           FROM bunker.app_data AS a
          WHERE a.token OPERATOR(pg_catalog.=) $1 AND a.app OPERATOR(pg_catalog.=) $2
            AND a.version OPERATOR(pg_catalog.=) $3 AND a.sealed IS NOT NULL",
        &[Value::Uuid(token), Value::Text(app), Value::Int4(version)],
        |row| row.get(1),
    )
}

/// Removes all former versions of what an app keeps of a user.
pub fn delete(token: &Uuid, app: &str) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.app_data_version
          WHERE token OPERATOR(pg_catalog.=) $1 AND app OPERATOR(pg_catalog.=) $2",
        &[Value::Uuid(token), Value::Text(app)],
    )
    .map(|_| ())
}

/// Removes all of a user.
pub fn delete_of(token: &Uuid) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.app_data_version WHERE token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token)],
    )
    .map(|_| ())
}
