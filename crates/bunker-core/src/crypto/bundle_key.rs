//! The key of bundles: what a vault exports is signed with it.

use super::mac::FieldMac;
use crate::secret::SecretKey;

/// Length of a signature, in bytes.
pub const SIGNATURE_LEN: usize = super::mac::MAC_LEN;

/// Length of what names a vault, in bytes.
pub const VAULT_LEN: usize = 16;

/// Sets these MACs apart from any other use the key could ever be put to.
const LABEL: &[u8] = b"databunker/v1/bundle";

/// The key that signs bundles and cursors. It prints nothing, and is wiped when it is dropped.
pub struct BundleKey(FieldMac);

impl BundleKey {
    /// Prepares the key.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self(FieldMac::new(key, LABEL))
    }

    /// What names the vault: the same as long as it has this key, also in a copy of it.
    #[must_use]
    pub fn vault(&self) -> [u8; VAULT_LEN] {
        let mac = self.0.mac(&[b"vault"]);
        let mut vault = [0; VAULT_LEN];
        vault.copy_from_slice(&mac[..VAULT_LEN]);
        vault
    }

    /// The signature of something: HMAC-SHA-256 over the label and the length-prefixed fields. `what`
    /// says what it is, so that nothing passes for something else.
    #[must_use]
    pub fn sign(&self, what: &str, content: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.mac(&[what.as_bytes(), content])
    }

    /// Whether the signature is that of the content; compared in constant time.
    #[must_use]
    pub fn verifies(&self, what: &str, content: &[u8], signature: &[u8]) -> bool {
        self.0.verifies(&[what.as_bytes(), content], signature)
    }
}
