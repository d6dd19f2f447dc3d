//! Questions about the running backend.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Whether all statements of the transaction see one state: REPEATABLE READ and SERIALIZABLE.
pub fn uses_one_snapshot() -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Raises 25006 in a read-only transaction and on a standby.
pub fn require_read_write(action: &CStr) {
    // SAFETY: a check of the transaction's state; the name is copied into the message.
    unsafe { pg_sys::PreventCommandIfReadOnly(action.as_ptr()) };
}

/// Keeps Rust's backtraces out of error reports, where they would stand as DETAIL: a client of the
/// vault has no use for them, and the environment of the server decides about them otherwise.
pub fn without_backtraces() {
    // SAFETY: called while the library is loaded, in a process with one thread.
    unsafe {
        std::env::remove_var("RUST_BACKTRACE");
        std::env::remove_var("RUST_LIB_BACKTRACE");
    }
}

/// Gives PostgreSQL the chance to cancel; called in every long loop.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}
