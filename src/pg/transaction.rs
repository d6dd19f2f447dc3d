//! What happens at the end of the caller's transaction.

use pgrx::pg_sys::{self, SubTransactionId};
use pgrx::prelude::*;

/// Told how transactions of this backend end.
pub struct Observer {
    /// The transaction is committed, and durable as far as the caller asked for; must not fail.
    pub committed: fn(),
    /// It is rolled back.
    pub aborted: fn(),
    /// It is prepared, and will be committed or rolled back by somebody else, perhaps.
    pub prepared: fn(),
    /// The subtransaction with this number, and all with higher numbers, are rolled back.
    pub aborted_to: fn(SubTransactionId),
}

static OBSERVER: std::sync::OnceLock<&'static Observer> = std::sync::OnceLock::new();

/// Registers the observer. Called by `_PG_init`.
pub fn observe(observer: &'static Observer) {
    if OBSERVER.set(observer).is_ok() {
        // SAFETY: the callbacks live as long as the library, which is never unloaded.
        unsafe {
            pg_sys::RegisterXactCallback(Some(on_end), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(on_subtransaction_end), std::ptr::null_mut());
        }
    }
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
    let Some(observer) = OBSERVER.get() else {
        return;
    };
    match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT => (observer.committed)(),
        pg_sys::XactEvent::XACT_EVENT_PREPARE => (observer.prepared)(),
        pg_sys::XactEvent::XACT_EVENT_ABORT => (observer.aborted)(),
        _ => {}
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
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB
        && let Some(observer) = OBSERVER.get()
    {
        (observer.aborted_to)(subtransaction);
    }
}
