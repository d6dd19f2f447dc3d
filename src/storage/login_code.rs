//! `bunker.login_code`: what is kept of one-time codes, which is not enough to use one.

use pgrx::Uuid;

use super::sql;
use crate::error::Result;
use crate::pg::relation::TableRef;
use crate::pg::value::Value;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"login_code", c"login_code_pkey");

/// A login code without the code.
pub struct Row {
    /// Whose it is.
    pub token: Uuid,
    /// Tells it apart from former codes of the user.
    pub id: Uuid,
    /// When it ends.
    pub expires_at: i64,
    /// Over all of the above and the code.
    pub mac: Vec<u8>,
}

/// Puts a code in the place of the user's former one.
pub fn replace(row: &Row, created_at: i64) -> Result<()> {
    sql::run(
        "INSERT INTO bunker.login_code (token, id, created_at, expires_at, mac)
         VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (token) DO UPDATE
            SET id = EXCLUDED.id, created_at = EXCLUDED.created_at,
                expires_at = EXCLUDED.expires_at, mac = EXCLUDED.mac",
        &[
            Value::Uuid(&row.token),
            Value::Uuid(&row.id),
            Value::Time(created_at),
            Value::Time(row.expires_at),
            Value::Bytes(&row.mac),
        ],
    )
    .map(|_| ())
}

/// The user's code; nobody else can use it until the transaction ends.
pub fn lock(token: &Uuid) -> Result<Option<Row>> {
    sql::written_row(
        "SELECT c.token, c.id, c.expires_at, c.mac
           FROM bunker.login_code AS c
          WHERE c.token OPERATOR(pg_catalog.=) $1
            FOR UPDATE",
        &[Value::Uuid(token)],
        |row| {
            Ok(Row {
                token: row.get(1)?,
                id: row.get(2)?,
                expires_at: row.time(3)?,
                mac: row.get(4)?,
            })
        },
    )
}

/// Removes the user's code.
pub fn delete_of(token: &Uuid) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.login_code WHERE token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token)],
    )
    .map(|_| ())
}

super::mortal::purge!("login_code", "token");
