//! Where the next bundle begins.

use base64ct::{Base64UrlUnpadded, Encoding};
use bunker_core::crypto::BundleKey;
use bunker_core::crypto::bundle_key::SIGNATURE_LEN;
use uuid::Uuid;

use crate::error::BundleError;

/// Begins each cursor's text.
const PREFIX: &str = "dbbc_";

/// Sets the signature of a cursor apart from others under the same key.
const WHAT: &str = "cursor";

const CONTENT_LEN: usize = 16 + 8 + 8 + 8;

/// Where an export has ended. Text of it goes into the bundle, and comes back as `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The bundle that ends here. The trail has an event of its export.
    pub bundle: Uuid,
    /// Its number.
    pub number: i64,
    /// Every event of the trail up to this number was visible to the export.
    pub floor: i64,
    /// When the export began, in microseconds since 1970-01-01 UTC.
    pub made_at: i64,
}

impl Cursor {
    /// The text, authenticated under the vault's key.
    #[must_use]
    pub fn encode(&self, key: &BundleKey) -> String {
        let mut bytes = self.content().to_vec();
        bytes.extend(key.sign(WHAT, &bytes));
        format!("{PREFIX}{}", Base64UrlUnpadded::encode_string(&bytes))
    }

    /// Reads a cursor of the vault that has this key.
    ///
    /// # Errors
    /// [`BundleError::BadCursor`] when it is none, or another vault's.
    pub fn decode(text: &str, key: &BundleKey) -> Result<Self, BundleError> {
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|text| Base64UrlUnpadded::decode_vec(text).ok())
            .ok_or(BundleError::BadCursor)?;
        let (content, signature) =
            bytes.split_first_chunk::<CONTENT_LEN>().ok_or(BundleError::BadCursor)?;
        if signature.len() != SIGNATURE_LEN || !key.verifies(WHAT, content, signature) {
            return Err(BundleError::BadCursor);
        }
        Self::from_content(content).ok_or(BundleError::BadCursor)
    }

    fn content(&self) -> [u8; CONTENT_LEN] {
        let mut content = [0; CONTENT_LEN];
        content[..16].copy_from_slice(self.bundle.as_bytes());
        for (place, number) in [(16, self.number), (24, self.floor), (32, self.made_at)] {
            content[place..place + 8].copy_from_slice(&number.to_be_bytes());
        }
        content
    }

    fn from_content(content: &[u8; CONTENT_LEN]) -> Option<Self> {
        let (bundle, rest) = content.split_first_chunk::<16>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (floor, rest) = rest.split_first_chunk::<8>()?;
        let (made_at, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            bundle: Uuid::from_bytes(*bundle),
            number: i64::from_be_bytes(*number),
            floor: i64::from_be_bytes(*floor),
            made_at: i64::from_be_bytes(*made_at),
        })
    }
}
