//! New rows without SQL, many at a time: the road that COPY takes.
//!
//! Rows are collected and handed to the table together, then indexed one by one (CopyFrom in
//! copyfrom.c): indexes, unique constraints and AFTER ROW triggers are kept as an INSERT keeps them.
//! Other constraints and other triggers are not: our tables have none but NOT NULL, which the types
//! of the storage layer keep, and partition bounds, by which the table is chosen; one that somebody
//! adds must not count on creates. What is spared is parsing, planning, executor start-up, and a WAL
//! record a row.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys;
use pgrx::{PgSqlErrorCode, PgTryBuilder};

use super::partition::{self, Stretch};
use super::relation::{OpenTable, TableRef};
use super::value::{Place, Value};
use crate::error::{Error, Result};

/// Rows that are collected before they are written. Bounds the memory of a bulk call.
const BATCH: usize = 256;

/// A unique index has the key of one of the rows already; the row's position, from 0, among all
/// that the writer was given.
///
/// PostgreSQL's own error, whose DETAIL names the key, is discarded; the transaction has to be
/// ended by an error of ours.
pub struct UniqueViolation(pub usize);

/// A table that is open for new rows.
pub struct Writer {
    table: OpenTable,
    estate: *mut pg_sys::EState,
    result: *mut pg_sys::ResultRelInfo,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    waiting: usize,
    places: Vec<Place>,
    row_memory: pg_sys::MemoryContext,
}

impl Writer {
    /// Opens a table. Raises 25006 in a read-only transaction and on a standby, as INSERT does.
    pub fn open(table: &TableRef) -> Result<Self> {
        require_insertable();
        Ok(Self::on(OpenTable::open(table, pg_sys::RowExclusiveLock)?))
    }

    /// Opens that partition of `parent` which rows of the time `at` belong into; with it, for which
    /// other times this is so too. Nothing checks that the rows are of these times: the caller does.
    pub fn open_partition(parent: &TableRef, at: i64) -> Result<(Self, Stretch)> {
        require_insertable();
        let parent = OpenTable::open(parent, pg_sys::RowExclusiveLock)?;
        let (table, stretch) = partition::open(&parent, at, pg_sys::RowExclusiveLock)?;
        Ok((Self::on(table), stretch))
    }

    fn on(table: OpenTable) -> Self {
        // SAFETY: the executor state owns all that is made here and is freed in `finish`, or with
        // the transaction's memory when an error ends it. Range-table index 0 means that there is
        // no range table, as in ExecGetTriggerResultRel.
        unsafe {
            let estate = pg_sys::CreateExecutorState();
            let caller_memory = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let result: *mut pg_sys::ResultRelInfo =
                pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast();
            (*result).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(result, table.as_ptr(), 0, std::ptr::null_mut(), 0);
            (*estate).es_output_cid = pg_sys::GetCurrentCommandId(true);
            (*estate).es_opened_result_relations =
                pg_sys::lappend((*estate).es_opened_result_relations, result.cast());
            pg_sys::ExecOpenIndices(result, false);
            let row_memory = (*pg_sys::MakePerTupleExprContext(estate)).ecxt_per_tuple_memory;
            pg_sys::MemoryContextSwitchTo(caller_memory);
            pg_sys::AfterTriggerBeginQuery();
            let slots = Vec::new();
            Self { table, estate, result, slots, waiting: 0, places: Vec::new(), row_memory }
        }
    }

    /// Adds a row, given the values of its first columns; further ones are NULL.
    pub fn insert(&mut self, values: &[Value<'_>]) -> Result<Result<(), UniqueViolation>> {
        if self.waiting == BATCH
            && let Err(violation) = self.flush()
        {
            return Ok(Err(violation));
        }
        if !self.takes(values) {
            return Err(Error::Internal("a table of the schema bunker has other columns"));
        }
        let slot = self.free_slot();
        // SAFETY: the slot has a place for each column of the table, of the type that was checked;
        // its values live in the rows' memory until they are written.
        unsafe {
            let columns = (*(*slot).tts_tupleDescriptor).natts as usize;
            let caller_memory = pg_sys::MemoryContextSwitchTo(self.row_memory);
            for (column, value) in values.iter().enumerate() {
                let datum = value.copied_datum();
                *(*slot).tts_isnull.add(column) = datum.is_none();
                *(*slot).tts_values.add(column) = datum.unwrap_or(pg_sys::Datum::from(0));
            }
            // Columns that somebody added behind ours, and dropped again perhaps.
            for column in values.len()..columns {
                *(*slot).tts_isnull.add(column) = true;
            }
            pg_sys::MemoryContextSwitchTo(caller_memory);
            pg_sys::ExecStoreVirtualTuple(slot);
        }
        self.waiting += 1;
        Ok(Ok(()))
    }

    /// Whether the table's first columns are of these values' types. A partition is whatever table
    /// somebody attached; PostgreSQL would take its columns in any order.
    fn takes(&self, values: &[Value<'_>]) -> bool {
        // SAFETY: the table is open.
        unsafe {
            let descriptor = (*self.table.as_ptr()).rd_att;
            values.len() <= (*descriptor).natts as usize
                && (values.iter().enumerate())
                    .all(|(column, value)| column_type(descriptor, column) == value.type_oid())
        }
    }

    /// An empty slot behind those that are waiting.
    fn free_slot(&mut self) -> *mut pg_sys::TupleTableSlot {
        if let Some(&slot) = self.slots.get(self.waiting) {
            return slot;
        }
        // SAFETY: the slot belongs to the executor state, which drops it with itself.
        let slot = unsafe {
            let descriptor = (*self.table.as_ptr()).rd_att;
            let kind = &raw const pg_sys::TTSOpsVirtual;
            pg_sys::ExecInitExtraTupleSlot(self.estate, descriptor, kind)
        };
        self.slots.push(slot);
        slot
    }

    /// Writes the rows that are waiting.
    fn flush(&mut self) -> Result<(), UniqueViolation> {
        let rows = self.waiting;
        if rows == 0 {
            return Ok(());
        }
        // SAFETY: the first `rows` slots hold rows of this table. The command id is the one under
        // which the writer was opened, as for all rows of a COPY.
        unsafe {
            let caller_memory = pg_sys::MemoryContextSwitchTo(self.row_memory);
            let (relation, command) = (self.table.as_ptr(), (*self.estate).es_output_cid);
            let (slots, no_state) = (self.slots.as_mut_ptr(), std::ptr::null_mut());
            pg_sys::table_multi_insert(relation, slots, rows as i32, command, 0, no_state);
            let indexed = (0..rows).try_for_each(|row| self.index(row).map_err(|()| row));
            for slot in &self.slots[..rows] {
                self.places.push((**slot).tts_tid);
                pg_sys::ExecClearTuple(*slot);
            }
            pg_sys::MemoryContextSwitchTo(caller_memory);
            pg_sys::MemoryContextReset(self.row_memory);
            self.waiting = 0;
            indexed.map_err(|row| UniqueViolation(self.places.len() - rows + row))
        }
    }

    /// Adds a written row to the indexes and queues its triggers.
    ///
    /// # Safety
    /// The row in that slot has just been written.
    unsafe fn index(&mut self, position: usize) -> Result<(), ()> {
        let (estate, result, slot) = (self.estate, self.result, self.slots[position]);
        // SAFETY: all three belong together, see `open`.
        PgTryBuilder::new(AssertUnwindSafe(|| unsafe {
            insert_index_tuples(estate, result, slot);
            let (recheck, capture) = (std::ptr::null_mut(), std::ptr::null_mut());
            pg_sys::ExecARInsertTriggers(estate, result, slot, recheck, capture);
            Ok(())
        }))
        .catch_when(PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION, |_| Err(()))
        .execute()
    }

    /// Writes what is left, runs the row triggers and makes the rows visible to the transaction's
    /// next command. Where the rows stand, in the order in which they were added.
    pub fn finish(mut self) -> Result<Vec<Place>, UniqueViolation> {
        self.flush()?;
        // SAFETY: undoes what `open` did, in the reverse order; nothing of the executor state is
        // used afterwards.
        unsafe {
            pg_sys::AfterTriggerEndQuery(self.estate);
            pg_sys::ExecResetTupleTable((*self.estate).es_tupleTable, false);
            pg_sys::ExecCloseResultRelations(self.estate);
            pg_sys::FreeExecutorState(self.estate);
            drop(self.table);
            pg_sys::CommandCounterIncrement();
        }
        Ok(self.places)
    }
}

/// Raises the error that an INSERT here and now would raise.
fn require_insertable() {
    // SAFETY: plain checks of the transaction's state.
    unsafe {
        pg_sys::PreventCommandIfReadOnly(c"INSERT".as_ptr());
        pg_sys::PreventCommandIfParallelMode(c"INSERT".as_ptr());
    }
}

/// The type of a column, counted from 0. PostgreSQL 18 keeps it elsewhere.
///
/// # Safety
/// The descriptor has so many columns.
unsafe fn column_type(descriptor: pg_sys::TupleDesc, column: usize) -> pg_sys::Oid {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: the caller's.
    unsafe {
        (*(*descriptor).attrs.as_ptr().add(column)).atttypid
    }
    #[cfg(feature = "pg18")]
    // SAFETY: the caller's.
    unsafe {
        (*pg_sys::TupleDescAttr(descriptor, column as i32)).atttypid
    }
}

/// `ExecInsertIndexTuples`, whose parameters grew in PostgreSQL 16.
///
/// # Safety
/// As for `ExecInsertIndexTuples`.
unsafe fn insert_index_tuples(
    estate: *mut pg_sys::EState,
    result: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
) {
    let none = std::ptr::null_mut();
    #[cfg(feature = "pg15")]
    // SAFETY: the caller's.
    unsafe {
        pg_sys::ExecInsertIndexTuples(result, slot, estate, false, false, none, none.cast());
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: the caller's.
    unsafe {
        pg_sys::ExecInsertIndexTuples(result, slot, estate, false, false, none, none.cast(), false);
    }
}
