//! Why a bundle is refused.

use std::fmt;

/// Why a bundle or a cursor is refused. Carries nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// It is not a bundle, or a line of it was altered beyond recognition.
    Malformed,
    /// It was written by a later version.
    UnknownFormat,
    /// It ended before its last line.
    Truncated,
    /// Something comes after its last line.
    Trailing,
    /// A line was altered, removed or added: its digest or its counts differ.
    Altered,
    /// Its signature is another vault's, or nobody's.
    WrongSignature,
    /// It is of another vault.
    WrongVault,
    /// The cursor is none.
    BadCursor,
}

impl fmt::Display for BundleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "this is not a bundle, or a line of it is damaged",
            Self::UnknownFormat => "the bundle was written by a later version",
            Self::Truncated => "the bundle is incomplete",
            Self::Trailing => "something follows the end of the bundle",
            Self::Altered => "the bundle was altered: its digest does not fit",
            Self::WrongSignature => "the bundle's signature is not this vault's",
            Self::WrongVault => "the bundle is of another vault",
            Self::BadCursor => "this is not a cursor of this vault",
        })
    }
}

impl std::error::Error for BundleError {}
