//! A channel in shared memory: from the backends of one database to its audit writer.

use std::cell::UnsafeCell;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, fence};
use std::time::Duration;

use pgrx::pg_sys::{self, Oid};

use super::lwlock::Held;
use super::ring::{Batch, Ring};
use super::shared::{self, Shared};
use super::tally::Tally;
use super::{background, caller, latch, time};

/// What `writer` holds while an audit writer is being started.
const STARTING: i32 = -1;
/// After this time without a sign of him, another attempt is made to start one.
const START_MICROSECONDS: i64 = 3_000_000;

/// The state that a database's backends and its audit writer share.
#[repr(C)]
pub struct Channel {
    position: AtomicU32,
    /// The database; 0 for a channel that nobody uses.
    database: AtomicU32,
    /// The writer's process id, 0, or [`STARTING`].
    writer: AtomicI32,
    started_at: AtomicI64,
    writer_latch: AtomicPtr<pg_sys::Latch>,
    writer_sleeps: AtomicBool,
    /// Counts messages that were ever put in.
    queued: AtomicU64,
    /// Counts messages whose events are durable.
    durable: AtomicU64,
    ring: Ring,
    room_wanted: AtomicU32,
    room: UnsafeCell<pg_sys::ConditionVariable>,
    /// What backends ask of the writer, and what he has done: see [`Request`].
    wanted: [AtomicU64; Request::ALL.len()],
    done: [AtomicU64; Request::ALL.len()],
    /// Whether a transaction with events was ever prepared.
    prepared: AtomicBool,
    /// Whether there may be events without MACs and without a seal.
    unauthenticated: AtomicBool,
    /// The transactions of such events have lower numbers than this.
    unauthenticated_before: AtomicU64,
    /// The end of the chain of seals as the writer knows it.
    chain_known: AtomicBool,
    /// The extension that this chain belongs to: made again, it begins another one.
    chain_trail: AtomicU32,
    chain_number: AtomicI64,
    chain_mac: [AtomicU64; 4],
    /// What is counted for the DBA.
    pub tally: Tally,
}

// SAFETY: all fields are atomics but the ring, which is `Sync` itself, and the condition variable, which
// has a lock of its own.
unsafe impl Sync for Channel {}

/// What a backend can ask of the writer.
#[derive(Clone, Copy)]
pub enum Request {
    /// Seal every event that is committed.
    Seal = 0,
    /// Look for committed events that nobody told him of.
    Scan = 1,
    /// Look now whether partitions have to be made or dropped.
    Upkeep = 2,
    /// Have listeners look for events of users that they have not been told of.
    Hint = 3,
}

impl Request {
    const ALL: [Self; 4] = [Self::Seal, Self::Scan, Self::Upkeep, Self::Hint];
}

/// Whether a message was taken.
pub enum Put {
    /// The message's number: it is durable when [`Channel::durable`] has reached it.
    Done(u64),
    /// There is no room now.
    Full,
    /// The channel has been given to another database since it was looked up.
    Gone,
}

impl Channel {
    /// # Safety
    /// Called once, in new and zero-filled shared memory.
    pub unsafe fn init(&self, position: usize) {
        self.position.store(position as u32, Relaxed);
        // SAFETY: the caller's.
        unsafe { pg_sys::ConditionVariableInit(self.room.get()) };
    }

    /// The channel of the current database, given to it now if it has none; `None` when the library
    /// was not preloaded or all channels are in use.
    pub fn of_this_database() -> Option<&'static Self> {
        if let Some(channel) = Self::in_use_by_this_database() {
            return Some(channel);
        }
        let (shared, database) = (shared::get()?, caller::database());
        let _directory = shared.directory().exclusive();
        // Somebody else may have been first.
        let mine = Self::in_use_by_this_database();
        // One that nobody has used before one whose database is idle: that one would forget the end
        // of its chain, and what it has counted.
        let unused = || shared.channels().iter().find(|c| c.is_unused() && c.give_to(database));
        let idle = || shared.channels().iter().find(|c| c.give_to(database));
        mine.or_else(unused).or_else(idle)
    }

    /// Frees the channels of databases that were dropped while something waited in them.
    pub fn free_orphans() {
        for channel in shared::get().map(Shared::channels).into_iter().flatten() {
            let database = Oid::from(channel.database.load(Acquire));
            if database != Oid::INVALID && !caller::database_exists(database) {
                channel.abandon(database);
            }
        }
    }

    fn abandon(&self, database: Oid) {
        let _held = self.lock();
        if self.belongs_to(database) && !self.has_writer(time::now()) {
            self.ring.clear();
            self.durable.store(self.queued.load(Relaxed), Release);
        }
    }

    /// The channel of the current database, if it has one.
    pub fn in_use_by_this_database() -> Option<&'static Self> {
        let database = caller::database();
        shared::get()?.channels().iter().find(|channel| channel.belongs_to(database))
    }

    fn belongs_to(&self, database: Oid) -> bool {
        self.database.load(Acquire) == database.to_u32()
    }

    fn is_unused(&self) -> bool {
        self.belongs_to(Oid::INVALID)
    }

    /// Gives the channel to a database if no other one needs it.
    fn give_to(&self, database: Oid) -> bool {
        let _held = self.lock();
        let empty = self.ring.is_empty();
        if !self.is_unused() && (!empty || self.has_writer(time::now())) {
            return false;
        }
        self.chain_known.store(false, Relaxed);
        self.prepared.store(true, Relaxed);
        self.unauthenticated.store(true, Relaxed);
        self.tally.clear();
        self.database.store(database.to_u32(), Release);
        true
    }

    fn lock(&self) -> Held {
        shared::lock(self.position.load(Relaxed) as usize).exclusive()
    }

    /// Puts a message in. `waiter` is woken when it is durable; null if nobody waits.
    pub fn put(&self, message: &[u8], waiter: *mut pg_sys::Latch) -> Put {
        let held = self.lock();
        if !self.belongs_to(caller::database()) {
            return Put::Gone;
        }
        // SAFETY: the lock is held.
        let Some(used) = (unsafe { self.ring.push(message, waiter) }) else {
            return Put::Full;
        };
        let number = self.queued.fetch_add(1, Release) + 1;
        self.tally.ring_used(used);
        drop(held);
        Put::Done(number)
    }

    /// The number of the last message whose event is durable.
    pub fn durable(&self) -> u64 {
        self.durable.load(Acquire)
    }

    /// The number of the last message that was put in.
    pub fn queued(&self) -> u64 {
        self.queued.load(Acquire)
    }

    /// Whether there is room enough for messages that are of no importance.
    pub fn has_ample_room(&self) -> bool {
        self.ring.is_half_free()
    }

    /// Waits for room for a message of this length, at most so long.
    pub fn wait_for_room(&self, message: usize, longest: Duration) {
        let milliseconds = longest.as_millis().min(1_000) as core::ffi::c_long;
        let room = self.room.get();
        // SAFETY: an initialised condition variable in shared memory. Interrupts are served inside; an
        // error there ends the sleep at the transaction's abort.
        unsafe {
            // Without this the first sleep would only prepare, and return at once.
            pg_sys::ConditionVariablePrepareToSleep(room);
            self.room_wanted.fetch_add(1, SeqCst);
            fence(SeqCst);
            // Room that was made before the writer could know that it is wanted.
            if !self.ring.has_room(message) {
                let why = pg_sys::PG_WAIT_EXTENSION;
                pg_sys::ConditionVariableTimedSleep(room, milliseconds.max(1), why);
            }
            pg_sys::ConditionVariableCancelSleep();
        }
        pgrx::check_for_interrupts!();
    }

    /// Wakes the writer if he sleeps.
    pub fn wake_writer(&self) {
        fence(SeqCst);
        if self.writer_sleeps.swap(false, AcqRel) {
            let latch = self.writer_latch.load(Acquire);
            if !latch.is_null() {
                // SAFETY: the latch of a process, which stays where it is when the process ends.
                unsafe { latch::wake(latch) };
            }
        }
    }

    /// Whether a writer is at work, or on his way.
    pub fn has_writer(&self, now: i64) -> bool {
        match self.writer.load(Acquire) {
            0 => false,
            STARTING => now - self.started_at.load(Relaxed) < START_MICROSECONDS,
            _ => true,
        }
    }

    /// The writer's process id, or 0.
    pub fn writer_pid(&self) -> i32 {
        self.writer.load(Relaxed).max(0)
    }

    /// Claims the right to start a writer.
    pub fn claim_start(&self, now: i64) -> bool {
        let _held = self.lock();
        if self.has_writer(now) {
            return false;
        }
        self.started_at.store(now, Relaxed);
        self.writer.store(STARTING, Release);
        true
    }

    /// Notes that no writer could be started.
    pub fn start_failed(&self) {
        let _ = self.writer.compare_exchange(STARTING, 0, AcqRel, Relaxed);
    }

    /// Asks something of the writer; the number to give to [`Self::is_done`].
    pub fn request(&self, request: Request) -> u64 {
        self.wanted[request as usize].fetch_add(1, SeqCst) + 1
    }

    /// Whether the writer has done what was asked for.
    pub fn is_done(&self, request: Request, number: u64) -> bool {
        self.done[request as usize].load(Acquire) >= number
    }

    /// Notes that a transaction with events was prepared: nobody will tell of its commit.
    pub fn expect_prepared(&self) {
        self.prepared.store(true, Relaxed);
    }

    /// Whether there may be such transactions.
    pub fn has_prepared(&self) -> bool {
        self.prepared.load(Relaxed)
    }

    /// Notes that there is none any more.
    pub fn none_is_prepared(&self) {
        self.prepared.store(false, Relaxed);
    }

    /// Notes that an event gets no MAC, because the vault is sealed.
    pub fn expect_unauthenticated(&self) {
        self.unauthenticated_before.fetch_max(background::next_transaction(), Relaxed);
        self.unauthenticated.store(true, Relaxed);
    }

    /// Whether there may be such events: from before the server's start, or since.
    pub fn has_unauthenticated(&self) -> bool {
        self.unauthenticated.load(Relaxed)
    }

    /// The end of the chain of seals of the extension `trail`, once the writer has read or written it.
    pub fn chain_end(&self, trail: Oid) -> Option<(i64, [u8; 32])> {
        let _held = self.lock();
        let known = self.chain_known.load(Relaxed);
        (known && self.chain_trail.load(Relaxed) == trail.to_u32()).then(|| {
            let mut mac = [0; 32];
            for (bytes, word) in mac.chunks_exact_mut(8).zip(&self.chain_mac) {
                bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
            }
            (self.chain_number.load(Relaxed), mac)
        })
    }
}

/// What only the audit writer of the channel's database calls.
impl Channel {
    /// Takes the channel over; false when another writer has it.
    pub fn take_office(&self, pid: i32) -> bool {
        let _held = self.lock();
        if self.writer.load(Relaxed) > 0 {
            return false;
        }
        self.writer_latch.store(latch::own(), Release);
        self.writer_sleeps.store(false, Relaxed);
        self.writer.store(pid, Release);
        true
    }

    /// Gives the channel back.
    pub fn leave_office(&self, pid: i32) {
        let _ = self.writer.compare_exchange(pid, 0, AcqRel, Relaxed);
    }

    /// The messages that wait, at most `limit` bytes of them but at least one.
    pub fn take(&self, limit: usize) -> Batch {
        self.ring.peek(limit)
    }

    /// The events of a batch are durable: makes room, and wakes those who wait for them.
    pub fn release(&self, batch: &Batch) {
        self.ring.pop(batch);
        self.durable.fetch_add(batch.len(), Release);
        fence(SeqCst);
        for waiter in batch.waiters() {
            // SAFETY: the latch of whoever put the message in.
            unsafe { latch::wake(waiter) };
        }
        if self.room_wanted.swap(0, SeqCst) > 0 {
            // SAFETY: an initialised condition variable.
            unsafe { pg_sys::ConditionVariableBroadcast(self.room.get()) };
        }
    }

    /// Announces that the writer is going to sleep; false when there is something to do after all.
    pub fn fall_asleep(&self) -> bool {
        self.writer_sleeps.store(true, SeqCst);
        fence(SeqCst);
        let idle = self.ring.is_empty()
            && Request::ALL.iter().all(|&request| self.asked(request).is_none());
        if !idle {
            self.writer_sleeps.store(false, Relaxed);
        }
        idle
    }

    /// Notes that the writer is awake.
    pub fn wake_up(&self) {
        self.writer_sleeps.store(false, Relaxed);
    }

    /// What was asked for and is not done yet.
    pub fn asked(&self, request: Request) -> Option<u64> {
        let wanted = self.wanted[request as usize].load(SeqCst);
        (wanted > self.done[request as usize].load(Relaxed)).then_some(wanted)
    }

    /// What was asked for up to that number is done.
    pub fn fulfilled(&self, request: Request, number: u64) {
        self.done[request as usize].store(number, Release);
    }

    /// Notes that all committed events without MACs have their seals. There may be more as long as one
    /// of their transactions is open, or prepared.
    pub fn unauthenticated_are_sealed(&self) {
        let before = self.unauthenticated_before.load(Relaxed);
        if background::oldest_running_transaction() >= before {
            self.unauthenticated.store(false, Relaxed);
        }
    }

    /// Notes the end of the chain of seals of the extension `trail`.
    pub fn set_chain_end(&self, trail: Oid, number: i64, mac: &[u8; 32]) {
        let _held = self.lock();
        self.chain_trail.store(trail.to_u32(), Relaxed);
        for (bytes, word) in mac.chunks_exact(8).zip(&self.chain_mac) {
            let mut copy = [0; 8];
            copy.copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(copy), Relaxed);
        }
        self.chain_number.store(number, Relaxed);
        self.chain_known.store(true, Relaxed);
    }
}
