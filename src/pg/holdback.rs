//! Rows that wait for their audit events.
//!
//! The executor hands each row of a result to a receiver, a C object with a few methods (dest.h). At
//! the second read of a run ours take the place of two of its methods: one keeps rows while events
//! are outstanding, the other lets the rest go before the receiver is shut down. So a run that does
//! not read the vault twice is not touched at all.
//!
//! An error in here, or in the receiver, jumps past the frames of this file; nothing in them has a
//! destructor, and all that is allocated lives in a memory context of PostgreSQL's.

use std::cell::Cell;

use pgrx::pg_sys::{self, CommandDest, MemoryContext, MinimalTuple, TupleTableSlot};
use pgrx::prelude::*;

use super::executor::Gate;
use crate::error::Error;

/// The most rows that are held back at once, and the most bytes, before their events are waited for.
const MAX_ROWS: usize = 1_000;
const MAX_BYTES: usize = 1 << 20;

type Receiver = *mut pg_sys::DestReceiver;

/// The state of a run whose rows are held back. Lives in `memory`.
struct Holdback {
    gate: &'static Gate,
    /// The receiver, or null where rows go nowhere (EXPLAIN ANALYZE).
    receiver: Receiver,
    /// As it was before our methods were put into it.
    original: pg_sys::DestReceiver,
    /// `client_min_messages` as it was: while rows are held back, no notice may quote what they hold.
    client_min_messages: core::ffi::c_int,
    /// A wait for the events has begun and not succeeded: do not wait a second time.
    settling: bool,
    memory: MemoryContext,
    /// Where the rows are, emptied each time they are let go.
    rows_memory: MemoryContext,
    rows: [MinimalTuple; MAX_ROWS],
    count: usize,
    bytes: usize,
    /// Shows a row that was held back to the receiver.
    slot: *mut TupleTableSlot,
}

thread_local! {
    /// The outermost run has at most one.
    static CURRENT: Cell<*mut Holdback> = const { Cell::new(std::ptr::null_mut()) };
}

/// Begins to hold back the rows of a running query, if its receiver is one that we know.
///
/// # Safety
/// The query is being run, and none has its rows held back.
pub unsafe fn start(query: *mut pg_sys::QueryDesc, gate: &'static Gate) -> bool {
    // SAFETY: a running query has a receiver and an executor state. The memory goes at the end of the
    // run, or with the query's own.
    unsafe {
        let receiver = (*query).dest;
        let goes_nowhere = receiver == pg_sys::None_Receiver;
        if !goes_nowhere && !is_known(&*receiver) {
            return false;
        }
        let memory = new_context((*(*query).estate).es_query_cxt, c"databunker held rows");
        let caller_memory = pg_sys::MemoryContextSwitchTo(memory);
        let held: *mut Holdback = pg_sys::palloc0(size_of::<Holdback>()).cast();
        (&raw mut (*held).gate).write(gate);
        (*held).memory = memory;
        (*held).rows_memory = new_context(memory, c"rows");
        (*held).slot = pg_sys::MakeSingleTupleTableSlot(
            (*query).tupDesc,
            &raw const pg_sys::TTSOpsMinimalTuple,
        );
        pg_sys::MemoryContextSwitchTo(caller_memory);
        (*held).client_min_messages = pg_sys::client_min_messages;
        pg_sys::client_min_messages = PgLogLevel::ERROR as core::ffi::c_int;
        if !goes_nowhere {
            (*held).receiver = receiver;
            (*held).original = *receiver;
            (*receiver).receiveSlot = Some(receive);
            (*receiver).rShutdown = Some(shut_down);
        }
        CURRENT.set(held);
        true
    }
}

/// Whether a receiver is one of PostgreSQL's that were made for this run, so that their methods may
/// be replaced, and that take every row. What is missing: SPI, SQL functions and parallel workers,
/// where other code of the same statement sees the rows, and receivers of other extensions.
fn is_known(receiver: &pg_sys::DestReceiver) -> bool {
    match receiver.mydest {
        CommandDest::DestRemote
        | CommandDest::DestRemoteExecute
        | CommandDest::DestTuplestore
        | CommandDest::DestIntoRel
        | CommandDest::DestCopyOut
        | CommandDest::DestTransientRel => true,
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        CommandDest::DestExplainSerialize => true,
        _ => false,
    }
}

/// Ends a run that went well: waits for what is still outstanding.
///
/// # Safety
/// The run for which [`start`] was called is over.
pub unsafe fn finish() {
    let held = CURRENT.replace(std::ptr::null_mut());
    // SAFETY: the caller's; nothing is used after its memory is gone.
    unsafe {
        let gate = (*held).gate;
        let left = (*held).count;
        restore(held);
        pg_sys::ExecDropSingleTupleTableSlot((*held).slot);
        pg_sys::MemoryContextDelete((*held).memory);
        if (gate.outstanding)() {
            (gate.settle)();
        }
        if left > 0 {
            Error::Internal("the executor ended without its receiver").raise();
        }
    }
}

/// Ends a run that failed: drops its rows. What there is to be waited for before anybody learns why,
/// unless it was the waiting that failed.
///
/// # Safety
/// As for [`finish`].
pub unsafe fn abandon() -> Option<fn()> {
    let held = CURRENT.replace(std::ptr::null_mut());
    // SAFETY: the caller's; the slot's hold on the row descriptor ends with the transaction.
    unsafe {
        let (gate, settling) = ((*held).gate, (*held).settling);
        restore(held);
        pg_sys::MemoryContextDelete((*held).memory);
        (!settling && (gate.outstanding)()).then_some(gate.settle)
    }
}

/// Gives the receiver its own methods back, and lets the client have notices again.
///
/// # Safety
/// The receiver is still there.
unsafe fn restore(held: *mut Holdback) {
    // SAFETY: the caller's.
    unsafe {
        pg_sys::client_min_messages = (*held).client_min_messages;
        if let Some(receiver) = (*held).receiver.as_mut() {
            receiver.receiveSlot = (*held).original.receiveSlot;
            receiver.rShutdown = (*held).original.rShutdown;
        }
    }
}

/// `receiveSlot`: a row of the result. It passes if everything is settled.
///
/// # Safety
/// Called by PostgreSQL only, in the run for which [`start`] was called.
#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut TupleTableSlot, _receiver: Receiver) -> bool {
    let held = CURRENT.get();
    // SAFETY: the caller's.
    unsafe {
        let outstanding = (*held).gate.outstanding;
        if (*held).count == 0 && !outstanding() {
            return pass_on(held, slot);
        }
        keep(held, slot);
        let is_full = (*held).count == MAX_ROWS || (*held).bytes >= MAX_BYTES;
        if is_full || !outstanding() { let_go(held) } else { true }
    }
}

/// `rShutdown`: the run has no more rows.
///
/// # Safety
/// As for [`receive`].
#[pg_guard]
unsafe extern "C-unwind" fn shut_down(receiver: Receiver) {
    let held = CURRENT.get();
    // SAFETY: the caller's.
    unsafe {
        let_go(held);
        restore(held);
        if let Some(shut_down) = (*held).original.rShutdown {
            shut_down(receiver);
        }
    }
}

/// # Safety
/// `held` is valid, and `slot` holds a row of its run.
unsafe fn pass_on(held: *mut Holdback, slot: *mut TupleTableSlot) -> bool {
    // SAFETY: the caller's. Called past pgrx: an error in the receiver stays as it is.
    unsafe { (*held).original.receiveSlot.is_some_and(|receive| receive(slot, (*held).receiver)) }
}

/// Copies a row: the executor overwrites it with the next one.
///
/// # Safety
/// As for [`pass_on`], and there is room for a row.
unsafe fn keep(held: *mut Holdback, slot: *mut TupleTableSlot) {
    // SAFETY: the caller's.
    unsafe {
        let caller_memory = pg_sys::MemoryContextSwitchTo((*held).rows_memory);
        let tuple = pg_sys::ExecCopySlotMinimalTuple(slot);
        pg_sys::MemoryContextSwitchTo(caller_memory);
        (*held).rows[(*held).count] = tuple;
        (*held).count += 1;
        (*held).bytes += (*tuple).t_len as usize;
    }
}

/// Waits for the events and passes on what was held back. `false` would end the run: the receivers
/// that we know take every row.
///
/// # Safety
/// `held` is valid.
unsafe fn let_go(held: *mut Holdback) -> bool {
    // SAFETY: the caller's; the slot does not own the tuples, and is empty when they are freed.
    unsafe {
        if ((*held).gate.outstanding)() {
            (*held).settling = true;
            ((*held).gate.settle)();
            (*held).settling = false;
        }
        let mut goes_on = true;
        for row in 0..(*held).count {
            pg_sys::ExecStoreMinimalTuple((*held).rows[row], (*held).slot, false);
            goes_on = goes_on && pass_on(held, (*held).slot);
        }
        pg_sys::ExecClearTuple((*held).slot);
        pg_sys::MemoryContextReset((*held).rows_memory);
        (*held).count = 0;
        (*held).bytes = 0;
        goes_on
    }
}

/// # Safety
/// `parent` is a memory context.
unsafe fn new_context(parent: MemoryContext, name: &'static std::ffi::CStr) -> MemoryContext {
    // SAFETY: the caller's; the name is not copied, and static.
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            parent,
            name.as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}
