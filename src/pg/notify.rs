//! NOTIFY without SQL.

use std::ffi::CStr;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::pg_sys::{self, Oid};

// async.h, which pgrx does not bind.
unsafe extern "C-unwind" {
    fn Async_Notify(channel: *const core::ffi::c_char, payload: *const core::ffi::c_char);
}

/// Has the listeners told when the transaction commits. Equal notifications of one transaction
/// become one.
///
/// The commit fails if the queue of notifications is full, which is so when a listener has not
/// fetched his for long.
pub fn notify(channel: &CStr, payload: &CStr) {
    // SAFETY: both are copied. The guard is that of every function of `pg_sys`: an error becomes a
    // panic, which runs destructors.
    unsafe { pg_guard_ffi_boundary(|| Async_Notify(channel.as_ptr(), payload.as_ptr())) };
}

/// Takes the lock under which PostgreSQL commits transactions that notify, all of the server's one
/// after the other; false if somebody has it now. Without this the commit itself would wait.
pub fn lock_at_once() -> bool {
    // The lock of PreCommit_Notify (async.c): LockSharedObject(DatabaseRelationId, InvalidOid, 0).
    let tag = pg_sys::LOCKTAG {
        locktag_field1: 0,
        locktag_field2: pg_sys::DatabaseRelationId.to_u32(),
        locktag_field3: Oid::INVALID.to_u32(),
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    let (mode, for_session, without_waiting) = (pg_sys::AccessExclusiveLock, false, true);
    // SAFETY: the tag is one of PostgreSQL's own; the transaction's end releases the lock.
    let got = unsafe {
        pg_sys::LockAcquire(&tag, mode as pg_sys::LOCKMODE, for_session, without_waiting)
    };
    got != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}
