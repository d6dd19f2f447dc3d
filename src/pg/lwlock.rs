//! PostgreSQL's lightweight locks, held by scopes.

use pgrx::pg_sys;

/// A lightweight lock in shared memory.
#[derive(Clone, Copy)]
pub struct Lock(*mut pg_sys::LWLock);

/// A lock that is held until this is dropped.
pub struct Held(*mut pg_sys::LWLock);

impl Lock {
    /// # Safety
    /// The pointer is to an initialised lock that lives as long as the server.
    pub unsafe fn new(lock: *mut pg_sys::LWLock) -> Self {
        Self(lock)
    }

    /// Takes the lock for itself alone. Interrupts are held back until it is released: nothing that
    /// can take long, or raise an error, belongs in between.
    pub fn exclusive(self) -> Held {
        // SAFETY: a valid lock, see `new`.
        unsafe { pg_sys::LWLockAcquire(self.0, pg_sys::LWLockMode::LW_EXCLUSIVE) };
        Held(self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // An error of PostgreSQL's has reset the count and releases all locks itself.
        // SAFETY: taken in `exclusive`, released once.
        unsafe {
            if pg_sys::InterruptHoldoffCount > 0 {
                pg_sys::LWLockRelease(self.0);
            }
        }
    }
}
