//! What is counted in shared memory about the trail of one database, since the server's start.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters; each may be read at any time.
#[repr(C)]
#[derive(Default)]
pub struct Tally {
    /// Reads of the vault that left an event.
    pub reads: AtomicU64,
    /// Events of writes that their transactions have committed.
    pub writes: AtomicU64,
    /// Calls that were refused, or failed.
    pub refusals: AtomicU64,
    /// Transactions of the audit writer that made events durable.
    pub flushes: AtomicU64,
    /// Events in them.
    pub flushed_events: AtomicU64,
    /// The most events in one of them.
    pub largest_flush: AtomicU64,
    /// Transactions of the audit writer that failed and were repeated.
    pub failed_flushes: AtomicU64,
    /// Calls that waited for their events.
    pub waits: AtomicU64,
    /// How long they waited together, in microseconds.
    pub wait_microseconds: AtomicU64,
    /// Calls that gave up waiting.
    pub timeouts: AtomicU64,
    /// The most bytes of the ring that were ever in use.
    pub ring_high_water: AtomicU64,
    /// Seals written.
    pub seals: AtomicU64,
}

impl Tally {
    /// How many counters there are.
    pub const COUNT: usize = 12;

    fn counters(&self) -> [&AtomicU64; Self::COUNT] {
        [
            &self.reads,
            &self.writes,
            &self.refusals,
            &self.flushes,
            &self.flushed_events,
            &self.largest_flush,
            &self.failed_flushes,
            &self.waits,
            &self.wait_microseconds,
            &self.timeouts,
            &self.ring_high_water,
            &self.seals,
        ]
    }

    /// All counters, in the order of the fields.
    pub fn snapshot(&self) -> [i64; Self::COUNT] {
        self.counters().map(|counter| counter.load(Relaxed).cast_signed())
    }

    /// Back to nothing.
    pub fn clear(&self) {
        for counter in self.counters() {
            counter.store(0, Relaxed);
        }
    }

    /// Counts one, or several, of something.
    pub fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Relaxed);
    }

    /// A flush of so many events.
    pub fn flushed(&self, events: u64) {
        Self::add(&self.flushes, 1);
        Self::add(&self.flushed_events, events);
        self.largest_flush.fetch_max(events, Relaxed);
    }

    /// So many bytes of the ring are in use.
    pub fn ring_used(&self, bytes: u64) {
        if self.ring_high_water.load(Relaxed) < bytes {
            self.ring_high_water.fetch_max(bytes, Relaxed);
        }
    }
}
