//! The blind index: keyed digests by which a value is found without being stored.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::associated::length_prefix;
use super::mac;
use crate::secret::SecretKey;

/// Length of a lookup digest, in bytes.
pub const DIGEST_LEN: usize = 32;

/// Sets these digests apart from any other use the key could ever be put to.
const LABEL: &[u8] = b"databunker/v1/lookup";

/// The key of the blind index, with HMAC's key schedule done once.
///
/// It prints nothing, and its state is wiped when it is dropped.
pub struct IndexKey {
    /// HMAC under the index key, which has already taken in the label.
    keyed: Hmac<Sha256>,
}

impl IndexKey {
    /// Prepares the index key. Keep the result: this costs more than a digest.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self { keyed: mac::keyed(key, LABEL) }
    }

    /// The lookup digest of a normalised value: HMAC-SHA-256 (RFC 2104) over the label and the
    /// length-prefixed kind and value.
    ///
    /// The same value under two kinds gives unrelated digests. Equal values of one kind give equal
    /// digests, which is what an index is for, and all that it reveals.
    #[must_use]
    pub fn digest(&self, kind: &str, value: &str) -> [u8; DIGEST_LEN] {
        let mut hmac = self.keyed.clone();
        for field in [kind, value] {
            hmac.update(&length_prefix(field.as_bytes()));
            hmac.update(field.as_bytes());
        }
        hmac.finalize().into_bytes().into()
    }
}
