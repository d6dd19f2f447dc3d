//! Work that can fail on its own: what it did is undone then, and the transaction goes on.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgMemoryContexts, PgSqlErrorCode, PgTryBuilder, pg_sys};

use crate::error::{Error, OrRaise, Result, sqlstate_text};

/// Why a piece of work has failed.
pub struct Failure(PgSqlErrorCode);

impl Failure {
    /// The five characters of its SQLSTATE. Of the message nothing: PostgreSQL's own may quote what
    /// it stumbled over.
    pub fn sqlstate(&self) -> String {
        sqlstate_text(self.0)
    }

    /// Whether other work would fail, too: it concerns the server (a full disk, no memory, a cancel,
    /// a shutdown) or the whole transaction.
    fn is_general(&self) -> bool {
        let state = self.sqlstate();
        ["40", "53", "57", "58"].iter().any(|class| state.starts_with(class))
    }

    /// Whether it is about the values that were written: data, a constraint, a limit.
    fn is_about_values(&self) -> bool {
        let state = self.sqlstate();
        ["22", "23", "54"].iter().any(|class| state.starts_with(class))
    }
}

/// Why nothing is left of a piece of work.
pub enum Undone {
    /// It has failed by itself.
    Failed(Error),
    /// PostgreSQL has refused the values that it wrote.
    Refused(Failure),
}

/// Does `work` in a subtransaction of its own, which is rolled back when it fails, and in memory of its
/// own: nothing that PostgreSQL allocated outlives it, so what it returns must be Rust's.
///
/// # Errors
/// A failure that other work would meet, too; PostgreSQL's own are raised again.
pub fn separately<R>(work: impl FnOnce() -> Result<R>) -> Result<Result<R, Undone>> {
    let mut memory = PgMemoryContexts::new("databunker subtransaction");
    // SAFETY: only the memory in which allocations are made is another one, and `within_while` puts
    // the caller's back, whatever happens.
    let work = || unsafe { memory.switch_to(|_| work()) };
    match within_while(work, Result::is_ok) {
        Ok(Ok(result)) => Ok(Ok(result)),
        Ok(Err(error)) if error.is_general() => Err(error),
        Ok(Err(error)) => Ok(Err(Undone::Failed(error))),
        Err(error) => {
            let failure = Failure(sqlstate_of(&error));
            if failure.is_about_values() {
                Ok(Err(Undone::Refused(failure)))
            } else {
                error.rethrow()
            }
        }
    }
}

/// Does `work` in a subtransaction of its own, which is rolled back when it fails. Locks that were
/// held before are still held afterwards. A failure that concerns more than this work is raised again.
pub fn attempt<R>(work: impl FnOnce() -> Result<R>) -> Result<R, Failure> {
    within(|| work().or_raise()).map_err(|error| {
        let failure = Failure(sqlstate_of(&error));
        if failure.is_general() { error.rethrow() } else { failure }
    })
}

/// Does `work` in a subtransaction; the error that ended it, if one did.
pub fn within<R>(work: impl FnOnce() -> R) -> Result<R, Box<CaughtError>> {
    within_while(work, |_| true)
}

/// The same, but the subtransaction is also rolled back when what the work returns is not `good`.
fn within_while<R>(
    work: impl FnOnce() -> R,
    good: impl FnOnce(&R) -> bool,
) -> Result<R, Box<CaughtError>> {
    // SAFETY: the sequence of PL/pgSQL's exception block (exec_stmt_block in pl_exec.c): what goes
    // wrong ends the subtransaction alone, whose locks pass to the transaction when it succeeds.
    unsafe {
        let (memory, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        // What the work returns outlives the subtransaction.
        pg_sys::CurrentMemoryContext = memory;
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
            let result = work();
            if good(&result) {
                pg_sys::ReleaseCurrentSubTransaction();
            } else {
                pg_sys::RollbackAndReleaseCurrentSubTransaction();
            }
            Ok(result)
        }))
        .catch_others(|error| {
            pg_sys::CurrentMemoryContext = memory;
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            Err(Box::new(error))
        })
        .execute();
        pg_sys::CurrentMemoryContext = memory;
        pg_sys::CurrentResourceOwner = owner;
        outcome
    }
}

/// The SQLSTATE of an error that was caught.
pub fn sqlstate_of(error: &CaughtError) -> PgSqlErrorCode {
    match error {
        CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. } => report.sql_error_code(),
    }
}
