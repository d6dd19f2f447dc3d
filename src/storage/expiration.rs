//! `bunker.expiration`: when users expire, and what was decided about it. One row a user who has, or
//! had, an expiration; the last one only.
//!
//! `status` is `wait` until somebody decides, see [`Status`]. `announced_at` is when others were told
//! that the end is near. `tried_at` names the round of maintenance, by its time, that has last tried
//! to forget the user and could not.

use pgrx::Uuid;

use super::sql;
use crate::error::Result;
use crate::pg::relation::TableRef;
use crate::pg::value::Value;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"expiration", c"expiration_pkey");

/// What the table calls an expiration about which nobody has decided.
const WAITING: &str = "wait";

/// Whether an expiration can be that, in the table's words.
pub fn is_status(word: &str) -> bool {
    let decided = [Status::Retain, Status::Cancelled, Status::Expired];
    word == WAITING || decided.iter().any(|status| status.as_str() == word)
}

/// What has become of an expiration that no longer waits.
#[derive(Clone, Copy)]
pub enum Status {
    /// The user wants to stay.
    Retain,
    /// It was taken back.
    Cancelled,
    /// The user was forgotten, because its time had come or because he agreed to it.
    Expired,
}

impl Status {
    /// The word in the table.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// An expiration as it is stored.
pub struct Expiration {
    /// Its own token.
    pub expiration: Uuid,
    /// `wait`, or what has become of it.
    pub status: String,
    /// When the user is to be forgotten.
    pub expires_at: i64,
}

impl Expiration {
    /// Whether it still can be decided about.
    pub fn is_waiting(&self) -> bool {
        self.status == WAITING
    }
}

/// Starts a user's expiration, in the place of an earlier one.
pub fn start(token: &Uuid, expiration: &Uuid, now: i64, expires_at: i64) -> Result<()> {
    sql::run(
        "INSERT INTO bunker.expiration (token, expiration, status, started_at, expires_at)
         VALUES ($1, $2, 'wait', $3, $4)
             ON CONFLICT (token) DO UPDATE
            SET expiration = EXCLUDED.expiration, status = 'wait',
                started_at = EXCLUDED.started_at, expires_at = EXCLUDED.expires_at,
                announced_at = NULL, decided_at = NULL, tried_at = NULL",
        &[Value::Uuid(token), Value::Uuid(expiration), Value::Time(now), Value::Time(expires_at)],
    )
    .map(drop)
}

/// A user's expiration.
pub fn find(token: &Uuid) -> Result<Option<Expiration>> {
    sql::row(
        "SELECT e.expiration, e.status, e.expires_at
           FROM bunker.expiration AS e
          WHERE e.token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token)],
        |row| {
            Ok(Expiration {
                expiration: row.get(1)?,
                status: row.get(2)?,
                expires_at: row.time(3)?,
            })
        },
    )
}

/// Whose expiration it is, while it waits.
pub fn waiting_user(expiration: &Uuid) -> Result<Option<Uuid>> {
    sql::row(
        "SELECT e.token
           FROM bunker.expiration AS e
          WHERE e.expiration OPERATOR(pg_catalog.=) $1
            AND e.status OPERATOR(pg_catalog.=) 'wait'",
        &[Value::Uuid(expiration)],
        |row| row.get(1),
    )
}

/// Decides about an expiration if it waits; whether it did. Whoever else decides about it meanwhile
/// is waited for.
pub fn decide(expiration: &Uuid, status: Status, now: i64) -> Result<bool> {
    sql::run(
        "UPDATE bunker.expiration
            SET status = $2, decided_at = $3
          WHERE expiration OPERATOR(pg_catalog.=) $1
            AND status OPERATOR(pg_catalog.=) 'wait'",
        &[Value::Uuid(expiration), Value::Text(status.as_str()), Value::Time(now)],
    )
    .map(|decided| decided > 0)
}

/// The same for the expiration of a user.
pub fn decide_of_user(token: &Uuid, status: Status, now: i64) -> Result<bool> {
    sql::run(
        "UPDATE bunker.expiration
            SET status = $2, decided_at = $3
          WHERE token OPERATOR(pg_catalog.=) $1
            AND status OPERATOR(pg_catalog.=) 'wait'",
        &[Value::Uuid(token), Value::Text(status.as_str()), Value::Time(now)],
    )
    .map(|decided| decided > 0)
}

/// Removes a user's expiration, unless it is what he was forgotten by.
pub fn remove_unexpired(token: &Uuid) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.expiration
          WHERE token OPERATOR(pg_catalog.=) $1
            AND status OPERATOR(pg_catalog.<>) 'expired'",
        &[Value::Uuid(token)],
    )
    .map(drop)
}

// Maintenance ------------------------------------------------------------------------------------

/// Whether anybody is due at `now` whom the round of that time has not tried yet.
pub fn any_due(now: i64) -> Result<bool> {
    let any = sql::row(
        "SELECT EXISTS (SELECT FROM bunker.expiration AS e
                         WHERE e.status OPERATOR(pg_catalog.=) 'wait'
                           AND e.tried_at IS NULL
                           AND e.expires_at OPERATOR(pg_catalog.<=) $1)
             OR EXISTS (SELECT FROM bunker.expiration AS e
                         WHERE e.status OPERATOR(pg_catalog.=) 'wait'
                           AND e.tried_at IS NOT NULL
                           AND e.tried_at OPERATOR(pg_catalog.<>) $1
                           AND e.expires_at OPERATOR(pg_catalog.<=) $1)",
        &[Value::Time(now)],
        |row| row.get(1),
    )?;
    Ok(any.unwrap_or_default())
}

/// Locks the expirations of up to `limit` users who are due at `now` and were never tried, the oldest
/// first; their tokens. Passes over what somebody else has locked, and sees what he has decided: who
/// is returned does wait, until the transaction ends.
pub fn lock_due(now: i64, limit: i32) -> Result<Vec<Uuid>> {
    sql::written_rows(
        "SELECT e.token
           FROM bunker.expiration AS e
          WHERE e.status OPERATOR(pg_catalog.=) 'wait'
            AND e.tried_at IS NULL
            AND e.expires_at OPERATOR(pg_catalog.<=) $1
          ORDER BY e.expires_at
          LIMIT $2
            FOR UPDATE SKIP LOCKED",
        &[Value::Time(now), Value::Int4(limit)],
        |row| row.get(1),
    )
}

/// The same of those whom earlier rounds have tried in vain, first those for whom it is longest ago.
pub fn lock_tried(now: i64, limit: i32) -> Result<Vec<Uuid>> {
    sql::written_rows(
        "SELECT e.token
           FROM bunker.expiration AS e
          WHERE e.status OPERATOR(pg_catalog.=) 'wait'
            AND e.tried_at IS NOT NULL
            AND e.tried_at OPERATOR(pg_catalog.<>) $1
            AND e.expires_at OPERATOR(pg_catalog.<=) $1
          ORDER BY e.tried_at
          LIMIT $2
            FOR UPDATE SKIP LOCKED",
        &[Value::Time(now), Value::Int4(limit)],
        |row| row.get(1),
    )
}

/// Notes that the round of the time `now` could not forget a user.
pub fn set_tried(token: &Uuid, now: i64) -> Result<()> {
    sql::run(
        "UPDATE bunker.expiration SET tried_at = $2 WHERE token OPERATOR(pg_catalog.=) $1",
        &[Value::Uuid(token), Value::Time(now)],
    )
    .map(drop)
}

/// Marks up to `limit` users as announced who expire after `now` and up to `until`, once each; their
/// tokens. Passes over what somebody else has locked.
pub fn mark_announced(now: i64, until: i64, limit: i32) -> Result<Vec<Uuid>> {
    sql::written_rows(
        "WITH near AS MATERIALIZED (
             SELECT e.token
               FROM bunker.expiration AS e
              WHERE e.status OPERATOR(pg_catalog.=) 'wait'
                AND e.announced_at IS NULL
                AND e.expires_at OPERATOR(pg_catalog.>) $1
                AND e.expires_at OPERATOR(pg_catalog.<=) $2
              ORDER BY e.expires_at
              LIMIT $3
                FOR UPDATE SKIP LOCKED)
         UPDATE bunker.expiration AS e
            SET announced_at = $1
           FROM near
          WHERE e.token OPERATOR(pg_catalog.=) near.token
      RETURNING e.token",
        &[Value::Time(now), Value::Time(until), Value::Int4(limit)],
        |row| row.get(1),
    )
}
