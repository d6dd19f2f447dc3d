//! The launcher of maintenance: goes through all databases, again and again.
//!
//! It counts on the monotonic clock: setting the server's time neither stops it nor hurries it.

use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;

use crate::guc;
use crate::pg::launch::{self, Worker, Workers};
use crate::pg::{background, latch};

/// A worker that has left something to do is followed by another one after this time. Until then
/// whoever waits for the database to be left (DROP DATABASE) has got it.
const SOON: Duration = Duration::from_secs(1);
/// A worker that hangs for so long is asked to end, and the next database has its turn.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing to wait for but a signal.
const FOR_EVER: Duration = Duration::MAX;

/// Works until the process is asked to end.
pub fn run() {
    let mut launcher = Launcher {
        workers: Workers::new(),
        begun: None,
        left: Vec::new(),
        paused: Instant::now(),
        has_warned: false,
    };
    while !background::should_end() {
        latch::reset();
        background::take_in_settings();
        match launcher.pause() {
            Some(pause) => latch::wait(pause),
            None => launcher.visit(),
        }
    }
}

struct Launcher {
    workers: Workers,
    /// When the last round through all databases began.
    begun: Option<Instant>,
    /// Databases in which something was left to do.
    left: Vec<Oid>,
    /// When the last visit ended.
    paused: Instant,
    /// Whether the log has been told that there is no place for a worker.
    has_warned: bool,
}

impl Launcher {
    /// How long to sleep; `None` when it is time to visit databases.
    fn pause(&self) -> Option<Duration> {
        let Some(interval) = guc::maintenance_interval() else {
            return Some(FOR_EVER);
        };
        let until_round = self.begun.map_or(Duration::ZERO, |begun| left_of(interval, begun));
        let pause = if self.left.is_empty() {
            until_round
        } else {
            until_round.min(left_of(SOON, self.paused))
        };
        (!pause.is_zero()).then_some(pause)
    }

    /// Visits all databases if it is time for a round, else those in which something is left.
    fn visit(&mut self) {
        let interval = guc::maintenance_interval().unwrap_or(FOR_EVER);
        let databases = if self.begun.is_none_or(|begun| left_of(interval, begun).is_zero()) {
            self.begun = Some(Instant::now());
            self.left.clear();
            list()
        } else {
            std::mem::take(&mut self.left)
        };
        for database in databases {
            background::take_in_settings();
            if background::should_end() || guc::maintenance_interval().is_none() {
                return;
            }
            self.maintain(database);
        }
        self.paused = Instant::now();
    }

    fn maintain(&mut self, database: Oid) {
        let Some(worker) = self.workers.start(database) else {
            // Once, until there is room again; the next round tries again.
            if !std::mem::replace(&mut self.has_warned, true) {
                background::warn("no place for a maintenance worker: raise max_worker_processes");
            }
            return;
        };
        self.has_warned = false;
        wait_for(worker);
        if launch::left_something() {
            self.left.push(database);
        }
    }
}

fn list() -> Vec<Oid> {
    background::attempt(c"listing the databases", || Ok(launch::databases())).unwrap_or_else(
        |error| {
            let hint = "Maintenance tries again after databunker.maintenance_interval.";
            background::log_failure("the databases could not be listed", &error, hint);
            Vec::new()
        },
    )
}

/// Returns when a worker has ended, or has been asked to because it takes too long or the launcher
/// itself has to end.
fn wait_for(worker: Worker<'_>) {
    let begun = Instant::now();
    loop {
        latch::reset();
        if worker.has_ended() {
            return;
        }
        let left = left_of(PATIENCE, begun);
        if left.is_zero() {
            background::warn("a maintenance worker took too long and was asked to end");
        }
        if left.is_zero() || background::should_end() {
            worker.stop();
            return;
        }
        latch::wait(left);
    }
}

/// What is left of a time that began then.
fn left_of(time: Duration, begun: Instant) -> Duration {
    time.saturating_sub(begun.elapsed())
}
