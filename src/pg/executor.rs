//! One wait for all the reads of a statement.
//!
//! A read of the vault must not show plaintext before its audit event is durable, and the plain way
//! is to wait inside the function: ten thousand times in a join of ten thousand users. But within one
//! run of the executor the second and later reads may go on at once, if what they return can leave
//! the run in no way but as a row of its result ([`super::plan`] looks at every expression), and if
//! the rows are held back until the events are durable ([`super::holdback`]).
//!
//! Whatever else ends the run waits, too: its regular end, because the plan may keep values for the
//! next FETCH, and an error, because a message may quote a value.
//!
//! All other statements of the server pay for a counter and a jump buffer, as under
//! pg_stat_statements.

use std::cell::Cell;
use std::sync::OnceLock;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::catch::{Caught, catch};
use super::{holdback, plan};

/// What the executor has to ask before it lets rows out.
pub struct Gate {
    /// Whether this backend has events that are not known to be durable. Asked once a row.
    pub outstanding: fn() -> bool,
    /// Waits until they are; raises an error (through PostgreSQL) otherwise.
    pub settle: fn(),
    /// The names of our functions that only read. A statement that calls any other of them, to which
    /// it could hand what it has read, is not worth looking at.
    pub readers: &'static [&'static str],
}

type Hook = pg_sys::ExecutorRun_hook_type;
type Query = *mut pg_sys::QueryDesc;

static GATE: OnceLock<&'static Gate> = OnceLock::new();
static NEXT: OnceLock<Hook> = OnceLock::new();

/// What is known of the outermost run.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// The vault was not read; the first read waits, so that a single look-up pays for nothing.
    None,
    /// It was read once.
    One,
    /// Each read waits.
    Wait,
    /// Reads go on, rows are held back.
    Defer,
}

thread_local! {
    /// How many runs of the executor are inside each other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static OUTERMOST: Cell<(Query, Reads)> = const { Cell::new((std::ptr::null_mut(), Reads::None)) };
}

/// Puts our hook in front of those that are there. Called once, when the library is loaded.
pub fn install(gate: &'static Gate) {
    // SAFETY: called once, while the library is loaded; hooks are plain pointers.
    unsafe {
        if GATE.set(gate).is_ok() && NEXT.set(pg_sys::ExecutorRun_hook).is_ok() {
            pg_sys::ExecutorRun_hook = Some(on_run);
        }
    }
}

/// Whether the read that asks may return before its event is durable. To be asked once a read, after
/// the event was submitted and before it would be waited for: reads are counted here.
pub fn may_defer() -> bool {
    // SAFETY: a variable of the process.
    let is_worker = unsafe { pg_sys::ParallelWorkerNumber } >= 0;
    let Some(gate) = GATE.get().filter(|_| DEPTH.get() == 1 && !is_worker) else {
        return false;
    };
    let (query, reads) = OUTERMOST.get();
    let next = match reads {
        Reads::None => Reads::One,
        // SAFETY: the run is under way, so its query is there.
        Reads::One => unsafe {
            if plan::is_harmless(query, gate.readers) && holdback::start(query, gate) {
                Reads::Defer
            } else {
                Reads::Wait
            }
        },
        known => known,
    };
    OUTERMOST.set((query, next));
    next == Reads::Defer
}

/// Runs a query, and settles what its reads have deferred.
///
/// # Safety
/// As for `ExecutorRun`. An error passes through without unwinding, so no frame here may own
/// anything.
unsafe fn run(query: Query, work: impl FnOnce()) {
    let depth = DEPTH.get();
    if depth == 0 {
        OUTERMOST.set((query, Reads::None));
    }
    DEPTH.set(depth + 1);
    // SAFETY: the caller's.
    let outcome = unsafe { catch(work) };
    DEPTH.set(depth);
    let deferred = depth == 0 && OUTERMOST.get().1 == Reads::Defer;
    // SAFETY: the caller's; and this is the end of the run for which rows were held back.
    unsafe {
        match outcome {
            Ok(()) if deferred => holdback::finish(),
            Ok(()) => {}
            Err(error) if deferred => fail(error),
            Err(error) => error.rethrow(),
        }
    }
}

/// Ends a run by an error: the rows that are held back are dropped, the reads behind them settled.
///
/// # Safety
/// As for [`Caught::rethrow`].
unsafe fn fail(error: Caught) -> ! {
    // SAFETY: the caller's.
    unsafe {
        match holdback::abandon() {
            Some(settle) => error.rethrow_after(settle),
            None => error.rethrow(),
        }
    }
}

/// # Safety
/// Called by PostgreSQL only.
#[cfg(not(feature = "pg18"))]
#[pg_guard]
unsafe extern "C-unwind" fn on_run(
    query: Query,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    execute_once: bool,
) {
    // The binding in `pg_sys` catches what it throws, see `super::catch`.
    unsafe extern "C-unwind" {
        fn standard_ExecutorRun(_: Query, _: pg_sys::ScanDirection::Type, _: u64, _: bool);
    }
    let next = NEXT.get().copied().flatten();
    // SAFETY: what PostgreSQL would have called.
    unsafe {
        run(query, || match next {
            Some(next) => next(query, direction, count, execute_once),
            None => standard_ExecutorRun(query, direction, count, execute_once),
        });
    }
}

/// # Safety
/// Called by PostgreSQL only.
#[cfg(feature = "pg18")]
#[pg_guard]
unsafe extern "C-unwind" fn on_run(
    query: Query,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // The binding in `pg_sys` catches what it throws, see `super::catch`.
    unsafe extern "C-unwind" {
        fn standard_ExecutorRun(_: Query, _: pg_sys::ScanDirection::Type, _: u64);
    }
    let next = NEXT.get().copied().flatten();
    // SAFETY: what PostgreSQL would have called.
    unsafe {
        run(query, || match next {
            Some(next) => next(query, direction, count),
            None => standard_ExecutorRun(query, direction, count),
        });
    }
}
