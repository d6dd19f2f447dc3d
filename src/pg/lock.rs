//! Table locks for which nobody is made to wait long.

use std::ffi::CString;
use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Oid};
use pgrx::{PgSqlErrorCode, PgTryBuilder};

use super::setting;

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
            setting::set_for_now(c"lock_timeout", &patience);
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
