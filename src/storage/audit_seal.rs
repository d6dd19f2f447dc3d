//! `bunker.audit_seal`: the keyed chain over the audit trail.

use bunker_core::trail::{Anchor, ids};
use pgrx::pg_sys;

use super::pages::Pages;
use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::value::Value;
use crate::pg::writer::{UniqueViolation, Writer};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"audit_seal", c"audit_seal_pkey");

/// The kind of a seal over events.
pub const EVENTS: i16 = 0;
/// The kind of a seal over the removal of old events.
pub const RETENTION: i16 = 1;

/// A seal as it is stored. Which of the optional fields there are depends on the kind.
#[derive(Clone, Default)]
pub struct SealRow {
    /// Place in the chain, from 1 and without gaps.
    pub number: i64,
    /// When, in microseconds since 2000-01-01 UTC.
    pub sealed_at: i64,
    /// The key of the keyring that made the MACs.
    pub key_id: i32,
    /// [`EVENTS`] or [`RETENTION`].
    pub kind: i16,
    /// The month of the events, or the oldest one that is kept: months since 2000-01.
    pub month: i32,
    /// How many events were sealed, or removed.
    pub count: i64,
    /// Events only: every lower number is sealed, or was never given to an event.
    pub floor: Option<i64>,
    /// The number of the first seal that may hold events above the floor; of a retention, that of
    /// the first seal that is kept.
    pub first_seal: Option<i64>,
    /// Events only: their numbers, encoded.
    pub ids: Option<Vec<u8>>,
    /// Events only: digest over numbers and MACs.
    pub digest: Option<Vec<u8>>,
    /// The MAC of the seal before.
    pub previous: Vec<u8>,
    /// Authenticates all of the above, but for an event seal's `first_seal`, which is a hint, and
    /// its list of numbers, which the digest covers.
    pub mac: Vec<u8>,
}

/// More events than any seal of ours covers.
const MAX_IDS: usize = 1 << 20;

impl SealRow {
    /// The numbers of its events; `None` when their list is damaged.
    pub fn numbers(&self) -> Option<Vec<i64>> {
        let numbers = ids::decode(self.ids.as_deref()?, MAX_IDS).ok()?;
        (numbers.len() as i64 == self.count).then_some(numbers)
    }

    /// The end of the chain, if this is its last seal.
    ///
    /// # Errors
    /// Damaged.
    pub fn anchor(&self) -> Result<Anchor> {
        Ok(Anchor { number: self.number, mac: fixed(&self.mac)? })
    }
}

/// A MAC or a digest of a seal.
///
/// # Errors
/// Damaged.
pub fn fixed(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| Error::Damaged("a seal of the audit trail"))
}

/// Adds a seal to the chain.
pub fn insert(seal: &SealRow) -> Result<()> {
    let number = |value: Option<i64>| value.map_or(Value::Null(pg_sys::INT8OID), Value::Int8);
    let values = [
        Value::Int8(seal.number),
        Value::Time(seal.sealed_at),
        Value::Int4(seal.key_id),
        Value::Int2(seal.kind),
        Value::Int4(seal.month),
        Value::Int8(seal.count),
        number(seal.floor),
        number(seal.first_seal),
        seal.ids.as_deref().map_or(Value::Null(pg_sys::BYTEAOID), Value::Bytes),
        seal.digest.as_deref().map_or(Value::Null(pg_sys::BYTEAOID), Value::Bytes),
        Value::Bytes(&seal.previous),
        Value::Bytes(&seal.mac),
    ];
    let mut writer = Writer::open(&TABLE)?;
    writer.insert(&values)?.map_err(taken)?;
    writer.finish().map(drop).map_err(taken)
}

/// A statement that selects seals, in the order of the table's columns.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.number, s.sealed_at, s.key_id, s.kind, s.month, s.count, s.floor,
                    s.first_seal, s.ids, s.digest, s.previous, s.mac
               FROM bunker.audit_seal AS s ",
            $rest
        )
    };
}

/// The newest seal.
pub fn last() -> Result<Option<SealRow>> {
    sql::row(select!("ORDER BY s.number DESC LIMIT 1"), &[], read)
}

/// The seals after a number, oldest first.
pub fn since(number: i64) -> Pages<SealRow> {
    // A seal may list some thousand numbers.
    const SIZE: i32 = 64;
    Pages::after(number, SIZE, page, |seal| seal.number)
}

fn page(after: i64, limit: i32) -> Result<Vec<SealRow>> {
    sql::rows(
        select!("WHERE s.number OPERATOR(pg_catalog.>) $1 ORDER BY s.number LIMIT $2"),
        &[Value::Int8(after), Value::Int4(limit)],
        read,
    )
}

/// The newest seal of a kind.
pub fn last_of(kind: i16) -> Result<Option<SealRow>> {
    sql::row(
        select!("WHERE s.kind OPERATOR(pg_catalog.=) $1 ORDER BY s.number DESC LIMIT 1"),
        &[Value::Int2(kind)],
        read,
    )
}

/// The number of the first seal over events of a month or a later one.
pub fn first_since(month: i32) -> Result<Option<i64>> {
    let first = sql::row(
        "SELECT pg_catalog.min(s.number) FROM bunker.audit_seal AS s
          WHERE s.kind OPERATOR(pg_catalog.=) $1 AND s.month OPERATOR(pg_catalog.>=) $2",
        &[Value::Int2(EVENTS), Value::Int4(month)],
        |row| row.optional(1),
    )?;
    Ok(first.flatten())
}

/// Removes the seals below a number; how many there were. To be called inside an
/// `audit::operation`: else it leaves an event as a write past the functions.
pub fn delete_before(number: i64) -> Result<usize> {
    sql::run(
        "DELETE FROM bunker.audit_seal WHERE number OPERATOR(pg_catalog.<) $1",
        &[Value::Int8(number)],
    )
}

fn read(row: &sql::Row<'_>) -> Result<SealRow> {
    Ok(SealRow {
        number: row.get(1)?,
        sealed_at: row.time(2)?,
        key_id: row.get(3)?,
        kind: row.get(4)?,
        month: row.get(5)?,
        count: row.get(6)?,
        floor: row.optional(7)?,
        first_seal: row.optional(8)?,
        ids: row.optional(9)?,
        digest: row.optional(10)?,
        previous: row.get(11)?,
        mac: row.get(12)?,
    })
}

fn taken(_: UniqueViolation) -> Error {
    Error::Internal("an audit seal has the number of another one")
}
