//! What happens at the end of the caller's transaction.

use pgrx::pg_sys::{self, SubTransactionId};
use pgrx::prelude::*;

/// Told how transactions of this backend end.
pub struct Observer {
    /// The transaction is about to be committed; an error rolls it back.
    pub committing: fn(),
    /// The transaction is about to be prepared; an error rolls it back.
    pub preparing: fn(),
    /// The transaction is committed, and durable as far as the caller asked for; must not fail.
    pub committed: fn(),
    /// It is rolled back.
    pub aborted: fn(),
    /// It is prepared, and will be committed or rolled back by somebody else, perhaps.
    pub prepared: fn(),
    /// The subtransaction with this number, and all with higher numbers, are rolled back.
    pub aborted_to: fn(SubTransactionId),
}

static OBSERVERS: std::sync::OnceLock<&'static [&'static Observer]> = std::sync::OnceLock::new();

/// Registers the observers. Called by `_PG_init`.
pub fn observe(observers: &'static [&'static Observer]) {
    if OBSERVERS.set(observers).is_ok() {
        // SAFETY: the callbacks live as long as the library, which is never unloaded.
        unsafe {
            pg_sys::RegisterXactCallback(Some(on_end), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(on_subtransaction_end), std::ptr::null_mut());
        }
    }
}

fn observers() -> impl Iterator<Item = &'static Observer> {
    OBSERVERS.get().copied().unwrap_or_default().iter().copied()
}

/// The number of the running subtransaction.
pub fn current_subtransaction() -> SubTransactionId {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

/// Whether the transaction has a number: it has written, or is about to.
pub fn has_number() -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId }
}

/// Whether the transaction may not write: declared so, or on a standby.
pub fn is_read_only() -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::XactReadOnly }
}

/// Waits until all that this transaction has written is on the disk, and with it every commit that
/// it can have seen: what is in the log before.
pub fn flush_log() {
    // SAFETY: the end of this transaction's last record, which is in the log.
    unsafe { pg_sys::XLogFlush(pg_sys::XactLastRecEnd) };
}

/// Gives the transaction its number now, if it has none.
pub fn take_number() {
    // SAFETY: allowed in any transaction that may write.
    unsafe { pg_sys::GetTopTransactionId() };
}

/// # Safety
/// Called by PostgreSQL only.
#[pg_guard]
unsafe extern "C-unwind" fn on_end(
    event: pg_sys::XactEvent::Type,
    _argument: *mut core::ffi::c_void,
) {
    for observer in observers() {
        match event {
            pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT => (observer.committing)(),
            pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE => (observer.preparing)(),
            pg_sys::XactEvent::XACT_EVENT_COMMIT => (observer.committed)(),
            pg_sys::XactEvent::XACT_EVENT_PREPARE => (observer.prepared)(),
            pg_sys::XactEvent::XACT_EVENT_ABORT => (observer.aborted)(),
            _ => {}
        }
    }
}

/// # Safety
/// Called by PostgreSQL only.
#[pg_guard]
unsafe extern "C-unwind" fn on_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    subtransaction: SubTransactionId,
    _parent: SubTransactionId,
    _argument: *mut core::ffi::c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        for observer in observers() {
            (observer.aborted_to)(subtransaction);
        }
    }
}
