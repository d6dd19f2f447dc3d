//! What a bundle says of itself first.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The first line of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format, [`crate::FORMAT`].
    pub format: u32,
    /// What names this bundle.
    pub id: Uuid,
    /// What names its vault, see `BundleKey::vault`.
    pub vault: Uuid,
    /// Rises from one export of the vault to the next, whoever asks for it.
    pub number: i64,
    /// The bundle after which this one has to be applied; without one it is whole and stands for itself.
    pub previous: Option<Uuid>,
    /// When it was made, in microseconds since 1970-01-01 UTC.
    pub made_at: i64,
    /// The region of telephone numbers without a country code (`databunker.default_region`): a look-up
    /// in the target normalises as the vault does.
    pub region: String,
    /// About how many rows will follow, for progress bars.
    pub expected_rows: u64,
}

impl Header {
    /// Whether the bundle stands for itself: it replaces all that its target holds.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.previous.is_none()
    }
}
