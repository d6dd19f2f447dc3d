//! What a bundle says of itself last, signed.

use std::collections::BTreeMap;

use base16ct::lower;
use bunker_core::crypto::BundleKey;
use bunker_core::crypto::bundle_key::SIGNATURE_LEN;
use serde::{Deserialize, Serialize};

use crate::error::BundleError;
use crate::header::Header;

/// What is signed of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The first line again, so that the summary stands for itself.
    pub bundle: Header,
    /// How many rows came of each table that had any.
    pub rows: BTreeMap<String, u64>,
    /// How many users are replaced by what came.
    pub users: u64,
    /// SHA-256 over all lines before this one, each with its line feed; in hex.
    pub digest: String,
    /// Where the next bundle begins: the argument `since` of the next export.
    pub cursor: String,
}

impl Summary {
    /// The number of all rows.
    #[must_use]
    pub fn total_rows(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// A summary as it stands in a bundle, with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub summary: Summary,
    /// The same, to the byte: this is what is signed.
    pub text: String,
    /// HMAC-SHA-256 over the text, under the vault's bundle key.
    pub signature: [u8; SIGNATURE_LEN],
}

/// Sets the signature of a summary apart from others under the same key.
const WHAT: &str = "summary";

impl Signed {
    /// Signs a summary.
    ///
    /// # Errors
    /// [`BundleError::Malformed`] when it cannot be written as JSON.
    pub fn sign(summary: Summary, key: &BundleKey) -> Result<Self, BundleError> {
        let text = serde_json::to_string(&summary).map_err(|_| BundleError::Malformed)?;
        let signature = key.sign(WHAT, text.as_bytes());
        Ok(Self { summary, text, signature })
    }

    /// Takes a summary and its signature, in hex, from where they were kept. Nothing is verified yet.
    ///
    /// # Errors
    /// [`BundleError::Malformed`] when they are not what they should be.
    pub fn parse(text: &str, signature: &str) -> Result<Self, BundleError> {
        let summary = serde_json::from_str(text).map_err(|_| BundleError::Malformed)?;
        let mut bytes = [0; SIGNATURE_LEN];
        let length =
            lower::decode(signature, &mut bytes).map_err(|_| BundleError::Malformed)?.len();
        if length != SIGNATURE_LEN {
            return Err(BundleError::Malformed);
        }
        Ok(Self { summary, text: text.to_owned(), signature: bytes })
    }

    /// The signature in hex.
    #[must_use]
    pub fn signature_hex(&self) -> String {
        lower::encode_string(&self.signature)
    }

    /// Checks that this vault has made the bundle.
    ///
    /// # Errors
    /// [`BundleError::WrongVault`], [`BundleError::WrongSignature`].
    pub fn verify(&self, key: &BundleKey) -> Result<(), BundleError> {
        if *self.summary.bundle.vault.as_bytes() != key.vault() {
            return Err(BundleError::WrongVault);
        }
        if !key.verifies(WHAT, self.text.as_bytes(), &self.signature) {
            return Err(BundleError::WrongSignature);
        }
        Ok(())
    }
}
