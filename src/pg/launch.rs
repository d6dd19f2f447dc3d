//! Starting workers that do something in every database, one after another.
//!
//! The launcher is registered while the server starts and belongs to no database; it reads the list of
//! them as autovacuum's launcher does (get_database_list in autovacuum.c).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use pgrx::bgworkers::{
    BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime, DynamicBackgroundWorker,
};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::{self, Oid};
use pgrx::prelude::*;
use pgrx::{IntoDatum, PgAtomic, pg_shmem_init};

use super::background;

/// What the two are called in pg_stat_activity.
const LAUNCHER: &str = "databunker maintenance launcher";
const WORKER: &str = "databunker maintenance worker";

/// After this time the postmaster starts a launcher again that has ended.
const RESTART: Duration = Duration::from_secs(10);

/// `datconnlimit` of a database whose dropping was interrupted (DATCONNLIMIT_INVALID_DB in
/// pg_database.h).
const INVALID_DATABASE: i32 = -2;

/// Whether the last worker has left something to do.
///
/// SAFETY: no other shared memory has this name.
static LEFT_SOMETHING: PgAtomic<AtomicBool> =
    unsafe { PgAtomic::new(c"databunker_maintenance_left_something") };

/// Has the launcher started with the server, once that can be written to, but not while pg_upgrade
/// fills it. Called by `_PG_init` in the postmaster.
#[expect(unexpected_cfgs, reason = "the macro asks for versions of PostgreSQL that we do not have")]
pub fn install() {
    pg_shmem_init!(LEFT_SOMETHING = AtomicBool::new(false));
    // SAFETY: a flag that the postmaster sets from its command line.
    if unsafe { pg_sys::IsBinaryUpgrade } {
        return;
    }
    BackgroundWorkerBuilder::new(LAUNCHER)
        .set_type(LAUNCHER)
        .set_library("databunker")
        .set_function("databunker_maintenance_launcher")
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(RESTART))
        .enable_spi_access()
        .load();
}

/// Ends the launcher's process. Somebody may have ended it by mistake: the status 1 has the postmaster
/// start it again, unless the server is shutting down.
pub fn end_for_now() -> ! {
    // SAFETY: what every process of the server ends by; no frame below has a destructor that matters
    // to a process that is gone.
    unsafe { pg_sys::proc_exit(1) };
    // It never returns, but 18 declares that in a way which the bindings do not show.
    #[cfg(feature = "pg18")]
    std::process::abort()
}

/// The databases that can be connected to, inside a transaction.
pub fn databases() -> Vec<Oid> {
    let mut found = Vec::new();
    // SAFETY: a scan of a catalog under its lock; each row is looked at while the scan is at it.
    unsafe {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        let catalog = pg_sys::table_open(pg_sys::DatabaseRelationId, lock);
        let scan = pg_sys::table_beginscan_catalog(catalog, 0, std::ptr::null_mut());
        loop {
            let row = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if row.is_null() {
                break;
            }
            let database = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_database>();
            if database.datallowconn && database.datconnlimit != INVALID_DATABASE {
                found.push(database.oid);
            }
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(catalog, lock);
    }
    found
}

/// Starts workers, one at a time.
pub struct Workers {
    /// Where PostgreSQL keeps what it knows a worker by.
    memory: PgMemoryContexts,
}

impl Workers {
    /// Nothing is started yet.
    pub fn new() -> Self {
        Self { memory: PgMemoryContexts::new("databunker workers") }
    }

    /// Has the postmaster start a worker for a database; `None` when it has no place for one
    /// (max_worker_processes).
    pub fn start(&mut self, database: Oid) -> Option<Worker<'_>> {
        LEFT_SOMETHING.get().store(false, Relaxed);
        let builder = BackgroundWorkerBuilder::new(WORKER)
            .set_type(WORKER)
            .set_library("databunker")
            .set_function("databunker_maintenance_worker")
            .set_argument(database.into_datum())
            .set_notify_pid(background::pid())
            .set_restart_time(None)
            .enable_spi_access();
        // SAFETY: the worker before this one, whose borrow has ended, is all that lay there.
        let started = unsafe {
            self.memory.reset();
            self.memory.switch_to(|_| builder.load_dynamic())
        };
        started.ok().map(|handle| Worker { handle, workers: std::marker::PhantomData })
    }
}

/// A worker that has been started.
pub struct Worker<'a> {
    handle: DynamicBackgroundWorker,
    workers: std::marker::PhantomData<&'a mut Workers>,
}

impl Worker<'_> {
    /// Whether it has ended, or never could begin. The launcher's latch is set when that changes.
    pub fn has_ended(&self) -> bool {
        use BackgroundWorkerStatus::{NotYetStarted, Started};
        !matches!(self.handle.pid(), Ok(_) | Err(NotYetStarted | Started))
    }

    /// Has it ended by a SIGTERM; nobody waits for that.
    pub fn stop(self) {
        self.handle.terminate();
    }
}

/// Notes that the worker, which is about to end, leaves something to do.
pub fn leave_something() {
    LEFT_SOMETHING.get().store(true, Relaxed);
}

/// Whether the worker that has ended left something to do.
pub fn left_something() -> bool {
    LEFT_SOMETHING.get().load(Relaxed)
}
