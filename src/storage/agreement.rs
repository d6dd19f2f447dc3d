//! `bunker.agreement`: what was agreed to, and by whom.

use pgrx::Uuid;

use super::lookup::Entry;
use super::sql;
use crate::error::Result;
use crate::pg::relation::TableRef;
use crate::pg::scan::{self, Snapshot};
use crate::pg::value::Value;

/// The table.
pub static TABLE: TableRef = TableRef::new(c"agreement", c"agreement_pkey");

/// The kind of those who are users; the ids of lookup kinds begin at 1.
const USER: i16 = 0;

/// Who agreed: a user, or whoever turns out to have an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The user's token, or the digest of the address.
    pub owner: Uuid,
    /// What `owner` is: of a user 0, else the id of the lookup kind.
    pub kind: i16,
}

impl Holder {
    /// A user.
    pub fn user(token: &Uuid) -> Self {
        Self { owner: *token, kind: USER }
    }

    /// An address, as the blind index has it.
    pub fn address(entry: &Entry) -> Self {
        Self { owner: Uuid::from_bytes(entry.digest), kind: entry.kind }
    }

    /// The address in the blind index, if it is one.
    pub fn entry(&self) -> Option<Entry> {
        let digest = *self.owner.as_bytes();
        (self.kind != USER).then_some(Entry { digest, kind: self.kind })
    }

    /// The user, if it is one.
    pub fn token(&self) -> Option<&Uuid> {
        (self.kind == USER).then_some(&self.owner)
    }
}

/// An agreement as it is stored.
#[derive(Clone)]
pub struct Row {
    /// Who agreed.
    pub holder: Holder,
    /// To which legal basis.
    pub brief: String,
    /// How often it was given, changed or withdrawn, from 1.
    pub version: i32,
    /// What became of it.
    pub status: String,
    /// When it was first given.
    pub created_at: i64,
    /// When the version was made.
    pub updated_at: i64,
    /// From when on it is meant to hold.
    pub starts_at: Option<i64>,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// The details.
    pub sealed: Vec<u8>,
}

/// The statement that reads agreements, and whatever is to follow.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.owner, a.kind, a.brief, a.version, a.status, a.created_at, a.updated_at,
                    a.starts_at, a.expires_at, a.sealed
               FROM bunker.agreement AS a ",
            $rest
        )
    };
}

/// A holder's agreement to a legal basis.
pub fn find(holder: &Holder, brief: &str) -> Result<Option<Row>> {
    sql::row(
        select!(
            "WHERE a.owner OPERATOR(pg_catalog.=) $1
               AND a.kind OPERATOR(pg_catalog.=) $2
               AND a.brief OPERATOR(pg_catalog.=) $3"
        ),
        &[Value::Uuid(&holder.owner), Value::Int2(holder.kind), Value::Text(brief)],
        read,
    )
}

/// All agreements of a holder.
pub fn all_of(holder: &Holder) -> Result<Vec<Row>> {
    sql::rows(
        select!("WHERE a.owner OPERATOR(pg_catalog.=) $1 AND a.kind OPERATOR(pg_catalog.=) $2"),
        &[Value::Uuid(&holder.owner), Value::Int2(holder.kind)],
        read,
    )
}

/// What a holder has agreed to or refused, also since the caller's statement began; by brief.
pub fn briefs_of(holder: &Holder) -> Result<Vec<String>> {
    sql::written_rows(
        "SELECT a.brief
           FROM bunker.agreement AS a
          WHERE a.owner OPERATOR(pg_catalog.=) $1 AND a.kind OPERATOR(pg_catalog.=) $2
          ORDER BY a.brief",
        &[Value::Uuid(&holder.owner), Value::Int2(holder.kind)],
        |row| row.get(1),
    )
}

/// Keeps others from changing an agreement until the transaction ends.
pub fn lock(holder: &Holder, brief: &str) -> Result<Option<Row>> {
    sql::written_row(
        select!(
            "WHERE a.owner OPERATOR(pg_catalog.=) $1
               AND a.kind OPERATOR(pg_catalog.=) $2
               AND a.brief OPERATOR(pg_catalog.=) $3
               FOR UPDATE"
        ),
        &[Value::Uuid(&holder.owner), Value::Int2(holder.kind), Value::Text(brief)],
        read,
    )
}

/// Locks up to `limit` agreements to a basis that have that status, in the order of holders; `after` is
/// the last one of the batch before.
pub fn lock_batch(
    brief: &str,
    status: &str,
    after: Option<&Holder>,
    limit: i32,
) -> Result<Vec<Row>> {
    // Before all others, in the order of the index.
    let nobody = Holder { owner: Uuid::from_bytes([0; 16]), kind: i16::MIN };
    let after = after.unwrap_or(&nobody);
    sql::written_rows(
        select!(
            "WHERE a.brief OPERATOR(pg_catalog.=) $1
               AND a.status OPERATOR(pg_catalog.=) $2
               AND ROW(a.owner, a.kind) OPERATOR(pg_catalog.>) ROW($3, $4)
             ORDER BY a.owner, a.kind
             LIMIT $5
               FOR UPDATE"
        ),
        &[
            Value::Text(brief),
            Value::Text(status),
            Value::Uuid(&after.owner),
            Value::Int2(after.kind),
            Value::Int4(limit),
        ],
        read,
    )
}

/// Locks up to `limit` agreements that are in force as far as their status says, but have ended; those
/// that somebody else has locked are left out.
pub fn lock_ended(now: i64, limit: i32) -> Result<Vec<Row>> {
    sql::written_rows(
        select!(
            "WHERE a.status OPERATOR(pg_catalog.=) 'yes'
               AND a.expires_at OPERATOR(pg_catalog.<=) $1
             ORDER BY a.expires_at
             LIMIT $2
               FOR UPDATE SKIP LOCKED"
        ),
        &[Value::Time(now), Value::Int4(limit)],
        read,
    )
}

/// Whether anybody has ever agreed to a basis or refused, and has not been forgotten since.
pub fn any_to(brief: &str) -> Result<bool> {
    let any = sql::written_row(
        "SELECT EXISTS (SELECT FROM bunker.agreement AS a WHERE a.brief OPERATOR(pg_catalog.=) $1)",
        &[Value::Text(brief)],
        |row| row.get(1),
    )?;
    Ok(any.unwrap_or_default())
}

/// Whether a holder has any agreement.
pub fn any_of(snapshot: &Snapshot, holder: &Holder) -> Result<bool> {
    let keys = [Value::Uuid(&holder.owner), Value::Int2(holder.kind)];
    Ok(scan::find(snapshot, &TABLE, &keys, |_| Ok(()))?.is_some())
}

/// Adds an agreement; false when its holder has one to that basis.
pub fn insert(row: &Row) -> Result<bool> {
    let added = sql::run(
        "INSERT INTO bunker.agreement
             (owner, kind, brief, version, status, created_at, updated_at, starts_at, expires_at,
              sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (owner, kind, brief) DO NOTHING",
        &values(row),
    )?;
    Ok(added == 1)
}

/// Replaces what became of an agreement.
pub fn update(row: &Row) -> Result<()> {
    sql::run(
        "UPDATE bunker.agreement
            SET version = $4, status = $5, created_at = $6, updated_at = $7, starts_at = $8,
                expires_at = $9, sealed = $10
          WHERE owner OPERATOR(pg_catalog.=) $1
            AND kind OPERATOR(pg_catalog.=) $2
            AND brief OPERATOR(pg_catalog.=) $3",
        &values(row),
    )
    .map(|_| ())
}

/// Removes an agreement.
pub fn delete(holder: &Holder, brief: &str) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.agreement
          WHERE owner OPERATOR(pg_catalog.=) $1
            AND kind OPERATOR(pg_catalog.=) $2
            AND brief OPERATOR(pg_catalog.=) $3",
        &[Value::Uuid(&holder.owner), Value::Int2(holder.kind), Value::Text(brief)],
    )
    .map(|_| ())
}

/// Removes all agreements of a holder; of each its brief, its status and when it was given that.
pub fn delete_all_of(holder: &Holder) -> Result<Vec<(String, String, i64)>> {
    sql::written_rows(
        "DELETE FROM bunker.agreement
          WHERE owner OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.=) $2
         RETURNING brief, status, updated_at",
        &[Value::Uuid(&holder.owner), Value::Int2(holder.kind)],
        |row| Ok((row.get(1)?, row.get(2)?, row.time(3)?)),
    )
}

fn values(row: &Row) -> [Value<'_>; 10] {
    [
        Value::Uuid(&row.holder.owner),
        Value::Int2(row.holder.kind),
        Value::Text(&row.brief),
        Value::Int4(row.version),
        Value::Text(&row.status),
        Value::Time(row.created_at),
        Value::Time(row.updated_at),
        Value::time(row.starts_at),
        Value::time(row.expires_at),
        Value::Bytes(&row.sealed),
    ]
}

fn read(row: &sql::Row<'_>) -> Result<Row> {
    Ok(Row {
        holder: Holder { owner: row.get(1)?, kind: row.get(2)? },
        brief: row.get(3)?,
        version: row.get(4)?,
        status: row.get(5)?,
        created_at: row.time(6)?,
        updated_at: row.time(7)?,
        starts_at: row.optional_time(8)?,
        expires_at: row.optional_time(9)?,
        sealed: row.get(10)?,
    })
}
