//! Locks of tables and sequences for which nobody is made to wait long.

use std::ffi::CString;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Oid};

use super::{setting, subtransaction};

/// Locks a relation in one of PostgreSQL's lock modes until the transaction ends; false if that would
/// mean to wait.
pub fn at_once(relation: Oid, mode: u32) -> bool {
    // SAFETY: only a lock; it raises an error where there is no room for another.
    unsafe { pg_sys::ConditionalLockRelationOid(relation, mode as pg_sys::LOCKMODE) }
}

/// Releases a lock that [`at_once`] has taken, once.
pub fn give_back(relation: Oid, mode: u32) {
    // SAFETY: the transaction has the lock.
    unsafe { pg_sys::UnlockRelationOid(relation, mode as pg_sys::LOCKMODE) };
}

/// Locks tables, each in one of PostgreSQL's lock modes, in this order and until the transaction
/// ends. False, and none of them is locked, if a lock is not there after `patience` milliseconds or
/// a deadlock would follow.
///
/// A request stands in the queue like any other, so it is heard even where locks never cease; whoever
/// comes later waits for it. That is why `patience` has to be short.
pub fn within(patience: u32, locks: &[(Oid, u32)]) -> bool {
    let patience = CString::new(patience.to_string()).unwrap_or_default();
    let locked = subtransaction::within(|| {
        // SAFETY: inside a transaction; the end of the subtransaction gives the setting back. Locks
        // are taken by oid, and kept.
        unsafe {
            setting::set_for_now(c"lock_timeout", &patience);
            for &(table, mode) in locks {
                pg_sys::LockRelationOid(table, mode as pg_sys::LOCKMODE);
            }
        }
    });
    match locked {
        Ok(()) => true,
        Err(error) if is_about_locks(&error) => false,
        Err(error) => error.rethrow(),
    }
}

fn is_about_locks(error: &CaughtError) -> bool {
    matches!(
        subtransaction::sqlstate_of(error),
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
    )
}
