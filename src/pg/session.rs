//! Questions about the running backend.

use std::ffi::CStr;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, function_name, pg_sys};

use super::time;
use crate::error::{Error, Result};

/// Whether all statements of the transaction see one state: REPEATABLE READ and SERIALIZABLE.
pub fn uses_one_snapshot() -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// A top-level transaction of this backend, as told apart from its others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// Comes round again after 2^32 transactions, which a pool's busy connection has behind it in days.
    number: u32,
    start: i64,
}

impl Transaction {
    /// None: numbers of transactions are never 0 (LocalTransactionId in lock.h).
    pub const NONE: Self = Self { number: 0, start: 0 };

    /// The one that is running, the same in all its subtransactions.
    pub fn current() -> Self {
        // SAFETY: a backend that runs a function has a PGPROC; only it changes this field.
        let number = unsafe {
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let number = (*pg_sys::MyProc).lxid;
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let number = (*pg_sys::MyProc).vxid.lxid;
            number
        };
        Self { number, start: time::transaction_start() }
    }
}

/// Fails in a parallel worker, and in a backend while it runs a parallel query: what is counted,
/// cached or audited would be so in each process for itself. Our functions are PARALLEL UNSAFE, but
/// one that calls them may claim to be safe.
pub fn refuse_parallel() -> Result<()> {
    // SAFETY: reads the transaction's state.
    if unsafe { pg_sys::IsInParallelMode() } { Err(Error::ParallelQuery) } else { Ok(()) }
}

/// Raises 25006 in a read-only transaction and on a standby.
pub fn require_read_write(action: &CStr) {
    // SAFETY: a check of the transaction's state; the name is copied into the message.
    unsafe { pg_sys::PreventCommandIfReadOnly(action.as_ptr()) };
}

/// Whether this server is a standby, or recovering.
pub fn in_recovery() -> bool {
    // SAFETY: reads the server's state, which can only change to "no".
    unsafe { pg_sys::RecoveryInProgress() }
}

/// The name of the database.
pub fn database_name() -> String {
    // SAFETY: the name is a palloc'd string, or null for a database that has been dropped.
    unsafe {
        let name = pg_sys::get_database_name(pg_sys::MyDatabaseId);
        if name.is_null() {
            return String::new();
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// Whether the server log takes lines of the level LOG: with log_min_messages at FATAL or PANIC it
/// would drop them, and without a destination it has nowhere to write them.
pub fn logs_everything() -> bool {
    // SAFETY: reads settings.
    unsafe { pg_sys::log_min_messages < pg_sys::FATAL as i32 && pg_sys::Log_destination != 0 }
}

/// Writes a line into the server log; the client never gets it.
pub fn log_line(line: &str) {
    let code = PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION;
    ErrorReport::new(code, line.to_owned(), function_name!()).report(PgLogLevel::LOG_SERVER_ONLY);
}

/// Tells the client something that is no error.
pub fn notice(text: &str) {
    let code = PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION;
    ErrorReport::new(code, text.to_owned(), function_name!()).report(PgLogLevel::NOTICE);
}

/// Warns the client, if there is one, and the server log.
pub fn warn(text: &str) {
    let code = PgSqlErrorCode::ERRCODE_WARNING;
    ErrorReport::new(code, text.to_owned(), function_name!()).report(PgLogLevel::WARNING);
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

/// The extension as it is installed in this database, or `InvalidOid`.
pub fn extension() -> pg_sys::Oid {
    // SAFETY: a look into a catalog, inside a transaction.
    unsafe { pg_sys::get_extension_oid(c"databunker".as_ptr(), true) }
}
