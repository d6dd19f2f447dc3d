//! What can go wrong, in constant words: no error here has room for a value, a digest or a key.

use crate::constant_text::constant_text;

/// Why nothing could be sealed or derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// The operating system handed out no random bytes.
    NoRandomness,
    /// The input is longer than the algorithm takes: 2^36 - 32 bytes for AES-GCM.
    TooLong,
}

constant_text!(CryptoError {
    Self::NoRandomness => "the operating system handed out no random bytes",
    Self::TooLong => "the input is longer than the algorithm takes",
});

/// Why a sealed record does not open.
///
/// There is one variant on purpose: an attacker who alters records learns nothing from which check
/// failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The bytes were altered, truncated, extended or moved, or another key sealed them.
    Damaged,
}

constant_text!(OpenError {
    Self::Damaged => "the sealed record fails authentication",
});

/// Why a sealed record could not be re-wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewrapError {
    /// The record's header, wrapped data key or commitment does not verify under the old key.
    Damaged,
    /// The data key could not be sealed under the new key.
    Crypto(CryptoError),
}

constant_text!(RewrapError {
    Self::Damaged => "the sealed record fails authentication",
    Self::Crypto(_) => "the data key could not be sealed under the new wrapping key",
});

impl From<OpenError> for RewrapError {
    fn from(OpenError::Damaged: OpenError) -> Self {
        Self::Damaged
    }
}

impl From<CryptoError> for RewrapError {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

/// Why a text is not a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterKeyError {
    /// Nothing is left once surrounding whitespace is gone.
    Empty,
    /// The text has neither 64 characters (hex) nor 43 or 44 (base64 of 32 bytes).
    WrongLength,
    /// The length is right, but the text is not hex or not base64.
    BadCharacter,
}

constant_text!(MasterKeyError {
    Self::Empty => "the master key is empty",
    Self::WrongLength => "the master key is neither 64 hex digits nor base64 of 32 bytes",
    Self::BadCharacter => "the master key holds a character that is not hex or not base64",
});

/// Why a keyring entry does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// The entry's check value belongs to another master key, or its salt or check was altered.
    ///
    /// If every entry says so, the master key is wrong; if only some do, those are damaged.
    WrongMasterKey,
    /// The length, format or suite is unknown, or the entry was altered or moved.
    Damaged,
}

constant_text!(EntryError {
    Self::WrongMasterKey => "the keyring entry was sealed under another master key",
    Self::Damaged => "the keyring entry fails authentication",
});

/// A text names no purpose of a keyring entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePurposeError;

constant_text!(ParsePurposeError {
    Self => "this is not the name of a key purpose",
});
