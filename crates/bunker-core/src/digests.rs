//! A user's entries of the blind index as they stand in his record: `kind (2 bytes, big-endian) ‖ digest
//! (16)` for each, sorted. The bytes are bound to the sealed profile as associated data.

use crate::crypto::blind_index::DIGEST_LEN;

/// Bytes of a stored digest: HMAC-SHA-256, truncated to 128 bits as RFC 2104 section 5 allows and
/// RFC 4868 does. Two values meet by chance once in 2^64 users; rows and index pages are a third
/// smaller.
pub const DIGEST_LENGTH: usize = 16;

const ENTRY_LENGTH: usize = 2 + DIGEST_LENGTH;

/// A user's entry under one lookup kind. The order is the one in which entries are written, the
/// same in every transaction, so that two of them never wait for each other in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The keyed digest of the normalised value.
    pub digest: [u8; DIGEST_LENGTH],
    /// The kind's id.
    pub kind: i16,
}

impl Entry {
    /// The entry of a digest under the kind of that id.
    #[must_use]
    pub fn new(kind: i16, digest: &[u8; DIGEST_LEN]) -> Self {
        let mut stored = [0; DIGEST_LENGTH];
        stored.copy_from_slice(&digest[..DIGEST_LENGTH]);
        Self { digest: stored, kind }
    }
}

/// The bytes for a record.
#[must_use]
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_LENGTH);
    for entry in entries {
        bytes.extend_from_slice(&entry.kind.to_be_bytes());
        bytes.extend_from_slice(&entry.digest);
    }
    bytes
}

/// The entries of a record; `None` when the bytes are not some.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Vec<Entry>> {
    iter(bytes).collect()
}

/// Whether a record says that it has an entry.
#[must_use]
pub fn contains(bytes: &[u8], wanted: &Entry) -> bool {
    iter(bytes).any(|entry| entry.as_ref() == Some(wanted))
}

fn iter(bytes: &[u8]) -> impl Iterator<Item = Option<Entry>> {
    bytes.chunks(ENTRY_LENGTH).map(|chunk| {
        let (kind, digest) = chunk.split_first_chunk::<2>()?;
        Some(Entry { digest: digest.try_into().ok()?, kind: i16::from_be_bytes(*kind) })
    })
}
