//! Table locks for which nobody is made to wait long.

use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Oid};
use pgrx::{PgSqlErrorCode, PgTryBuilder};

/// Locks tables, each in one of PostgreSQL's lock modes, in this order and until the transaction
/// ends. False, and none of them is locked, if a lock is not there after `patience` milliseconds or
/// a deadlock would follow.
///
/// A request stands in the queue like any other, so it is heard even where locks never cease; whoever
/// comes later waits for it. That is why `patience` has to be short.
pub fn within(patience: u32, locks: &[(Oid, u32)]) -> bool {
    let patience = CString::new(patience.to_string()).unwrap_or_default();
    // SAFETY: the sequence of PL/pgSQL's exception block (exec_stmt_block in pl_exec.c): what goes
    // wrong ends the subtransaction alone, which also gives the setting back. Its locks pass to the
    // transaction when it succeeds.
    unsafe {
        let (memory, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        let locked = PgTryBuilder::new(AssertUnwindSafe(|| {
            set_lock_timeout(&patience);
            for &(table, mode) in locks {
                pg_sys::LockRelationOid(table, mode as pg_sys::LOCKMODE);
            }
            pg_sys::ReleaseCurrentSubTransaction();
            true
        }))
        .catch_others(|error| {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            if is_about_locks(&error) { false } else { error.rethrow() }
        })
        .execute();
        pg_sys::CurrentMemoryContext = memory;
        pg_sys::CurrentResourceOwner = owner;
        locked
    }
}

fn is_about_locks(error: &CaughtError) -> bool {
    let CaughtError::PostgresError(report) = error else {
        return false;
    };
    matches!(
        report.sql_error_code(),
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
    )
}

/// Sets `lock_timeout` until the (sub)transaction ends.
///
/// # Safety
/// Inside a (sub)transaction whose end the caller sees to.
unsafe fn set_lock_timeout(milliseconds: &CStr) {
    // SAFETY: the caller's; both texts are copied.
    unsafe {
        pg_sys::set_config_option(
            c"lock_timeout".as_ptr(),
            milliseconds.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}
