//! HMAC-SHA-256 (RFC 2104), with the key schedule done once.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::associated::length_prefix;
use crate::secret::{KEY_LEN, SecretKey};

/// Block length of SHA-256, to which HMAC pads its key (RFC 2104 section 2).
const BLOCK_LEN: usize = 64;

/// HMAC under `key` that has already taken in `label`. Its state is wiped when it is dropped.
///
/// Labels under one key must not begin with one another, or what follows them could be confused.
pub(crate) fn keyed(key: &SecretKey, label: &[u8]) -> Hmac<Sha256> {
    // HMAC pads a key shorter than its block with zeros; doing so here takes the one constructor
    // that cannot fail.
    let mut block = Zeroizing::new([0; BLOCK_LEN]);
    block[..KEY_LEN].copy_from_slice(key.expose());
    let mut hmac = Hmac::<Sha256>::new((&*block).into());
    hmac.update(label);
    hmac
}

/// Length of a MAC that is not truncated, in bytes.
pub(crate) const MAC_LEN: usize = 32;

/// A key of MACs over several fields, with HMAC's key schedule done once.
///
/// It prints nothing, and its state is wiped when it is dropped.
pub(crate) struct FieldMac {
    /// HMAC under the key, which has already taken in the label.
    keyed: Hmac<Sha256>,
}

impl FieldMac {
    pub(crate) fn new(key: &SecretKey, label: &[u8]) -> Self {
        Self { keyed: keyed(key, label) }
    }

    /// HMAC-SHA-256 over the label and the length-prefixed fields.
    pub(crate) fn mac(&self, fields: &[&[u8]]) -> [u8; MAC_LEN] {
        self.over(fields).finalize().into_bytes().into()
    }

    /// Whether `stored` is the MAC over these fields; compared in constant time.
    pub(crate) fn verifies(&self, fields: &[&[u8]], stored: &[u8]) -> bool {
        self.over(fields).verify_slice(stored).is_ok()
    }

    fn over(&self, fields: &[&[u8]]) -> Hmac<Sha256> {
        let mut hmac = self.keyed.clone();
        for field in fields {
            hmac.update(&length_prefix(field));
            hmac.update(field);
        }
        hmac
    }
}
