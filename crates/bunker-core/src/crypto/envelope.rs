//! Sealed records: envelope encryption with a data key of its own for each record.
//!
//! A record is encrypted under a fresh data key, and the data key under a wrapping key of the
//! keyring. Rotating the wrapping key then touches 66 bytes of a record and not its body. The
//! format, its limits and the reasoning behind it are in `docs/FORMAT.md`, "Sealed record".

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::Aead;
use super::associated::push_prefixed;
use super::kdf::Prk;
use super::random::RandomPool;
use super::{CryptoError, FORMAT, NONCE_LEN, OpenError, RewrapError, SUITE, TAG_LEN};
use crate::secret::{KEY_LEN, SecretKey};

/// Bytes by which a sealed record is longer than its plaintext.
pub const OVERHEAD: usize =
    HEADER_LEN + NONCE_LEN + WRAPPED_LEN + COMMITMENT_LEN + NONCE_LEN + TAG_LEN;

/// Format byte, suite byte, key id.
const HEADER_LEN: usize = 2 + KEY_ID_LEN;
const KEY_ID_LEN: usize = 4;
const WRAPPED_LEN: usize = KEY_LEN + TAG_LEN;
const COMMITMENT_LEN: usize = 32;

/// HKDF's info for what a data key gives: this and the suite byte.
///
/// With HKDF's own bytes it fills one SHA-256 block; a longer one would cost a second.
const RECORD_INFO: &[u8] = b"databunker/v1/record";

/// Where a record belongs. A record opens only with the binding it was sealed with.
pub struct Binding<'a> {
    /// Table and field, such as `record.profile`.
    pub domain: &'a str,
    /// The user's token.
    pub owner: &'a [u8; 16],
    /// The record's version.
    pub version: u32,
    /// Whatever else the record is bound to, such as the name of an app; may be empty.
    pub extra: &'a [u8],
}

/// A wrapping key of the keyring, expanded once and kept by the caller.
///
/// It prints nothing, and its key schedule is wiped when it is dropped. Nonces are random, so one
/// key must wrap at most 2^32 data keys (NIST SP 800-38D section 8.3), re-wraps included; the
/// caller counts, and rotates before that.
pub struct WrappingKey {
    id: u32,
    cipher: Aead,
}

impl WrappingKey {
    /// Expands the wrapping key with the given key id.
    #[must_use]
    pub fn new(id: u32, key: &SecretKey) -> Self {
        Self { id, cipher: Aead::new(key.expose()) }
    }

    /// The key id that records sealed by this key carry.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Seals a record under a fresh data key, drawing [`super::random::SEAL_BYTES`] from the pool.
    ///
    /// The result is [`OVERHEAD`] bytes longer than the plaintext.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NoRandomness`] when the pool runs dry, [`CryptoError::TooLong`] past 2^36 - 32
    /// bytes.
    pub fn seal(
        &self,
        binding: &Binding<'_>,
        plaintext: &[u8],
        pool: &mut RandomPool,
    ) -> Result<Vec<u8>, CryptoError> {
        let associated_data = AssociatedData::new(self.id, binding);
        let mut data_key = Zeroizing::new([0; KEY_LEN]);
        pool.fill(&mut *data_key)?;
        let keys = RecordKeys::derive(&data_key)?;

        let mut sealed = Vec::with_capacity(OVERHEAD + plaintext.len());
        self.wrap_into(&associated_data, &data_key, pool, &mut sealed)?;
        sealed.extend_from_slice(&keys.commitment);
        let nonce = pool.array::<NONCE_LEN>()?;
        sealed.extend_from_slice(&nonce);
        keys.cipher.seal_into(&nonce, associated_data.body(), plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// Opens a record that this key sealed with the same binding.
    ///
    /// Choose the key by [`key_id`] first: under another one, every record looks damaged.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`] when a bit was altered, a byte added or removed, or the record sealed
    /// for another place.
    pub fn open(
        &self,
        binding: &Binding<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let parts = SealedParts::parse(sealed)?;
        let associated_data = AssociatedData::new(self.id, binding);
        let (_, keys) = self.unwrap(&associated_data, &parts)?;
        let (nonce, body) = parts.body.split_first_chunk().ok_or(OpenError::Damaged)?;
        let plaintext_len = body.len().checked_sub(TAG_LEN).ok_or(OpenError::Damaged)?;
        let mut plaintext = Zeroizing::new(vec![0; plaintext_len]);
        keys.cipher
            .open_into(nonce, associated_data.body(), body, &mut plaintext)
            .map_err(|_| OpenError::Damaged)?;
        Ok(plaintext)
    }

    /// Moves a record from the wrapping key `old` to this one, without decrypting its body.
    ///
    /// The data key is opened, checked against the record's commitment and sealed anew; commitment
    /// and body are copied. A damaged body stays exactly as damaged as it was: its own tag does not
    /// depend on the wrapping key, and opening it will still fail.
    ///
    /// # Errors
    ///
    /// [`RewrapError::Damaged`] when header, wrapped data key or commitment do not verify under
    /// `old` with this binding, [`RewrapError::Crypto`] when the data key cannot be sealed.
    pub fn rewrap(
        &self,
        old: &WrappingKey,
        binding: &Binding<'_>,
        sealed: &[u8],
        pool: &mut RandomPool,
    ) -> Result<Vec<u8>, RewrapError> {
        let parts = SealedParts::parse(sealed)?;
        let (data_key, _) = old.unwrap(&AssociatedData::new(old.id, binding), &parts)?;

        let mut rewrapped = Vec::with_capacity(sealed.len());
        let associated_data = AssociatedData::new(self.id, binding);
        self.wrap_into(&associated_data, &data_key, pool, &mut rewrapped)?;
        rewrapped.extend_from_slice(parts.commitment);
        rewrapped.extend_from_slice(parts.body);
        Ok(rewrapped)
    }

    /// Appends header, nonce and wrapped data key.
    fn wrap_into(
        &self,
        associated_data: &AssociatedData,
        data_key: &[u8; KEY_LEN],
        pool: &mut RandomPool,
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let nonce = pool.array::<NONCE_LEN>()?;
        out.extend_from_slice(&[FORMAT, SUITE]);
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&nonce);
        self.cipher.seal_into(&nonce, associated_data.wrap(), data_key, out)
    }

    /// Opens the data key and derives its keys, once the commitment has shown that it is the one
    /// this record was sealed with.
    fn unwrap(
        &self,
        associated_data: &AssociatedData,
        parts: &SealedParts<'_>,
    ) -> Result<(Zeroizing<[u8; KEY_LEN]>, RecordKeys), OpenError> {
        if parts.key_id != self.id {
            return Err(OpenError::Damaged);
        }
        let mut data_key = Zeroizing::new([0; KEY_LEN]);
        self.cipher
            .open_into(parts.wrap_nonce, associated_data.wrap(), parts.wrapped, &mut *data_key)
            .map_err(|_| OpenError::Damaged)?;
        let keys = RecordKeys::derive(&data_key).map_err(|_| OpenError::Damaged)?;
        if !bool::from(keys.commitment.ct_eq(parts.commitment)) {
            return Err(OpenError::Damaged);
        }
        Ok((data_key, keys))
    }
}

/// The id of the wrapping key that a sealed record names, in order to choose it.
///
/// The id is not authenticated before the record is opened with that key.
///
/// # Errors
///
/// [`OpenError::Damaged`] when the bytes are too short or their format or suite is unknown.
pub fn key_id(sealed: &[u8]) -> Result<u32, OpenError> {
    SealedParts::parse(sealed).map(|parts| parts.key_id)
}

/// What a data key gives: the cipher of the body, and a commitment to the data key.
struct RecordKeys {
    cipher: Aead,
    commitment: [u8; COMMITMENT_LEN],
}

impl RecordKeys {
    fn derive(data_key: &[u8; KEY_LEN]) -> Result<Self, CryptoError> {
        let mut derived = Zeroizing::new([0; KEY_LEN + COMMITMENT_LEN]);
        Prk::from_random_key(data_key)?.expand(&[RECORD_INFO, &[SUITE]], &mut *derived)?;
        let (encryption_key, rest) = derived.split_first_chunk().ok_or(CryptoError::TooLong)?;
        let commitment = *rest.first_chunk().ok_or(CryptoError::TooLong)?;
        Ok(Self { cipher: Aead::new(encryption_key), commitment })
    }
}

/// The fields of a sealed record.
struct SealedParts<'a> {
    key_id: u32,
    wrap_nonce: &'a [u8; NONCE_LEN],
    wrapped: &'a [u8; WRAPPED_LEN],
    commitment: &'a [u8; COMMITMENT_LEN],
    /// Nonce, ciphertext and tag.
    body: &'a [u8],
}

impl<'a> SealedParts<'a> {
    fn parse(sealed: &'a [u8]) -> Result<Self, OpenError> {
        Self::split(sealed).ok_or(OpenError::Damaged)
    }

    /// Takes a record apart; `None` unless it is long enough and its format and suite are known.
    fn split(sealed: &'a [u8]) -> Option<Self> {
        let rest = sealed.strip_prefix(&[FORMAT, SUITE])?;
        let (key_id, rest) = rest.split_first_chunk()?;
        let (wrap_nonce, rest) = rest.split_first_chunk()?;
        let (wrapped, rest) = rest.split_first_chunk()?;
        let (commitment, body) = rest.split_first_chunk()?;
        let key_id = u32::from_be_bytes(*key_id);
        let complete = body.len() >= NONCE_LEN + TAG_LEN;
        complete.then_some(Self { key_id, wrap_nonce, wrapped, commitment, body })
    }
}

/// The associated data of a record's two ciphertexts, which overlap.
///
/// The wrapped data key authenticates the key id and everything else; the body authenticates
/// everything but the key id, so that it outlives a rotation.
struct AssociatedData(Vec<u8>);

impl AssociatedData {
    fn new(key_id: u32, binding: &Binding<'_>) -> Self {
        let fixed_len = HEADER_LEN + 2 * size_of::<u64>() + binding.owner.len() + size_of::<u32>();
        let mut data = Vec::with_capacity(fixed_len + binding.domain.len() + binding.extra.len());
        data.extend_from_slice(&key_id.to_be_bytes());
        data.extend_from_slice(&[FORMAT, SUITE]);
        push_prefixed(&mut data, binding.domain.as_bytes());
        data.extend_from_slice(binding.owner);
        data.extend_from_slice(&binding.version.to_be_bytes());
        push_prefixed(&mut data, binding.extra);
        Self(data)
    }

    fn wrap(&self) -> &[u8] {
        &self.0
    }

    fn body(&self) -> &[u8] {
        &self.0[KEY_ID_LEN..]
    }
}
