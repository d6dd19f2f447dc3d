//! The key of access tokens and login codes: what is stored of one is a MAC over it and its row.

use super::mac::{self, FieldMac};
use crate::secret::SecretKey;

/// Length of a MAC, in bytes.
pub const MAC_LEN: usize = mac::MAC_LEN;

/// Sets these MACs apart from any other use the key could ever be put to.
const LABEL: &[u8] = b"databunker/v1/token";

/// The key of access tokens. It prints nothing, and is wiped when it is dropped.
pub struct TokenKey(FieldMac);

impl TokenKey {
    /// Prepares the key.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self(FieldMac::new(key, LABEL))
    }

    /// HMAC-SHA-256 (RFC 2104) over the label and the length-prefixed fields. The first one says what
    /// they are, the secret is one of them.
    #[must_use]
    pub fn mac(&self, fields: &[&[u8]]) -> [u8; MAC_LEN] {
        self.0.mac(fields)
    }

    /// Whether `stored` is the MAC over these fields; compared in constant time.
    #[must_use]
    pub fn verifies(&self, fields: &[&[u8]], stored: &[u8]) -> bool {
        self.0.verifies(fields, stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_fields_verify() {
        let key = TokenKey::new(&SecretKey::from_bytes([7; 32]));
        let mac = key.mac(&[b"ab", b"c"]);
        assert!(key.verifies(&[b"ab", b"c"], &mac));
        assert!(!key.verifies(&[b"a", b"bc"], &mac));
        assert!(!key.verifies(&[b"ab", b"c", b""], &mac));
        assert!(!key.verifies(&[b"ab", b"c"], &mac[..31]));
        assert!(!key.verifies(&[b"ab", b"c"], &[]));
        let other = TokenKey::new(&SecretKey::from_bytes([8; 32]));
        assert!(!other.verifies(&[b"ab", b"c"], &mac));
    }
}
