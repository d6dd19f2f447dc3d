//! `bunker.event`: events for other systems, numbered.
//!
//! Numbers become visible in their order: they are given out under a lock that is kept until the
//! transaction ends. So whoever has read up to a number will never see a lower one appear.

use pgrx::{Uuid, pg_sys};

use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::sequence::{self, SequenceRef};
use crate::pg::value::Value;
use crate::pg::writer::{UniqueViolation, Writer};
use crate::pg::{lock, scan, transaction};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"event", c"event_pkey");

/// Where the numbers come from. Its lock is the lock of the numbers: on the table it would also be
/// one against VACUUM.
static NUMBERS: SequenceRef = SequenceRef::new(c"event_id");

/// A mode that is in conflict with itself, and not with the one in which numbers are drawn.
const NUMBERING: u32 = pg_sys::ShareUpdateExclusiveLock;

/// An event without a number.
pub struct Announced {
    /// When, in microseconds since 2000-01-01 UTC.
    pub at: i64,
    /// What happened.
    pub event: String,
    /// To whom.
    pub token: Uuid,
}

/// An event.
pub struct Numbered {
    /// Its number, rising.
    pub id: i64,
    /// What happened, when and to whom.
    pub announced: Announced,
}

/// Takes the lock of the numbers until the transaction ends, unless somebody else has it.
pub fn lock_numbers() -> Result<bool> {
    NUMBERS.oid(&TABLE).map(|oid| lock::at_once(oid, NUMBERING))
}

/// Gives the lock back early. Nothing has been numbered under it.
pub fn unlock_numbers() -> Result<()> {
    NUMBERS.oid(&TABLE).map(|oid| lock::give_back(oid, NUMBERING))
}

/// Adds events and numbers them in this order, under the lock of the numbers.
///
/// On return the numbers are used up for ever, and what the events tell of is durable: neither is
/// true of a number of a sequence, nor of what a transaction with synchronous_commit = off has done,
/// until the log is on the disk. After a crash a number might else mean another event.
pub fn insert(events: &[Announced]) -> Result<()> {
    let mut writer = Writer::open(&TABLE)?;
    for Announced { at, event, token } in events {
        let id = sequence::next_value(&NUMBERS, &TABLE)?;
        let values = [Value::Int8(id), Value::Time(*at), Value::Text(event), Value::Uuid(token)];
        writer.insert(&values)?.map_err(given_out_twice)?;
    }
    writer.finish().map_err(given_out_twice)?;
    transaction::flush_log();
    Ok(())
}

/// The events after a number that are committed by now, or the caller's own; in the order of numbers
/// and at most so many.
pub fn after(id: i64, limit: usize) -> Result<Vec<Numbered>> {
    scan::after(&TABLE, id, limit, |row| {
        let (at, event, token) = (row.time(2)?, row.text(3)?.to_owned(), row.uuid(4)?);
        Ok(Numbered { id: row.int8(1)?, announced: Announced { at, event, token } })
    })
}

/// Removes events of before a time, of the lowest numbers and at most so many; how many there were.
///
/// One that was numbered late, because its transaction was long open, is kept as long as those
/// before it: its readers have not had it for longer.
pub fn delete_before(time: i64, limit: i32) -> Result<usize> {
    sql::run(
        "DELETE FROM bunker.event
          WHERE id OPERATOR(pg_catalog.=) ANY (ARRAY(
                    SELECT e.id FROM bunker.event AS e ORDER BY e.id LIMIT $2))
            AND at OPERATOR(pg_catalog.<) $1",
        &[Value::Time(time), Value::Int4(limit)],
    )
}

fn given_out_twice(_: UniqueViolation) -> Error {
    Error::Internal("a number of an event was given out twice")
}
