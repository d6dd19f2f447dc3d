//! Seals, the links of the chain, as their MACs see them.

/// Length of a seal's MAC, in bytes: all of HMAC-SHA-256, as the whole chain hangs on it.
pub const SEAL_MAC_LEN: usize = 32;

/// What the first seal, number 1, has in place of the MAC of the one before it.
pub const GENESIS: [u8; SEAL_MAC_LEN] = [0; SEAL_MAC_LEN];

/// One link of the chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seal<'a> {
    /// Its number: 1, 2, 3 … without a gap.
    pub number: i64,
    /// When it was made, in microseconds since 2000-01-01 UTC.
    pub sealed_at: i64,
    /// The MAC of the seal before it, or [`GENESIS`].
    pub previous: &'a [u8; SEAL_MAC_LEN],
    /// What it attests.
    pub content: Content<'a>,
}

/// What a seal attests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// That these events were in the trail.
    Events {
        /// The month all of them belong to, in months since 2000-01.
        month: i32,
        /// How many they are.
        count: i64,
        /// The [`digest()`](super::digest()) of their ids and MACs.
        digest: &'a [u8; 32],
        /// Every event with a lower id stands in this seal or an earlier one, or was dropped by
        /// retention. One that turns up below it without a seal was slipped in afterwards.
        floor: i64,
    },
    /// That what was too old was dropped on purpose, when this seal was made.
    Retention {
        /// The oldest month whose events are kept, in months since 2000-01.
        kept_month: i32,
        /// The number of the oldest seal that is kept. Of later seals too, those of months before
        /// `kept_month` have lost their events.
        first_kept: i64,
        /// How many events were dropped.
        dropped_events: i64,
    },
}

/// The kind byte of [`Content::Events`].
const EVENTS: &[u8] = &[0];

/// The kind byte of [`Content::Retention`].
const RETENTION: &[u8] = &[1];

impl Seal<'_> {
    /// Hands the canonical encoding to `put`, piece by piece.
    ///
    /// Two seals give the same bytes exactly when they are equal: after the kind byte, every field
    /// has a fixed length.
    pub(super) fn encode(&self, put: &mut impl FnMut(&[u8])) {
        put(&self.number.to_be_bytes());
        put(&self.sealed_at.to_be_bytes());
        put(self.previous);
        match self.content {
            Content::Events { month, count, digest, floor } => {
                put(EVENTS);
                put(&month.to_be_bytes());
                put(&count.to_be_bytes());
                put(digest);
                put(&floor.to_be_bytes());
            }
            Content::Retention { kept_month, first_kept, dropped_events } => {
                put(RETENTION);
                put(&kept_month.to_be_bytes());
                put(&first_kept.to_be_bytes());
                put(&dropped_events.to_be_bytes());
            }
        }
    }
}
