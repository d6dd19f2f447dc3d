//! The master key, and the keyring entries that it alone opens.
//!
//! The master key never touches a record: it wraps a handful of random keys, so replacing it
//! rewrites a handful of rows. The format is in `docs/FORMAT.md`, "Keyring entry".

use std::str::FromStr;

use base64ct::{Base64, Base64Unpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::aead::Aead;
use super::associated::push_prefixed;
use super::kdf::Prk;
use super::random::RandomPool;
use super::{
    CryptoError, EntryError, FORMAT, MasterKeyError, NONCE_LEN, ParsePurposeError, SUITE, TAG_LEN,
};
use crate::secret::{KEY_LEN, SecretKey};

/// Length of a sealed keyring entry, in bytes.
pub const ENTRY_LEN: usize = HEADER_LEN + NONCE_LEN + KEY_LEN + TAG_LEN;

/// Length of the salt that sets the wrapping keys of two entries apart.
const SALT_LEN: usize = 16;

/// Length of the value that tells a wrong master key from a damaged entry.
const CHECK_LEN: usize = 16;

/// Format byte, suite byte, salt, check value.
const HEADER_LEN: usize = 2 + SALT_LEN + CHECK_LEN;

/// Random bytes that sealing an entry draws.
const ENTRY_RANDOM_LEN: usize = SALT_LEN + NONCE_LEN;

const CHECK_INFO: &[u8] = b"databunker/v1/master-check";
const WRAP_INFO: &[u8] = b"databunker/v1/keyring-wrap";

/// What a keyring key is for. No key serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Wraps the data keys of records.
    Data,
    /// Keys the blind index.
    Index,
    /// Seals the audit trail.
    Audit,
    /// Keys the hashes of access tokens.
    AccessToken,
    /// Signs export bundles.
    Bundle,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Self; 5] =
        [Self::Data, Self::Index, Self::Audit, Self::AccessToken, Self::Bundle];

    /// The name that stands in the keyring table and in the associated data.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
            Self::Audit => "audit",
            Self::AccessToken => "access_token",
            Self::Bundle => "bundle",
        }
    }
}

impl FromStr for Purpose {
    type Err = ParsePurposeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name).ok_or(ParsePurposeError)
    }
}

/// Names a keyring entry. All of it is authenticated: an entry opens in its own row only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The key id that sealed records carry.
    pub id: u32,
    /// What the key is for.
    pub purpose: Purpose,
    /// Counts the keys of one purpose, upwards as they are rotated.
    pub version: u32,
}

/// The key that opens the keyring.
///
/// It prints nothing and is wiped when it is dropped.
pub struct MasterKey {
    key: SecretKey,
}

impl MasterKey {
    /// Reads a master key: 64 hex digits of either case, or base64 (RFC 4648 section 4) of 32
    /// bytes, padded or not, between any ASCII whitespace.
    ///
    /// Decoding branches on no character of the key.
    ///
    /// # Errors
    ///
    /// [`MasterKeyError`], which says what is wrong and never where or with which character.
    pub fn parse(text: &[u8]) -> Result<Self, MasterKeyError> {
        let text = text.trim_ascii();
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        let decoded = match text.len() {
            0 => return Err(MasterKeyError::Empty),
            64 => base16ct::mixed::decode(text, &mut *bytes).ok(),
            44 => Base64::decode(text, &mut *bytes).ok(),
            43 => Base64Unpadded::decode(text, &mut *bytes).ok(),
            _ => return Err(MasterKeyError::WrongLength),
        };
        match decoded.map(<[u8]>::len) {
            Some(KEY_LEN) => Ok(Self { key: SecretKey::copied_from(&bytes) }),
            Some(_) => Err(MasterKeyError::WrongLength),
            None => Err(MasterKeyError::BadCharacter),
        }
    }

    /// Makes a new master key of 32 random bytes, written as 64 lower-case hex digits.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NoRandomness`] when the operating system hands out no random bytes.
    pub fn generate_hex() -> Result<Zeroizing<String>, CryptoError> {
        let key = SecretKey::random()?;
        Ok(Zeroizing::new(base16ct::lower::encode_string(key.expose())))
    }

    /// Seals a key of the keyring, under a wrapping key that a fresh salt makes its own.
    ///
    /// # Errors
    ///
    /// [`CryptoError::NoRandomness`] when the operating system hands out no random bytes.
    pub fn seal_entry(&self, id: &EntryId, key: &SecretKey) -> Result<Vec<u8>, CryptoError> {
        self.seal_entry_with(id, key, &mut RandomPool::with_capacity(ENTRY_RANDOM_LEN))
    }

    /// [`Self::seal_entry`] with its random bytes passed in.
    pub(super) fn seal_entry_with(
        &self,
        id: &EntryId,
        key: &SecretKey,
        pool: &mut RandomPool,
    ) -> Result<Vec<u8>, CryptoError> {
        let salt = pool.array::<SALT_LEN>()?;
        let nonce = pool.array::<NONCE_LEN>()?;
        let keys = EntryKeys::derive(&self.key, &salt)?;

        let mut entry = Vec::with_capacity(ENTRY_LEN);
        entry.extend_from_slice(&[FORMAT, SUITE]);
        entry.extend_from_slice(&salt);
        entry.extend_from_slice(&keys.check);
        let associated_data = entry_associated_data(&entry, id);
        entry.extend_from_slice(&nonce);
        keys.cipher.seal_into(&nonce, &associated_data, key.expose(), &mut entry)?;
        Ok(entry)
    }

    /// Opens a key of the keyring.
    ///
    /// # Errors
    ///
    /// [`EntryError::WrongMasterKey`] when the check value is not this master key's (compared in
    /// constant time), [`EntryError::Damaged`] when anything else does not verify.
    pub fn open_entry(&self, id: &EntryId, entry: &[u8]) -> Result<SecretKey, EntryError> {
        let parts = EntryParts::parse(entry).ok_or(EntryError::Damaged)?;
        let keys = EntryKeys::derive(&self.key, parts.salt).map_err(|_| EntryError::Damaged)?;
        if !bool::from(keys.check.ct_eq(parts.check)) {
            return Err(EntryError::WrongMasterKey);
        }
        let associated_data = entry_associated_data(parts.header, id);
        let mut key = Zeroizing::new([0; KEY_LEN]);
        keys.cipher
            .open_into(parts.nonce, &associated_data, parts.wrapped, &mut *key)
            .map_err(|_| EntryError::Damaged)?;
        Ok(SecretKey::copied_from(&key))
    }
}

/// What the master key and an entry's salt give.
struct EntryKeys {
    cipher: Aead,
    check: [u8; CHECK_LEN],
}

impl EntryKeys {
    fn derive(master: &SecretKey, salt: &[u8; SALT_LEN]) -> Result<Self, CryptoError> {
        let prk = Prk::extract(salt, master.expose());
        let mut check = [0; CHECK_LEN];
        prk.expand(&[CHECK_INFO], &mut check)?;
        let mut wrapping_key = Zeroizing::new([0; KEY_LEN]);
        prk.expand(&[WRAP_INFO], &mut *wrapping_key)?;
        Ok(Self { cipher: Aead::new(&wrapping_key), check })
    }
}

/// The fields of a stored entry.
struct EntryParts<'a> {
    header: &'a [u8],
    salt: &'a [u8; SALT_LEN],
    check: &'a [u8; CHECK_LEN],
    nonce: &'a [u8; NONCE_LEN],
    wrapped: &'a [u8; KEY_LEN + TAG_LEN],
}

impl<'a> EntryParts<'a> {
    /// Takes an entry apart; `None` unless its length, format and suite are the known ones.
    fn parse(entry: &'a [u8]) -> Option<Self> {
        let header = entry.get(..HEADER_LEN)?;
        let rest = entry.strip_prefix(&[FORMAT, SUITE])?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (check, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let wrapped = rest.try_into().ok()?;
        Some(Self { header, salt, check, nonce, wrapped })
    }
}

/// The header before the nonce, then the purpose (length-prefixed), the id and the version.
fn entry_associated_data(header: &[u8], id: &EntryId) -> Vec<u8> {
    let mut data = header.to_vec();
    push_prefixed(&mut data, id.purpose.as_str().as_bytes());
    data.extend_from_slice(&id.id.to_be_bytes());
    data.extend_from_slice(&id.version.to_be_bytes());
    data
}
