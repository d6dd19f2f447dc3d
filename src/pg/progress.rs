//! Progress of long work, in PostgreSQL's own progress slots.
//!
//! Extensions cannot add a command to pg_stat_progress_*; going through all users to index them is
//! reported as what it is to PostgreSQL, an index build on `bunker.lookup`. The view
//! `bunker.progress` shows it under its own name.

use pgrx::pg_sys::{self, Oid};

/// Work whose progress is shown until this is dropped.
pub struct Progress(());

impl Progress {
    /// Starts to show progress of indexing `total` users.
    pub fn start(table: Oid, total: i64) -> Self {
        // SAFETY: writes to the backend's own slot; an error clears it (AbortTransaction).
        unsafe {
            pg_sys::pgstat_progress_start_command(
                pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX,
                table,
            );
            pg_sys::pgstat_progress_update_param(
                pg_sys::PROGRESS_CREATEIDX_TUPLES_TOTAL as i32,
                total,
            );
        }
        Self(())
    }

    /// Shows how many users are done.
    pub fn done(&self, users: i64) {
        // SAFETY: see `start`.
        unsafe {
            pg_sys::pgstat_progress_update_param(
                pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE as i32,
                users,
            );
        }
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
