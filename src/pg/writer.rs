//! New rows without SQL: the road that logical replication's apply worker takes.
//!
//! `ExecSimpleRelationInsert` (execReplication.c) keeps indexes, constraints and row triggers as an
//! INSERT does; what it spares is parsing, planning and executor start-up.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys;
use pgrx::{PgSqlErrorCode, PgTryBuilder};

use super::relation::{OpenTable, TableRef};
use super::value::Value;
use crate::error::{Error, Result};

/// A unique index has the key already.
///
/// PostgreSQL's own error, whose DETAIL names the key, is discarded; the transaction has to be
/// ended by an error of ours.
pub struct UniqueViolation;

/// A table that is open for new rows.
pub struct Writer {
    table: OpenTable,
    estate: *mut pg_sys::EState,
    result: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    row_memory: pg_sys::MemoryContext,
    columns: usize,
}

impl Writer {
    /// Opens a table. Raises 25006 in a read-only transaction and on a standby, as INSERT does.
    pub fn open(table: &TableRef) -> Result<Self> {
        // SAFETY: plain checks of the transaction's state.
        unsafe {
            pg_sys::PreventCommandIfReadOnly(c"INSERT".as_ptr());
            pg_sys::PreventCommandIfParallelMode(c"INSERT".as_ptr());
        }
        let table = OpenTable::open(table, pg_sys::RowExclusiveLock)?;
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
            let descriptor = (*table.as_ptr()).rd_att;
            let slot = pg_sys::ExecInitExtraTupleSlot(
                estate,
                descriptor,
                &raw const pg_sys::TTSOpsVirtual,
            );
            let row_memory = (*pg_sys::MakePerTupleExprContext(estate)).ecxt_per_tuple_memory;
            pg_sys::MemoryContextSwitchTo(caller_memory);
            pg_sys::AfterTriggerBeginQuery();
            let columns = (*descriptor).natts as usize;
            Ok(Self {
                table,
                estate,
                result,
                slot,
                row_memory,
                columns,
            })
        }
    }

    /// Adds a row, given the values of all its columns.
    pub fn insert(&mut self, values: &[Value<'_>]) -> Result<Result<(), UniqueViolation>> {
        if values.len() != self.columns {
            return Err(Error::Internal(
                "a table of the schema bunker has other columns",
            ));
        }
        // SAFETY: the slot has `columns` places, and what the values point to lives until the row
        // is in the table.
        let outcome = unsafe {
            let caller_memory = pg_sys::MemoryContextSwitchTo(self.row_memory);
            pg_sys::ExecClearTuple(self.slot);
            for (column, value) in values.iter().enumerate() {
                let datum = value.datum();
                *(*self.slot).tts_isnull.add(column) = datum.is_none();
                *(*self.slot).tts_values.add(column) = datum.unwrap_or(pg_sys::Datum::from(0));
            }
            pg_sys::ExecStoreVirtualTuple(self.slot);
            let outcome = self.insert_slot();
            pg_sys::MemoryContextSwitchTo(caller_memory);
            pg_sys::MemoryContextReset(self.row_memory);
            outcome
        };
        Ok(outcome)
    }

    /// # Safety
    /// The slot holds a row.
    unsafe fn insert_slot(&mut self) -> Result<(), UniqueViolation> {
        let (result, estate, slot) = (self.result, self.estate, self.slot);
        PgTryBuilder::new(AssertUnwindSafe(|| {
            // SAFETY: all three belong together, see `open`.
            unsafe { pg_sys::ExecSimpleRelationInsert(result, estate, slot) };
            Ok(())
        }))
        .catch_when(PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION, |_| {
            Err(UniqueViolation)
        })
        .execute()
    }

    /// Runs the row triggers and makes the rows visible to the transaction's next command.
    pub fn finish(self) {
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
    }
}
