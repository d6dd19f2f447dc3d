//! `bunker.request`: what data subjects ask for, and how it was decided.

use pgrx::Uuid;
use pgrx::pg_sys::{BYTEAOID, INT4OID};

use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::scan::{self, Snapshot};
use crate::pg::value::Value;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"request", c"request_pkey");

/// The same by the index of those requests that are open, or say what would change.
pub static UNERASED: TableRef = TableRef::new(c"request", c"request_unerased");

/// A request without what it would change.
pub struct Row {
    /// Its name, rising with the time of filing.
    pub request: Uuid,
    /// Whose it is.
    pub token: Uuid,
    /// What is asked for.
    pub action: String,
    /// Of which app or legal basis.
    pub subject: Option<String>,
    /// `open`, `approved` or `cancelled`.
    pub status: String,
    /// When it was filed.
    pub created_at: i64,
    /// When it was filed again or decided.
    pub updated_at: i64,
    /// By which role.
    pub requested_by: String,
    /// By the holder of which access token.
    pub requested_as: Option<String>,
    /// By which role it was decided.
    pub decided_by: Option<String>,
    /// By the holder of which access token.
    pub decided_as: Option<String>,
    /// The version of what would change, when it was filed.
    pub seen: Option<i32>,
    /// Whether it says what would change.
    pub has_change: bool,
    /// Why it was decided so, sealed.
    pub reason: Vec<u8>,
}

/// A statement about requests, in the order of [`read`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT q.request, q.token, q.action, q.subject, q.status, q.created_at, q.updated_at,
                    q.requested_by, q.requested_as, q.decided_by, q.decided_as, q.seen,
                    q.sealed IS NOT NULL, q.reason
               FROM bunker.request AS q
              WHERE ",
            $rest
        )
    };
}

fn read(row: &sql::Row<'_>) -> Result<Row> {
    Ok(Row {
        request: row.get(1)?,
        token: row.get(2)?,
        action: row.get(3)?,
        subject: row.optional(4)?,
        status: row.get(5)?,
        created_at: row.time(6)?,
        updated_at: row.time(7)?,
        requested_by: row.get(8)?,
        requested_as: row.optional(9)?,
        decided_by: row.optional(10)?,
        decided_as: row.optional(11)?,
        seen: row.optional(12)?,
        has_change: row.get(13)?,
        reason: row.get(14)?,
    })
}

/// Files a request; `sealed` is what would change.
pub fn insert(row: &Row, sealed: Option<&[u8]>) -> Result<()> {
    sql::run(
        "INSERT INTO bunker.request
             (request, token, action, subject, status, created_at, updated_at, requested_by,
              requested_as, decided_by, decided_as, seen, sealed, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &[
            Value::Uuid(&row.request),
            Value::Uuid(&row.token),
            Value::Text(&row.action),
            Value::text(row.subject.as_deref()),
            Value::Text(&row.status),
            Value::Time(row.created_at),
            Value::Time(row.updated_at),
            Value::Text(&row.requested_by),
            Value::text(row.requested_as.as_deref()),
            Value::text(row.decided_by.as_deref()),
            Value::text(row.decided_as.as_deref()),
            row.seen.map_or(Value::Null(INT4OID), Value::Int4),
            bytes(sealed),
            Value::Bytes(&row.reason),
        ],
    )
    .map(|_| ())
}

/// Notes how a request was decided.
pub fn decide(row: &Row) -> Result<()> {
    sql::run(
        "UPDATE bunker.request
            SET status = $2, updated_at = $3, decided_by = $4, decided_as = $5, reason = $6
          WHERE request OPERATOR(pg_catalog.=) $1",
        &[
            Value::Uuid(&row.request),
            Value::Text(&row.status),
            Value::Time(row.updated_at),
            Value::text(row.decided_by.as_deref()),
            Value::text(row.decided_as.as_deref()),
            Value::Bytes(&row.reason),
        ],
    )
    .and_then(one_row)
}

/// Notes what a request would change, and of which version.
pub fn set_change(row: &Row, sealed: Option<&[u8]>) -> Result<()> {
    sql::run(
        "UPDATE bunker.request
            SET updated_at = $2, seen = $3, sealed = $4, reason = $5
          WHERE request OPERATOR(pg_catalog.=) $1",
        &[
            Value::Uuid(&row.request),
            Value::Time(row.updated_at),
            row.seen.map_or(Value::Null(INT4OID), Value::Int4),
            bytes(sealed),
            Value::Bytes(&row.reason),
        ],
    )
    .and_then(one_row)
}

/// Removes what a request would change.
pub fn drop_change(request: &Uuid) -> Result<()> {
    sql::run(
        "UPDATE bunker.request SET sealed = NULL WHERE request OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(request)],
    )
    .and_then(one_row)
}

/// A request.
pub fn find(request: &Uuid) -> Result<Option<Row>> {
    sql::row(select!("q.request OPERATOR(pg_catalog.=) $1"), &[Value::Uuid(request)], read)
}

/// What a request would change, sealed.
pub fn change(request: &Uuid) -> Result<Option<Vec<u8>>> {
    let sealed = sql::row(
        "SELECT q.sealed FROM bunker.request AS q WHERE q.request OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(request)],
        |row| row.optional(1),
    )?;
    Ok(sealed.flatten())
}

/// A request as it stands now; nobody else can decide it until the transaction ends.
pub fn lock(request: &Uuid) -> Result<Option<Row>> {
    sql::written_row(
        select!("q.request OPERATOR(pg_catalog.=) $1 FOR UPDATE"),
        &[Value::Uuid(request)],
        read,
    )
}

/// Up to `limit` requests after one, in the order of filing; of one status, or of any.
pub fn page(status: Option<&str>, after: Option<&Uuid>, limit: i32) -> Result<Vec<Row>> {
    let first = Uuid::from_bytes([0; 16]);
    let (after, limit) = (Value::Uuid(after.unwrap_or(&first)), Value::Int4(limit));
    match status {
        Some(status) => sql::rows(
            select!(
                "q.status OPERATOR(pg_catalog.=) $1 AND q.request OPERATOR(pg_catalog.>) $2
                 ORDER BY q.request
                 LIMIT $3"
            ),
            &[Value::Text(status), after, limit],
            read,
        ),
        None => sql::rows(
            select!("q.request OPERATOR(pg_catalog.>) $1 ORDER BY q.request LIMIT $2"),
            &[after, limit],
            read,
        ),
    }
}

/// All requests of a user, in the order of filing; of one status, or of any.
pub fn of_user(token: &Uuid, status: Option<&str>) -> Result<Vec<Row>> {
    sql::rows(
        select!(
            "q.token OPERATOR(pg_catalog.=) $1
             AND ($2 IS NULL OR q.status OPERATOR(pg_catalog.=) $2)
             ORDER BY q.request"
        ),
        &[Value::Uuid(token), Value::text(status)],
        read,
    )
}

/// The names of a user's requests.
pub fn names_of(token: &Uuid) -> Result<Vec<Uuid>> {
    sql::rows(
        "SELECT q.request FROM bunker.request AS q
          WHERE q.token OPERATOR(pg_catalog.=) $1
          ORDER BY q.request",
        &[Value::Uuid(token)],
        |row| row.get(1),
    )
}

/// Whether a user has a request that is open, or says what would change.
pub fn any_unerased(snapshot: &Snapshot, token: &Uuid) -> Result<bool> {
    Ok(scan::find(snapshot, &UNERASED, &[Value::Uuid(token)], |_| Ok(()))?.is_some())
}

fn bytes(sealed: Option<&[u8]>) -> Value<'_> {
    sealed.map_or(Value::Null(BYTEAOID), Value::Bytes)
}

/// The row was locked before.
fn one_row(affected: usize) -> Result<()> {
    if affected == 1 { Ok(()) } else { Err(Error::Internal("a request could not be changed")) }
}
