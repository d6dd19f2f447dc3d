//! A 256-bit key that wipes itself and prints nothing.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{CryptoError, random};

/// Length of every symmetric key of the vault, in bytes.
pub const KEY_LEN: usize = 32;

/// A 256-bit secret key.
///
/// The bytes live on the heap, so that moving the value leaves no copy behind, and are wiped when
/// it is dropped. The type has no `Debug`, `Display`, `Clone` or `PartialEq` on purpose: a key is
/// neither printed nor duplicated, and keys are never compared outside constant-time code.
pub struct SecretKey {
    bytes: Box<Zeroizing<[u8; KEY_LEN]>>,
}

impl SecretKey {
    /// Takes over the 32 bytes of a key, and wipes the argument it was handed.
    ///
    /// Copies the caller made before are his own to wipe.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; KEY_LEN]) -> Self {
        let key = Self::copied_from(&bytes);
        bytes.zeroize();
        key
    }

    /// Draws a new key from the operating system.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NoRandomness`] when the operating system hands out no random bytes.
    pub fn random() -> Result<Self, CryptoError> {
        let mut key = Self::copied_from(&[0; KEY_LEN]);
        random::fill(key.bytes.as_mut_slice())?;
        Ok(key)
    }

    /// Shows the key's bytes to code that computes with them.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }

    /// Whether it is the same key; compared in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }

    /// Copies a key out of a buffer that wipes itself, without a stop on the stack.
    pub(crate) fn copied_from(bytes: &[u8; KEY_LEN]) -> Self {
        Self { bytes: Box::new(Zeroizing::new(*bytes)) }
    }
}
