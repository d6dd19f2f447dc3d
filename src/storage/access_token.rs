//! `bunker.access_token`: what is kept of access tokens, which is not enough to use one.

use pgrx::Uuid;

use super::sql;
use crate::error::Result;
use crate::pg::relation::TableRef;
use crate::pg::scan::{self, Snapshot};
use crate::pg::value::Value;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"access_token", c"access_token_pkey");

/// An access token without its secret.
pub struct Row {
    /// The part of the token by which the row is found.
    pub id: Uuid,
    /// What an application's is called.
    pub name: Option<String>,
    /// What an application's is for.
    pub role: Option<String>,
    /// Whose a user's is.
    pub token: Option<Uuid>,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// Over all of the above and the secret.
    pub mac: Vec<u8>,
}

/// The row of that id.
pub fn find(snapshot: &Snapshot, id: &Uuid) -> Result<Option<Row>> {
    scan::find(snapshot, &TABLE, &[Value::Uuid(id)], |row| {
        Ok(Row {
            id: row.uuid(1)?,
            name: row.optional(2),
            role: row.optional(3),
            token: row.optional(4),
            expires_at: if row.is_null(7) { None } else { Some(row.time(7)?) },
            mac: row.bytes(8)?.to_vec(),
        })
    })
}

/// Adds a row; false when another one has its name.
pub fn insert(row: &Row, created_at: i64, created_by: &str) -> Result<bool> {
    let added = sql::run(
        "INSERT INTO bunker.access_token
             (id, name, role, token, created_at, created_by, expires_at, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (name) DO NOTHING",
        &[
            Value::Uuid(&row.id),
            Value::text(row.name.as_deref()),
            Value::text(row.role.as_deref()),
            Value::uuid(row.token.as_ref()),
            Value::Time(created_at),
            Value::Text(created_by),
            Value::time(row.expires_at),
            Value::Bytes(&row.mac),
        ],
    )?;
    Ok(added == 1)
}

/// Removes an application's; whether there was one of that name.
pub fn delete(name: &str) -> Result<bool> {
    let deleted = sql::run(
        "DELETE FROM bunker.access_token WHERE name OPERATOR(pg_catalog.=) $1",
        &[Value::Text(name)],
    )?;
    Ok(deleted > 0)
}

/// Removes all of a user; whether there was one.
pub fn delete_of(token: &Uuid) -> Result<bool> {
    let deleted = sql::run(
        "DELETE FROM bunker.access_token WHERE token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token)],
    )?;
    Ok(deleted > 0)
}

super::mortal::purge!("access_token", "id");
