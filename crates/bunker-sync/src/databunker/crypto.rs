//! How a Databunker server encrypts, and how it finds.
//!
//! AES-256-GCM under its 24-byte key and 8 further bytes: the record's own, or the **code** for values
//! that have to be found again, which always get the same nonce. Nothing is bound to its place.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use base64ct::{Base64, Encoding};
use bunker_core::crypto::random;
use md5::Md5;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const MASTER_LEN: usize = 24;
const RECORD_LEN: usize = 8;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// The nonce of every value that has to be found again.
const FIXED_NONCE: &[u8; NONCE_LEN] = b"$DataBunker$";

/// What a record is encrypted under besides the master key. It stands beside the record, in base64.
pub type RecordKey = [u8; RECORD_LEN];

/// The key of a Databunker store.
pub struct StoreKey {
    master: Zeroizing<[u8; MASTER_LEN]>,
    /// MD5 of the master key: what hashes begin with, and where the code is from.
    salt: Zeroizing<[u8; 16]>,
}

impl StoreKey {
    /// Reads the key as the server does: 48 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut master = Zeroizing::new([0; MASTER_LEN]);
        let length = base16ct::mixed::decode(text.trim(), &mut *master).ok()?.len();
        let salt = Zeroizing::new(Md5::digest(*master).into());
        (length == MASTER_LEN).then_some(Self { master, salt })
    }

    /// Encrypts a record under a key of its own.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn seal(&self, key: &RecordKey, plain: &str) -> Result<String> {
        let mut nonce = [0; NONCE_LEN];
        random::fill(&mut nonce).map_err(|_| NO_RANDOMNESS)?;
        let mut bytes = self.encrypt(key, &nonce, plain)?;
        bytes.extend_from_slice(&nonce);
        Ok(Base64::encode_string(&bytes))
    }

    /// Opens a record, given its key as it stands beside it. `None` when it does not open, or is no text.
    pub fn open(&self, key: &str, sealed: &str) -> Option<Zeroizing<String>> {
        let mut key_bytes = RecordKey::default();
        let length = Base64::decode(key, &mut key_bytes).ok()?.len();
        let bytes = Base64::decode_vec(sealed).ok()?;
        let (ciphertext, nonce) = bytes.split_last_chunk::<NONCE_LEN>()?;
        (length == RECORD_LEN).then_some(())?;
        self.decrypt(&key_bytes, nonce, ciphertext)
    }

    /// Encrypts a value so that it can be found again.
    pub fn seal_fixed(&self, plain: &str) -> Result<String> {
        self.encrypt(&self.code(), FIXED_NONCE, plain).map(|bytes| Base64::encode_string(&bytes))
    }

    /// Opens such a value.
    pub fn open_fixed(&self, sealed: &str) -> Option<Zeroizing<String>> {
        self.decrypt(&self.code(), FIXED_NONCE, &Base64::decode_vec(sealed).ok()?)
    }

    /// By what a value is found without being stored.
    pub fn hash(&self, value: &str) -> String {
        let digest = Sha256::new().chain_update(*self.salt).chain_update(value).finalize();
        Base64::encode_string(&digest)
    }

    fn code(&self) -> RecordKey {
        let mut code = RecordKey::default();
        code.copy_from_slice(&self.salt[4..12]);
        code
    }

    fn cipher(&self, key: &RecordKey) -> Aes256Gcm {
        let mut whole = Zeroizing::new([0; MASTER_LEN + RECORD_LEN]);
        whole[..MASTER_LEN].copy_from_slice(&*self.master);
        whole[MASTER_LEN..].copy_from_slice(key);
        Aes256Gcm::new((&*whole).into())
    }

    /// Ciphertext and tag.
    fn encrypt(&self, key: &RecordKey, nonce: &[u8; NONCE_LEN], plain: &str) -> Result<Vec<u8>> {
        let mut bytes = plain.as_bytes().to_vec();
        let tag = self
            .cipher(key)
            .encrypt_inout_detached(nonce.into(), &[], InOutBuf::from(bytes.as_mut_slice()))
            .map_err(|_| Error::Refused("a record is too long to be encrypted"))?;
        bytes.extend_from_slice(&tag);
        Ok(bytes)
    }

    fn decrypt(
        &self,
        key: &RecordKey,
        nonce: &[u8; NONCE_LEN],
        sealed: &[u8],
    ) -> Option<Zeroizing<String>> {
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        let mut bytes = Zeroizing::new(ciphertext.to_vec());
        self.cipher(key)
            .decrypt_inout_detached(
                nonce.into(),
                &[],
                InOutBuf::from(bytes.as_mut_slice()),
                tag.into(),
            )
            .ok()?;
        String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).ok()
    }
}

const NO_RANDOMNESS: Error = Error::Refused("the system has no random numbers");

/// The server's mark of a version of a record: MD5 of what is stored of it.
pub fn mark(stored: &str) -> String {
    Base64::encode_string(&Md5::digest(stored))
}

/// The keys of a new store's records. They look random, and need not be remembered: that of a user is
/// asked for again with each of his belongings.
pub struct RecordKeys(Zeroizing<[u8; 32]>);

impl RecordKeys {
    /// Keys that nobody has had before.
    pub fn new() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        random::fill(&mut *seed).map_err(|_| NO_RANDOMNESS)?;
        Ok(Self(seed))
    }

    /// The key of what has this uuid. Seed and uuid have fixed lengths, so hashing them is a
    /// pseudo-random function.
    pub fn of(&self, id: &uuid::Uuid) -> RecordKey {
        let digest = Sha256::new().chain_update(*self.0).chain_update(id).finalize();
        let mut key = RecordKey::default();
        key.copy_from_slice(&digest[..RECORD_LEN]);
        key
    }
}

/// A record's key as it stands beside it.
pub fn encode_key(key: &RecordKey) -> String {
    Base64::encode_string(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "these are tests")]
mod tests {
    use super::*;

    /// Of a store that another implementation has written, see `tests/harness/databunker.py`.
    const KEY: &str = "000102030405060708090a0b0c0d0e0f1011121314151617";
    const RECORD_KEY: &str = "AQIDBAUGBwg=";

    fn key() -> StoreKey {
        StoreKey::parse(KEY).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_and_nothing_else() {
        let sealed = key().seal(&[1, 2, 3, 4, 5, 6, 7, 8], "{\"a\":\"ü\"}").unwrap();
        assert_eq!(**key().open(RECORD_KEY, &sealed).unwrap(), *"{\"a\":\"ü\"}");
        assert!(key().open("AQIDBAUGBwk=", &sealed).is_none());
        assert!(key().open("AQID", &sealed).is_none());
        assert!(key().open(RECORD_KEY, &sealed[4..]).is_none());
        assert!(key().open(RECORD_KEY, "").is_none());
        assert!(key().open(RECORD_KEY, "not base64!").is_none());
    }

    #[test]
    fn fixed_values_are_found_again() {
        assert_eq!(key().seal_fixed("a").unwrap(), key().seal_fixed("a").unwrap());
        assert_eq!(
            **key().open_fixed(&key().seal_fixed("ann@x.org").unwrap()).unwrap(),
            *"ann@x.org"
        );
        assert!(key().open_fixed("admin").is_none());
    }

    #[test]
    fn keys_are_48_hex_digits() {
        assert!(StoreKey::parse(&format!("{}\n", KEY.to_uppercase())).is_some());
        for bad in ["", "00", &KEY[2..], &format!("{KEY}00"), &KEY.replace('0', "g")] {
            assert!(StoreKey::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn agrees_with_another_implementation() {
        assert_eq!(key().hash("ann@x.org"), HASH);
        assert_eq!(key().seal_fixed("ann@x.org").unwrap(), FIXED);
        assert_eq!(**key().open(RECORD_KEY, SEALED).unwrap(), *"{\"login\":\"ann\"}");
        assert_eq!(mark(SEALED), MARK);
    }

    const HASH: &str = "gKpByLNW4vhf0xPPiEdcUTiEmHM/CE9FyclnB/zra4I=";
    const FIXED: &str = "boaaXSI3FoAA1G0Z6Y23nTVqLYV2E4QElA==";
    const SEALED: &str = "lhsHYVeaE/OVzXCi2fwLaqF9+qWlFs//7AEBRRJeDzAxMjM0NTY3ODlhYg==";
    const MARK: &str = "WM8ziw7F8oyd/ONuPLWkqw==";
}
