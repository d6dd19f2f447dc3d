//! AES-256-GCM (NIST SP 800-38D), the one cipher of every format here.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use super::{CryptoError, NONCE_LEN, TAG_LEN};
use crate::secret::KEY_LEN;

/// An expanded AES-256-GCM key. Its schedule is wiped when it is dropped.
pub(super) struct Aead(Aes256Gcm);

/// The tag does not match: nothing was decrypted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unauthentic;

impl Aead {
    /// Expands a key. This costs about as much as encrypting a short record: cache the result.
    pub(super) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Appends ciphertext and tag to `out`, where the plaintext itself never stands.
    ///
    /// A pair of key and nonce must never be used twice. Fails with [`CryptoError::TooLong`] past
    /// 2^36 - 32 bytes.
    pub(super) fn seal_into(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let start = out.len();
        out.resize(start + plaintext.len(), 0);
        let tag = InOutBuf::new(plaintext, &mut out[start..])
            .ok()
            .and_then(|buffer| {
                self.0.encrypt_inout_detached(nonce.into(), associated_data, buffer).ok()
            })
            .ok_or(CryptoError::TooLong)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts `sealed`, a ciphertext and its tag, into `out`, which is as long as the plaintext.
    ///
    /// The tag is verified, in constant time, before a byte is decrypted: `out` is untouched when
    /// this fails.
    pub(super) fn open_into(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), Unauthentic> {
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(Unauthentic)?;
        let buffer = InOutBuf::new(ciphertext, out).map_err(|_| Unauthentic)?;
        self.0
            .decrypt_inout_detached(nonce.into(), associated_data, buffer, tag.into())
            .map_err(|_| Unauthentic)
    }
}
