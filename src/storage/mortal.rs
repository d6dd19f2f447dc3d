//! What ends by itself: a user's rows that have a uuid, a time to end and one sealed value. Two tables
//! are like that, and differ in their names only.

use pgrx::Uuid;

use super::sql;
use crate::error::Result;
use crate::pg::scan;

/// Such a row.
pub struct Mortal {
    /// Names it.
    pub id: Uuid,
    /// Whose it is.
    pub token: Uuid,
    /// When it was made.
    pub created_at: i64,
    /// When it ends, whether or not it is still there.
    pub expires_at: i64,
    /// What it holds, sealed.
    pub sealed: Vec<u8>,
}

impl Mortal {
    /// Whether it has not ended at `now`.
    pub fn lives(&self, now: i64) -> bool {
        self.expires_at > now
    }
}

/// Reads a row of a statement.
pub fn read(row: &sql::Row<'_>) -> Result<Mortal> {
    Ok(Mortal {
        id: row.get(1)?,
        token: row.get(2)?,
        created_at: row.time(3)?,
        expires_at: row.time(4)?,
        sealed: row.get(5)?,
    })
}

/// Reads a row of a scan.
pub fn scanned(row: &scan::Row) -> Result<Mortal> {
    Ok(Mortal {
        id: row.uuid(1)?,
        token: row.uuid(2)?,
        created_at: row.time(3)?,
        expires_at: row.time(4)?,
        sealed: row.bytes(5)?.to_vec(),
    })
}

/// What can be done with the table `$table`, whose rows the column `$id` names. The indexes of both are
/// named in the statics of the file that calls it.
macro_rules! statements {
    ($table:literal, $id:literal) => {
        use $crate::error::Result;
        use $crate::pg::scan::{self, Snapshot};
        use $crate::pg::value::Value;
        use $crate::storage::mortal::{self, Mortal};
        use $crate::storage::sql;

        /// The row of that uuid.
        pub fn find(snapshot: &Snapshot, id: &pgrx::Uuid) -> Result<Option<Mortal>> {
            scan::find(snapshot, &TABLE, &[Value::Uuid(id)], mortal::scanned)
        }

        /// The row of that uuid if it lives at `now`; others cannot change it until the transaction ends.
        /// One that has ended may just be being removed, for which nobody is made to wait.
        pub fn lock(id: &pgrx::Uuid, now: i64) -> Result<Option<Mortal>> {
            sql::written_row(
                concat!(
                    "SELECT s.",
                    $id,
                    ", s.token, s.created_at, s.expires_at, s.sealed
                       FROM bunker.",
                    $table,
                    " AS s
                      WHERE s.",
                    $id,
                    " OPERATOR(pg_catalog.=) $1 AND s.expires_at OPERATOR(pg_catalog.>) $2
                        FOR UPDATE"
                ),
                &[Value::Uuid(id), Value::Time(now)],
                mortal::read,
            )
        }

        /// Up to `limit` rows of a user that live at `now`, after a uuid, in the order of uuids.
        pub fn page(
            token: &pgrx::Uuid,
            now: i64,
            after: Option<&pgrx::Uuid>,
            limit: i32,
        ) -> Result<Vec<Mortal>> {
            sql::rows(
                concat!(
                    "SELECT s.",
                    $id,
                    ", s.token, s.created_at, s.expires_at, s.sealed
                       FROM bunker.",
                    $table,
                    " AS s
                      WHERE s.token OPERATOR(pg_catalog.=) $1
                        AND s.expires_at OPERATOR(pg_catalog.>) $2
                        AND ($3 IS NULL OR s.",
                    $id,
                    " OPERATOR(pg_catalog.>) $3)
                      ORDER BY s.",
                    $id,
                    "
                      LIMIT $4"
                ),
                &[Value::Uuid(token), Value::Time(now), Value::uuid(after), Value::Int4(limit)],
                mortal::read,
            )
        }

        /// Adds one.
        pub fn insert(row: &Mortal) -> Result<()> {
            sql::run(
                concat!(
                    "INSERT INTO bunker.",
                    $table,
                    "
                         (",
                    $id,
                    ", token, created_at, expires_at, sealed)
                     VALUES ($1, $2, $3, $4, $5)"
                ),
                &[
                    Value::Uuid(&row.id),
                    Value::Uuid(&row.token),
                    Value::Time(row.created_at),
                    Value::Time(row.expires_at),
                    Value::Bytes(&row.sealed),
                ],
            )
            .map(|_| ())
        }

        /// Removes one.
        pub fn delete(id: &pgrx::Uuid) -> Result<()> {
            sql::run(
                concat!(
                    "DELETE FROM bunker.",
                    $table,
                    "
                      WHERE ",
                    $id,
                    " OPERATOR(pg_catalog.=) $1"
                ),
                &[Value::Uuid(id)],
            )
            .map(|_| ())
        }

        /// Removes all of a user.
        pub fn delete_of(token: &pgrx::Uuid) -> Result<()> {
            sql::run(
                concat!(
                    "DELETE FROM bunker.",
                    $table,
                    "
                      WHERE token OPERATOR(pg_catalog.=) $1"
                ),
                &[Value::Uuid(token)],
            )
            .map(|_| ())
        }

        /// Whether there is any of a user.
        pub fn any_of(snapshot: &Snapshot, token: &pgrx::Uuid) -> Result<bool> {
            let any = scan::find(snapshot, &BY_TOKEN, &[Value::Uuid(token)], |_| Ok(()))?;
            Ok(any.is_some())
        }

        super::mortal::purge!($table, $id);
    };
}

/// Removing what has ended from the table `$table`, whose rows the column `$id` names and `expires_at` ends.
macro_rules! purge {
    ($table:literal, $id:literal) => {
        /// Removes up to `limit` that have ended; how many.
        pub fn purge(now: i64, limit: i32) -> $crate::error::Result<usize> {
            $crate::storage::sql::run(
                concat!(
                    "DELETE FROM bunker.",
                    $table,
                    "
                      WHERE ",
                    $id,
                    " OPERATOR(pg_catalog.=) ANY (ARRAY(
                            SELECT s.",
                    $id,
                    "
                              FROM bunker.",
                    $table,
                    " AS s
                             WHERE s.expires_at OPERATOR(pg_catalog.<=) $1
                             ORDER BY s.expires_at
                             LIMIT $2
                               FOR UPDATE SKIP LOCKED))"
                ),
                &[$crate::pg::value::Value::Time(now), $crate::pg::value::Value::Int4(limit)],
            )
        }
    };
}

pub(super) use {purge, statements};
