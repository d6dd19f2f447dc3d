//! The monthly partitions of `bunker.audit`.
//!
//! They are made at run time and belong to the tables' owner, not to the extension: pg_dump then
//! takes them along as tables, with rows, triggers and indexes. Events of a month that has none, or
//! none any more, lie in `bunker.audit_rest`, the default partition.

pub use bunker_core::calendar::{month_of, month_start};

use std::collections::BTreeSet;

use bunker_core::calendar::year_and_month;
use pgrx::pg_sys;
use pgrx::pg_sys::Oid;

use super::{audit, sql};
use crate::error::{Error, Result};
use crate::pg::relation::OpenTable;
use crate::pg::value::Value;
use crate::pg::{lock, partition, time};

/// How long others may keep us waiting for a lock, in milliseconds; so long the trail stands still
/// behind us.
const PATIENCE: u32 = 500;

/// Whether events of a month have a partition to go to. Asks the relation cache only.
fn exists(month: i32) -> Result<bool> {
    let parent = OpenTable::open(&audit::TABLE, pg_sys::AccessShareLock)?;
    Ok(!partition::find(&parent, month_start(month))?.is_default)
}

/// A month as people write it: `2026-11`.
pub fn name_of(month: i32) -> String {
    let (year, number) = year_and_month(month);
    format!("{year:04}-{number:02}")
}

/// Makes a month's partition, and moves those of the month's events there that had to go to
/// `bunker.audit_rest`. Whether it is there now: false if others kept the tables locked, and a later
/// try is in order.
///
/// To be called at READ COMMITTED, so that all events are seen, and inside an `audit::operation`:
/// else moving them leaves events as writes past the functions.
pub fn ensure(month: i32) -> Result<bool> {
    if exists(month)? {
        return Ok(true);
    }
    // What ATTACH PARTITION locks, in the order of those who insert: the parent, then the partition.
    let locks = [(audit::TABLE.oid()?, parent_lock(month)), (rest()?, pg_sys::AccessExclusiveLock)];
    if !lock::within(PATIENCE, &locks) {
        return Ok(false);
    }
    // Whoever was ahead of us may have made it.
    if !exists(month)? {
        create(month)?;
    }
    Ok(true)
}

/// Events of this month, and of those before, may have gone to `bunker.audit_rest`, and are moved.
/// Whoever planned a query before that and waits for the default partition would run it with a newer
/// snapshot, over the partitions that he knew: the moved events would be nowhere. So he waits for the
/// parent, before he looks at its partitions. Of a month to come there is nothing to move.
fn parent_lock(month: i32) -> u32 {
    if month > month_of(time::now()) {
        pg_sys::ShareUpdateExclusiveLock
    } else {
        pg_sys::AccessExclusiveLock
    }
}

fn rest() -> Result<Oid> {
    partition::default(&OpenTable::open(&audit::TABLE, pg_sys::AccessShareLock)?)
}

fn create(month: i32) -> Result<()> {
    let name = format!("audit_{}", name_of(month).replace('-', "_"));
    let (from, to) = (literal(month), literal(month + 1));
    let of_month = format!(
        "r.at OPERATOR(pg_catalog.>=) {from}::pg_catalog.timestamptz
         AND r.at OPERATOR(pg_catalog.<) {to}::pg_catalog.timestamptz"
    );
    // Rows first, then what would be done for each of them.
    for statement in [
        format!("CREATE TABLE bunker.{name} (LIKE bunker.audit INCLUDING STORAGE)"),
        format!("REVOKE ALL ON TABLE bunker.{name} FROM PUBLIC"),
        format!(
            "INSERT INTO bunker.{name} SELECT r.* FROM bunker.audit_rest AS r WHERE {of_month}"
        ),
        format!("DELETE FROM bunker.audit_rest AS r WHERE {of_month}"),
        format!("CREATE INDEX {name}_id ON bunker.{name} (id) WITH (deduplicate_items = off)"),
        format!(
            "CREATE INDEX {name}_token ON bunker.{name} (token, id) WITH (deduplicate_items = off)"
        ),
        format!(
            "CREATE TRIGGER audit_statement
                 AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.{name}
                 FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed()"
        ),
        format!("ALTER TABLE bunker.{name} ENABLE ALWAYS TRIGGER audit_statement"),
        format!(
            "ALTER TABLE bunker.audit ATTACH PARTITION bunker.{name} FOR VALUES FROM ({from}) TO ({to})"
        ),
    ] {
        sql::define(&statement)?;
    }
    Ok(())
}

/// The beginning of a month, in SQL and in every time zone.
fn literal(month: i32) -> String {
    format!("'{}-01 00:00:00+00'", name_of(month))
}

/// The month that is exactly the partition's span of time.
fn month_with(partition: &partition::Stretch) -> Option<i32> {
    let month = month_of(*partition.times.start());
    let span = month_start(month)..=month_start(month + 1) - 1;
    (partition.times == span).then_some(month)
}

/// Takes what DROP TABLE locks, see heap_drop_with_catalog in heap.c.
fn lock_all(partition: Oid) -> Result<bool> {
    let all =
        [audit::TABLE.oid()?, partition, rest()?].map(|oid| (oid, pg_sys::AccessExclusiveLock));
    Ok(lock::within(PATIENCE, &all))
}

fn of_month(month: i32) -> Result<Option<Oid>> {
    let parent = OpenTable::open(&audit::TABLE, pg_sys::AccessShareLock)?;
    let found = partition::find(&parent, month_start(month))?;
    Ok((!found.is_default && month_with(&found) == Some(month)).then_some(found.partition))
}

/// The month of the oldest events that are kept: of a partition, or in the default partition. One that
/// somebody attached for another span of time than a month does not count.
pub fn oldest() -> Result<Option<i32>> {
    let parent = OpenTable::open(&audit::TABLE, pg_sys::AccessShareLock)?;
    let months = partition::all(&parent)?;
    Ok(months.iter().filter_map(month_with).chain(oldest_in_rest()?).min())
}

/// How many months before `kept` still have events, or a partition.
pub fn months_before(kept: i32) -> Result<usize> {
    let parent = OpenTable::open(&audit::TABLE, pg_sys::AccessShareLock)?;
    let months = partition::all(&parent)?;
    let all = months.iter().filter_map(month_with).chain(oldest_in_rest()?);
    Ok(all.filter(|month| *month < kept).collect::<BTreeSet<_>>().len())
}

/// The month of the oldest event that lies in the default partition. Reads all of that partition.
/// What is older than this millennium, or of no time at all, was never written by us and stays there.
fn oldest_in_rest() -> Result<Option<i32>> {
    let oldest = sql::row(
        "SELECT pg_catalog.min(r.at)
           FROM bunker.audit_rest AS r
          WHERE r.at OPERATOR(pg_catalog.>=) $1 AND pg_catalog.isfinite(r.at)",
        &[Value::Time(0)],
        |row| row.optional_time(1),
    )?;
    Ok(oldest.flatten().map(month_of))
}

/// Removes the events of all months before `kept`; how many they were. What lies in the default
/// partition gets a partition of its own first. Stops all reading and writing of the trail until the
/// transaction ends.
///
/// # Errors
/// Others kept the tables locked: nothing is removed, and a later try is in order.
pub fn drop_before(kept: i32) -> Result<i64> {
    let mut events = 0;
    while let Some(month) = oldest()?.filter(|month| *month < kept) {
        let removed = if ensure(month)? { remove(month)? } else { None };
        events += removed.ok_or(Error::Internal("a partition of the audit trail is in use"))?;
    }
    Ok(events)
}

/// Removes a month's partition; how many events it held, or `None` if others kept the tables locked.
fn remove(month: i32) -> Result<Option<i64>> {
    let Some(table) = of_month(month)? else {
        return Ok(Some(0));
    };
    if !lock_all(table)? {
        return Ok(None);
    }
    // Somebody may have taken it away while we waited.
    if of_month(month)? != Some(table) {
        return Ok(Some(0));
    }
    // Counted under the lock: nobody adds one in between.
    let events = audit::count_between(month_start(month), month_start(month + 1))?;
    let name = OpenTable::open_oid(table, pg_sys::AccessExclusiveLock).sql_name();
    sql::define(&format!("DROP TABLE {name}"))?;
    Ok(Some(events))
}
