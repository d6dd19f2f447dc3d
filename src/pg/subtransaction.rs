//! Work that can fail on its own: what it did is undone then, and the transaction goes on.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use crate::error::{OrRaise, Result};

/// Why a piece of work has failed.
pub struct Failure(PgSqlErrorCode);

impl Failure {
    /// The five characters of its SQLSTATE. Of the message nothing: PostgreSQL's own may quote what
    /// it stumbled over.
    pub fn sqlstate(&self) -> String {
        // PGUNSIXBIT in elog.h: six bits a character, the first one lowest.
        let code = self.0 as u32;
        (0..5).map(|place| char::from(((code >> (6 * place)) & 0x3F) as u8 + b'0')).collect()
    }

    /// Whether other work would fail, too: it concerns the server (a full disk, no memory, a cancel,
    /// a shutdown) or the whole transaction.
    fn is_general(&self) -> bool {
        let state = self.sqlstate();
        ["40", "53", "57", "58"].iter().any(|class| state.starts_with(class))
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
    // SAFETY: the sequence of PL/pgSQL's exception block (exec_stmt_block in pl_exec.c): what goes
    // wrong ends the subtransaction alone, whose locks pass to the transaction when it succeeds.
    unsafe {
        let (memory, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        // What the work returns outlives the subtransaction.
        pg_sys::CurrentMemoryContext = memory;
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
            let result = work();
            pg_sys::ReleaseCurrentSubTransaction();
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
