//! HKDF-SHA-256 (RFC 5869): every key that is derived from another one.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

use super::CryptoError;
use crate::secret::KEY_LEN;

/// A pseudorandom key, ready to be expanded. Its state is wiped when it is dropped.
pub(super) struct Prk(Hkdf<Sha256>);

impl Prk {
    /// HKDF-Extract (RFC 5869 section 2.2) from a salt and a secret of any shape.
    pub(super) fn extract(salt: &[u8], secret: &[u8]) -> Self {
        let (mut prk, hkdf) = Hkdf::extract(Some(salt), secret);
        prk.as_mut_slice().zeroize();
        Self(hkdf)
    }

    /// Takes a uniformly random key as it is: RFC 5869 section 3.3 lets extraction be skipped.
    pub(super) fn from_random_key(key: &[u8; KEY_LEN]) -> Result<Self, CryptoError> {
        Hkdf::from_prk(key).map(Self).map_err(|_| CryptoError::TooLong)
    }

    /// HKDF-Expand (RFC 5869 section 2.3) over the concatenation of `info`, filling `out`.
    ///
    /// Fails with [`CryptoError::TooLong`] when `out` exceeds 255 hashes, 8160 bytes.
    pub(super) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Result<(), CryptoError> {
        self.0.expand_multi_info(info, out).map_err(|_| CryptoError::TooLong)
    }
}
