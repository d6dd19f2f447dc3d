//! A user's lookup digests as they stand in his record.

use bunker_core::digests;

pub use bunker_core::digests::{contains, encode};

use crate::error::{Error, Result};
use crate::storage::lookup::Entry;

/// The entries of a record.
pub fn decode(bytes: &[u8]) -> Result<Vec<Entry>> {
    digests::decode(bytes).ok_or(Error::Damaged("a stored record"))
}
