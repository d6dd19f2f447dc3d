//! Questions about the running backend.

use pgrx::pg_sys;

/// Whether the client or a timeout asked the backend to stop what it is doing.
pub fn interrupt_pending() -> bool {
    // SAFETY: a flag that signal handlers set.
    unsafe { pg_sys::InterruptPending != 0 }
}

/// Whether all statements of the transaction see one state: REPEATABLE READ and SERIALIZABLE.
pub fn uses_one_snapshot() -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Gives PostgreSQL the chance to cancel; called in every long loop.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}
