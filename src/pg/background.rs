//! Background workers: starting one, and what it needs of PostgreSQL.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, SignalWakeFlags};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{IntoDatum, PgTryBuilder};

use super::caller;
use crate::error::{self, OrRaise};

/// What the audit writer is called in pg_stat_activity.
const WRITER: &str = "databunker audit writer";

/// Has the postmaster start an audit writer for the current database; false when it has no place for
/// one (max_worker_processes).
pub fn start_writer() -> bool {
    BackgroundWorkerBuilder::new(WRITER)
        .set_type(WRITER)
        .set_library("databunker")
        .set_function("databunker_audit_writer")
        .set_argument(caller::database().into_datum())
        .enable_spi_access()
        // Not restarted by the postmaster: who needs it next starts it, and a dropped database
        // needs none.
        .set_restart_time(None)
        .load_dynamic()
        .is_ok()
}

/// Settings that a database or the configuration may have set for everyone, and which must not
/// reach the writer: what decides about events is in the code.
const FIXED_SETTINGS: &[(&CStr, &CStr)] = &[
    // On disk is what the callers are promised.
    (c"synchronous_commit", c"on"),
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"statement_timeout", c"0"),
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    (c"transaction_timeout", c"0"),
    // Whoever holds a lock on the trail must not be able to keep the writer waiting for ever.
    (c"lock_timeout", c"1s"),
    // In a deadlock it is the writer who gives way: he tries again.
    (c"deadlock_timeout", c"100ms"),
    (c"idle_in_transaction_session_timeout", c"0"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_isolation", c"read committed"),
    (c"session_replication_role", c"origin"),
    (c"default_tablespace", c""),
];

/// Connects the worker to its database; without one (`InvalidOid`) it can read what all databases
/// share. Ends the process when that cannot be done.
pub fn connect(database: Oid) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP);
    // SAFETY: the handler does what a signal handler may.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(on_sigterm));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, Some(on_sigterm));
    }
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), None);
    for (name, value) in FIXED_SETTINGS {
        // SAFETY: names of built-in settings, with values that they take.
        unsafe {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// The worker's argument as the database it is for.
pub fn database_of(argument: Datum) -> Oid {
    Oid::from(argument.value() as u32)
}

/// Whether this process is a background worker.
pub fn is_worker() -> bool {
    // SAFETY: reads the process's state.
    unsafe { pg_sys::MyBackendType == pg_sys::BackendType::B_BG_WORKER }
}

/// This process's id.
pub fn pid() -> i32 {
    // SAFETY: reads the process's state.
    unsafe { pg_sys::MyProcPid }
}

static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

/// SIGTERM. A commit that waits for a synchronous standby, which may never come, goes on: that wait
/// alone looks at `QueryCancelPending` without `InterruptPending` (SyncRepWaitForLSN).
///
/// # Safety
/// A signal handler.
#[allow(non_snake_case)]
unsafe extern "C-unwind" fn on_sigterm(_signal: core::ffi::c_int) {
    ASKED_TO_END.store(true, Relaxed);
    // SAFETY: what PostgreSQL's own handlers do (StatementCancelHandlerForWorker and die).
    unsafe {
        (&raw mut pg_sys::QueryCancelPending).write_volatile(1);
        pg_sys::SetLatch(pg_sys::MyLatch);
    }
}

/// Whether the worker has been asked to end.
pub fn should_end() -> bool {
    ASKED_TO_END.load(Relaxed)
}

/// From now on commits wait for this server's disk only, not for a standby, which may never come: as
/// a worker does that ends, or that has promised nothing to anybody. The flag that has ended the wait under way must not end anything else.
pub fn commit_locally() {
    // SAFETY: as in `connect`; between transactions.
    unsafe {
        (&raw mut pg_sys::QueryCancelPending).write_volatile(0);
        pg_sys::SetConfigOption(
            c"synchronous_commit".as_ptr(),
            c"local".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Reads the configuration again if the postmaster has said so.
pub fn take_in_settings() {
    if BackgroundWorker::sighup_received() {
        // SAFETY: allowed between transactions.
        unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) };
    }
}

/// Calls `action` when the process ends, however it does short of SIGKILL.
pub fn at_exit(action: unsafe extern "C-unwind" fn(i32, Datum)) {
    // SAFETY: the callback lives as long as the library.
    unsafe { pg_sys::before_shmem_exit(Some(action), Datum::from(0)) };
}

/// How many sessions, workers apart, use the database.
pub fn sessions(database: Oid) -> i32 {
    // SAFETY: counts under a lock of its own.
    unsafe { pg_sys::CountDBConnections(database) }
}

/// Runs `work` in a transaction of its own.
///
/// # Errors
/// When it failed, or PostgreSQL raised an error; that is in the server log, and the transaction was rolled back.
pub fn transaction<R>(
    activity: &'static CStr,
    work: impl FnOnce() -> error::Result<R>,
) -> Result<R, ()> {
    if should_end() {
        commit_locally();
    }
    attempt(activity, work).map_err(|error| report(activity, &error))
}

/// The same, but why it failed is the caller's to report.
pub fn attempt<R>(
    activity: &'static CStr,
    work: impl FnOnce() -> error::Result<R>,
) -> Result<R, Box<CaughtError>> {
    PgTryBuilder::new(AssertUnwindSafe(|| {
        // SAFETY: the sequence of PostgreSQL's own workers (worker_spi.c).
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, activity.as_ptr());
        }
        let result = work().or_raise();
        // SAFETY: see above.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            pg_sys::pgstat_report_stat(false);
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        }
        Ok(result)
    }))
    .catch_others(|error| {
        // SAFETY: as after any error in a worker that goes on (autovacuum.c).
        unsafe {
            pg_sys::AbortOutOfAnyTransaction();
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        }
        Err(Box::new(error))
    })
    .execute()
}

/// How often the log is told of an error that stays.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Writes an error to the server log, where the hints to the callers point.
fn report(activity: &'static CStr, error: &CaughtError) {
    thread_local! {
        static LAST: RefCell<HashMap<&'static CStr, Instant>> = RefCell::new(HashMap::new());
    }
    let now = Instant::now();
    let last = LAST.with_borrow_mut(|last| last.get(activity).copied());
    if last.is_some_and(|last| now - last < REPORT_INTERVAL) {
        return;
    }
    LAST.with_borrow_mut(|last| last.insert(activity, now));
    let what = format!("{} failed", activity.to_string_lossy());
    log_failure(&what, error, "It is tried again.");
}

/// Writes an error of a worker into the server log: `what` it could not do, and what becomes of it.
pub fn log_failure(what: &str, error: &CaughtError, hint: &str) {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic { ereport: report, .. }) = error;
    // The code and the message: an error of a worker's concerns tables, disks and locks.
    let message = format!("databunker: {what}: {}", report.message());
    pgrx::ereport!(LOG, report.sql_error_code(), message, hint);
}

/// Writes a warning into the server log.
pub fn warn(what: &'static str) {
    pgrx::ereport!(WARNING, pgrx::PgSqlErrorCode::ERRCODE_WARNING, format!("databunker: {what}"));
}

/// The number of the oldest transaction that is running, or was prepared; of the next one if none is.
pub fn oldest_running_transaction() -> u64 {
    // SAFETY: scans the list of running transactions under its lock.
    let oldest = unsafe { pg_sys::GetOldestActiveTransactionId() };
    widened(oldest)
}

/// The number that the next transaction gets.
pub fn next_transaction() -> u64 {
    // SAFETY: reads shared memory under its lock.
    unsafe { pg_sys::ReadNextFullTransactionId().value }
}

/// A 32-bit transaction number that is at most 2^31 behind the next one, as 64 bits
/// (FullTransactionIdFromAllowableAt in PostgreSQL's sources).
fn widened(transaction: pg_sys::TransactionId) -> u64 {
    let next = next_transaction();
    let behind = (next as u32).wrapping_sub(transaction.into_inner());
    next - u64::from(behind)
}
