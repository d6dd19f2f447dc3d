//! Catching an error of PostgreSQL's and throwing it on unchanged.
//!
//! pgrx turns a caught error into a report of its own, which keeps message, detail and hint and loses
//! the rest: cursor position, context, names of table and constraint. Around ExecutorRun that would
//! rob every statement of the server of them, so this is PG_TRY (elog.h) as C has it.

use cee_scape::call_with_sigsetjmp;
use pgrx::pg_sys;

// The same functions in `pg_sys` catch what they throw.
unsafe extern "C-unwind" {
    fn pg_re_throw() -> !;
    fn ReThrowError(error: *mut pg_sys::ErrorData);
}

/// An error that was caught, and that has to be thrown on.
#[must_use]
pub struct Caught(());

/// Runs `work`, and catches what it throws.
///
/// # Safety
/// Nothing that `work` owns or creates has a destructor: a throw skips them.
pub unsafe fn catch(work: impl FnOnce()) -> Result<(), Caught> {
    // SAFETY: PG_TRY, PG_CATCH and PG_END_TRY; nothing changes between the two returns of the jump
    // that is used after the second one.
    unsafe {
        let (handler, context) = (pg_sys::PG_exception_stack, pg_sys::error_context_stack);
        let memory = pg_sys::CurrentMemoryContext;
        let thrown = call_with_sigsetjmp(false, |here| {
            pg_sys::PG_exception_stack = std::ptr::from_ref(here).cast_mut().cast();
            work();
            0
        });
        pg_sys::PG_exception_stack = handler;
        pg_sys::error_context_stack = context;
        if thrown == 0 {
            return Ok(());
        }
        pg_sys::CurrentMemoryContext = memory;
        Err(Caught(()))
    }
}

impl Caught {
    /// Throws the error on.
    ///
    /// # Safety
    /// No frame up to the next handler has a pending destructor.
    pub unsafe fn rethrow(self) -> ! {
        // SAFETY: the error is still on PostgreSQL's stack of errors; nobody has flushed it.
        unsafe { pg_re_throw() }
    }

    /// Does `work` first, which may wait, use PostgreSQL, and raise an error in the place of this one.
    ///
    /// # Safety
    /// As for [`Self::rethrow`].
    pub unsafe fn rethrow_after(self, work: impl FnOnce()) -> ! {
        // SAFETY: as PL/pgSQL handles an exception (exec_stmt_block, pl_exec.c). Whatever was thrown
        // may have left locks of shared memory behind; the abort that follows would release them
        // first (AbortTransaction, xact.c), and one must not wait while holding any.
        unsafe {
            let error = pg_sys::CopyErrorData();
            pg_sys::FlushErrorState();
            pg_sys::LWLockReleaseAll();
            work();
            ReThrowError(error);
            pg_re_throw()
        }
    }
}
