//! The vault's cryptography: AES-256-GCM (NIST SP 800-38D), HMAC-SHA-256 (RFC 2104) and
//! HKDF-SHA-256 (RFC 5869), and the byte formats made of them.
//!
//! | module | what it makes |
//! |---|---|
//! | [`random`] | random bytes, from the operating system only |
//! | [`master`] | the master key, and the keyring entries it opens |
//! | [`envelope`] | sealed records: a wrapped data key, a key commitment, a ciphertext |
//! | [`blind_index`] | lookup digests |
//! | [`bundle_key`] | signatures of bundles |
//! | [`token_key`] | MACs of access tokens and login codes |
//!
//! Keys and expanded keys are wiped when they are dropped. What is not: the copies that the HMAC crate
//! makes on the stack while it pads a key or expands HKDF output, and registers.
//!
//! Every byte of every format is written down in `docs/FORMAT.md`, with vectors the tests read.

mod aead;
pub(crate) mod associated;
pub mod blind_index;
pub mod bundle_key;
pub mod envelope;
mod error;
mod kdf;
pub(crate) mod mac;
pub mod master;
pub mod random;
#[cfg(test)]
pub(crate) mod tests;
pub mod token_key;

pub use blind_index::IndexKey;
pub use bundle_key::BundleKey;
pub use envelope::{Binding, WrappingKey};
pub use error::{
    CryptoError, EntryError, MasterKeyError, OpenError, ParsePurposeError, RewrapError,
};
pub use master::{EntryId, MasterKey, Purpose};
pub use random::RandomPool;
pub use token_key::TokenKey;

/// The first byte of every stored format, and the only one this version reads and writes.
pub(crate) const FORMAT: u8 = 1;

/// The suite byte of AES-256-GCM with HKDF-SHA-256, the only suite so far.
pub(crate) const SUITE: u8 = 1;

/// Length of an AES-GCM nonce, in bytes (NIST SP 800-38D section 8.2.2: 96 random bits).
pub(crate) const NONCE_LEN: usize = 12;

/// Length of an AES-GCM tag, in bytes.
pub(crate) const TAG_LEN: usize = 16;
