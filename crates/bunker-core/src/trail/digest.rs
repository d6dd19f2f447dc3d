//! What a seal holds of its events: SHA-256 (FIPS 180-4) over their ids and MACs.

use sha2::{Digest as _, Sha256};

use super::event::EventMac;

/// An event as its seal sees it. The MAC stands for all the other fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The event's id.
    pub id: i64,
    /// The event's MAC, as it is stored.
    pub mac: EventMac,
}

/// The digest of a batch of events, made of one entry at a time in constant memory.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// The digest of no events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next event. Seals take theirs in rising order of ids.
    pub fn add(&mut self, entry: &Entry) -> &mut Self {
        self.0.update(entry.id.to_be_bytes());
        self.0.update(entry.mac);
        self
    }

    /// The digest of the events so far.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

/// The digest of a batch of events, which the caller has sorted by id.
#[must_use]
pub fn digest(entries: &[Entry]) -> [u8; 32] {
    let mut digest = Digest::new();
    for entry in entries {
        digest.add(entry);
    }
    digest.finish()
}
