//! `bunker.app_data`: what apps keep of users.

use pgrx::Uuid;
use pgrx::pg_sys;

use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::scan::{self, Snapshot};
use crate::pg::value::Value;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"app_data", c"app_data_pkey");

/// What an app keeps of a user, as it is stored.
pub struct AppData {
    /// Whose it is.
    pub token: Uuid,
    /// The app's name.
    pub app: String,
    /// The current version, from 1.
    pub version: i32,
    /// When the app first stored something.
    pub created_at: i64,
    /// When the current version was made.
    pub updated_at: i64,
    /// The role that made it.
    pub changed_by: String,
    /// The sealed data; `None` when the app has deleted them.
    pub sealed: Option<Vec<u8>>,
}

fn read(row: &sql::Row<'_>) -> Result<AppData> {
    Ok(AppData {
        token: row.get(1)?,
        app: row.get(2)?,
        version: row.get(3)?,
        created_at: row.time(4)?,
        updated_at: row.time(5)?,
        changed_by: row.get(6)?,
        sealed: row.optional(7)?,
    })
}

/// What an app keeps of a user, unless it was deleted.
pub fn find(token: &Uuid, app: &str) -> Result<Option<AppData>> {
    sql::row(
        "SELECT a.token, a.app, a.version, a.created_at, a.updated_at, a.changed_by, a.sealed
           FROM bunker.app_data AS a
          WHERE a.token OPERATOR(pg_catalog.=) $1 AND a.app OPERATOR(pg_catalog.=) $2
            AND a.sealed IS NOT NULL",
        &[Value::Uuid(token), Value::Text(app)],
        read,
    )
}

/// Reads the row, also of deleted data, and keeps others from changing it until the transaction ends.
pub fn lock(token: &Uuid, app: &str) -> Result<Option<AppData>> {
    sql::written_row(
        "SELECT a.token, a.app, a.version, a.created_at, a.updated_at, a.changed_by, a.sealed
           FROM bunker.app_data AS a
          WHERE a.token OPERATOR(pg_catalog.=) $1 AND a.app OPERATOR(pg_catalog.=) $2
            FOR UPDATE",
        &[Value::Uuid(token), Value::Text(app)],
        read,
    )
}

/// The apps that keep something of a user.
pub fn names(token: &Uuid) -> Result<Vec<String>> {
    sql::rows(
        "SELECT a.app
           FROM bunker.app_data AS a
          WHERE a.token OPERATOR(pg_catalog.=) $1 AND a.sealed IS NOT NULL
          ORDER BY a.app",
        &[Value::Uuid(token)],
        |row| row.get(1),
    )
}

/// The apps that keep something of anybody. Goes from name to name in the index: they are few, and
/// their rows are many.
pub fn all_names() -> Result<Vec<String>> {
    sql::rows(
        "WITH RECURSIVE used (app) AS (
             SELECT pg_catalog.min(a.app)
               FROM bunker.app_data AS a
              WHERE a.sealed IS NOT NULL
              UNION ALL
             SELECT (SELECT n.app
                       FROM bunker.app_data AS n
                      WHERE n.app OPERATOR(pg_catalog.>) u.app AND n.sealed IS NOT NULL
                      ORDER BY n.app
                      LIMIT 1)
               FROM used AS u
              WHERE u.app IS NOT NULL
         )
         SELECT u.app FROM used AS u WHERE u.app IS NOT NULL",
        &[],
        |row| row.get(1),
    )
}

/// Adds a row; false when there is one already.
pub fn insert(data: &AppData) -> Result<bool> {
    let added = sql::run(
        "INSERT INTO bunker.app_data
             (token, app, version, created_at, updated_at, changed_by, sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (token, app) DO NOTHING",
        &[
            Value::Uuid(&data.token),
            Value::Text(&data.app),
            Value::Int4(data.version),
            Value::Time(data.created_at),
            Value::Time(data.updated_at),
            Value::Text(&data.changed_by),
            sealed(data),
        ],
    )?;
    Ok(added == 1)
}

/// Replaces what changes with a new version. The row is locked.
pub fn update(data: &AppData) -> Result<()> {
    let updated = sql::run(
        "UPDATE bunker.app_data
            SET version = $3, updated_at = $4, changed_by = $5, sealed = $6
          WHERE token OPERATOR(pg_catalog.=) $1 AND app OPERATOR(pg_catalog.=) $2",
        &[
            Value::Uuid(&data.token),
            Value::Text(&data.app),
            Value::Int4(data.version),
            Value::Time(data.updated_at),
            Value::Text(&data.changed_by),
            sealed(data),
        ],
    )?;
    // Only a policy or a trigger can keep it from being changed.
    if updated == 1 { Ok(()) } else { Err(Error::Internal("app data could not be changed")) }
}

fn sealed(data: &AppData) -> Value<'_> {
    data.sealed.as_deref().map_or(Value::Null(pg_sys::BYTEAOID), Value::Bytes)
}

/// Removes all rows of a user.
pub fn delete_of(token: &Uuid) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.app_data WHERE token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token)],
    )
    .map(|_| ())
}

/// Whether there is any row of a user, and perhaps former versions of it.
pub fn any_of(snapshot: &Snapshot, token: &Uuid) -> Result<bool> {
    // By the first column of the key.
    let any = scan::find(snapshot, &TABLE, &[Value::Uuid(token)], |_| Ok(()))?;
    Ok(any.is_some())
}
