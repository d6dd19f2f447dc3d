//! A ring of bytes in shared memory, with messages of any length one behind the other.
//!
//! A backend puts a message in under a lock, whole or not at all, so there is never one that was begun
//! and not finished, whatever becomes of the backend. The reader takes messages out without the lock:
//! only he moves the tail, and he moves it after he has done with them. If he dies in between, the next
//! one finds them still there.

use std::cell::UnsafeCell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use pgrx::pg_sys;

/// Bytes of a ring: about 1,500 events.
const CAPACITY: usize = 256 * 1024;
/// The longest message that may be put in.
pub const MAX_MESSAGE: usize = CAPACITY / 4;
/// Length of a message's header: its length, then the latch of who waits for it.
const HEADER: usize = 4 + 8;

/// The ring. Zero bytes are an empty one.
#[repr(C)]
pub struct Ring {
    /// Counts bytes that were ever put in, and taken out.
    head: AtomicU64,
    tail: AtomicU64,
    bytes: UnsafeCell<[u8; CAPACITY]>,
}

// SAFETY: bytes are written under a lock, see `push`, where no reader looks: between head and tail.
unsafe impl Sync for Ring {}

/// Messages that the reader has looked at, and their place in the ring.
pub struct Batch {
    bytes: Vec<u8>,
    end: u64,
}

impl Ring {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.head.load(Acquire) == self.tail.load(Acquire)
    }

    /// Puts a message in; how many bytes are in use now, or `None` when there is no room. `waiter` is
    /// the latch of who waits for it, or null.
    ///
    /// # Safety
    /// The caller holds the lock that all callers hold.
    pub unsafe fn push(&self, message: &[u8], waiter: *mut pg_sys::Latch) -> Option<u64> {
        let (head, tail) = (self.head.load(Relaxed), self.tail.load(Acquire));
        let needed = (HEADER + message.len()) as u64;
        let used = head - tail + needed;
        if used > CAPACITY as u64 {
            return None;
        }
        let length = (message.len() as u32).to_ne_bytes();
        let waiter = (waiter as u64).to_ne_bytes();
        // SAFETY: the bytes from head on are free, and the lock is held.
        unsafe {
            self.write(head, &length);
            self.write(head + length.len() as u64, &waiter);
            self.write(head + HEADER as u64, message);
        }
        self.head.store(head + needed, Release);
        Some(used)
    }

    /// Whether a message of this length would go in now.
    pub fn has_room(&self, message: usize) -> bool {
        let (tail, head) = (self.tail.load(Acquire), self.head.load(Acquire));
        head - tail + (HEADER + message) as u64 <= CAPACITY as u64
    }

    /// Whether at least half of it is free now.
    pub fn is_half_free(&self) -> bool {
        let (tail, head) = (self.tail.load(Acquire), self.head.load(Acquire));
        head - tail <= CAPACITY as u64 / 2
    }

    /// # Safety
    /// The bytes are free, and the lock is held.
    unsafe fn write(&self, at: u64, bytes: &[u8]) {
        let start = at as usize % CAPACITY;
        let first = bytes.len().min(CAPACITY - start);
        let ring: *mut u8 = self.bytes.get().cast();
        // SAFETY: both parts lie inside the ring.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), ring.add(start), first);
            std::ptr::copy_nonoverlapping(bytes[first..].as_ptr(), ring, bytes.len() - first);
        }
    }

    /// The messages that wait, at most `limit` bytes of them but at least one. They stay where they
    /// are.
    pub fn peek(&self, limit: usize) -> Batch {
        let (head, tail) = (self.head.load(Acquire), self.tail.load(Relaxed));
        let mut bytes = self.read(tail, head);
        let mut length = 0;
        while length < bytes.len() && length < limit {
            length += HEADER + message_length(&bytes[length..]);
        }
        bytes.truncate(length);
        Batch { end: tail + length as u64, bytes }
    }

    fn read(&self, from: u64, to: u64) -> Vec<u8> {
        let length = (to - from) as usize;
        let start = from as usize % CAPACITY;
        let first = length.min(CAPACITY - start);
        let mut bytes = Vec::with_capacity(length);
        let ring: *const u8 = self.bytes.get().cast();
        // SAFETY: the bytes between tail and head were written before head was, and nobody writes
        // them again before the tail has passed them.
        unsafe {
            bytes.extend_from_slice(std::slice::from_raw_parts(ring.add(start), first));
            bytes.extend_from_slice(std::slice::from_raw_parts(ring, length - first));
        }
        bytes
    }

    /// Takes a batch out.
    pub fn pop(&self, batch: &Batch) {
        self.tail.store(batch.end, Release);
    }

    /// Takes everything out, where there is no reader.
    pub fn clear(&self) {
        self.tail.store(self.head.load(Relaxed), Release);
    }
}

impl Batch {
    /// The messages, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.parts().map(|part| &part[HEADER..])
    }

    /// How many they are.
    pub fn len(&self) -> u64 {
        self.parts().count() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The latches of those who wait for them, each once.
    pub fn waiters(&self) -> Vec<*mut pg_sys::Latch> {
        let mut waiters: Vec<_> =
            self.parts().map(waiter).filter(|latch| !latch.is_null()).collect();
        waiters.sort_unstable();
        waiters.dedup();
        waiters
    }

    /// Each message with its header.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (part, behind) = rest.split_at(HEADER + message_length(rest));
            rest = behind;
            Some(part)
        })
    }
}

/// The length that the header at the start of `bytes` tells.
fn message_length(bytes: &[u8]) -> usize {
    let mut length = [0; 4];
    length.copy_from_slice(&bytes[..4]);
    u32::from_ne_bytes(length) as usize
}

/// The latch that a header tells.
fn waiter(part: &[u8]) -> *mut pg_sys::Latch {
    let mut latch = [0; 8];
    latch.copy_from_slice(&part[4..HEADER]);
    u64::from_ne_bytes(latch) as *mut pg_sys::Latch
}
