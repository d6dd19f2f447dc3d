//! A user's lookup digests as they stand in his record: `kind (2 bytes, big-endian) ‖ digest (16)`
//! for each, sorted. The bytes are bound to the sealed profile as associated data.

use crate::error::{Error, Result};
use crate::storage::lookup::{DIGEST_LENGTH, Entry};

const ENTRY_LENGTH: usize = 2 + DIGEST_LENGTH;

/// The bytes for a record.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_LENGTH);
    for entry in entries {
        bytes.extend_from_slice(&entry.kind.to_be_bytes());
        bytes.extend_from_slice(&entry.digest);
    }
    bytes
}

/// The entries of a record.
pub fn decode(bytes: &[u8]) -> Result<Vec<Entry>> {
    iter(bytes).map(|entry| entry.ok_or(Error::Damaged("a stored record"))).collect()
}

/// Whether a record says that it has an entry.
pub fn contains(bytes: &[u8], wanted: &Entry) -> bool {
    iter(bytes).any(|entry| entry.as_ref() == Some(wanted))
}

fn iter(bytes: &[u8]) -> impl Iterator<Item = Option<Entry>> {
    bytes.chunks(ENTRY_LENGTH).map(|chunk| {
        let (kind, digest) = chunk.split_first_chunk::<2>()?;
        Some(Entry { digest: digest.try_into().ok()?, kind: i16::from_be_bytes(*kind) })
    })
}
