//! Progress of long work, in PostgreSQL's own progress slots.
//!
//! Extensions cannot add a command to pg_stat_progress_*; going through all users to index them is
//! reported as what it is to PostgreSQL, an index build on `bunker.lookup`, and an export as a COPY of
//! `bunker.record`. The view `bunker.progress` shows them under their own names.

use pgrx::pg_sys::{self, Oid};

/// What is being done.
#[derive(Clone, Copy)]
pub enum Work {
    /// Users are being indexed.
    Indexing,
    /// Rows are being exported.
    Exporting,
}

impl Work {
    const fn command(self) -> pg_sys::ProgressCommandType::Type {
        match self {
            Self::Indexing => pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX,
            Self::Exporting => pg_sys::ProgressCommandType::PROGRESS_COMMAND_COPY,
        }
    }

    /// Where the total and what is done of it stand. A COPY around an export counts its own lines in
    /// the first places.
    const fn places(self) -> (u32, u32) {
        match self {
            Self::Indexing => {
                (pg_sys::PROGRESS_CREATEIDX_TUPLES_TOTAL, pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE)
            }
            Self::Exporting => (18, 19),
        }
    }
}

/// Work whose progress is shown until this is dropped.
pub struct Progress(Work);

impl Progress {
    /// Starts to show progress of `total` users or rows of a table.
    pub fn start(work: Work, table: Oid, total: i64) -> Self {
        // SAFETY: writes to the backend's own slot; an error clears it (AbortTransaction).
        unsafe {
            pg_sys::pgstat_progress_start_command(work.command(), table);
            pg_sys::pgstat_progress_update_param(work.places().0 as i32, total);
        }
        Self(work)
    }

    /// Shows how many are done.
    pub fn done(&self, count: i64) {
        // SAFETY: see `start`.
        unsafe { pg_sys::pgstat_progress_update_param(self.0.places().1 as i32, count) };
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: see `start`.
            unsafe { pg_sys::pgstat_progress_end_command() };
        }
    }
}
