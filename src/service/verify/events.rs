//! Events that no seal covers: those of the last moments, or somebody's own.

use bunker_core::trail::same;

use super::Finding;
use super::seals::Walk;
use crate::error::Result;
use crate::keyring::Keys;
use crate::storage::audit;

/// What was found among the events without a seal.
pub struct Unsealed {
    /// How many are authentic: their seal is on its way.
    pub waiting: i64,
    /// The first one that is not.
    pub finding: Option<Finding>,
}

impl Unsealed {
    /// Looks through the whole trail, if it has more events than the seals.
    pub fn find(keys: &Keys, walk: &Walk<'_>) -> Result<Self> {
        let mut unsealed = Self { waiting: 0, finding: None };
        if audit::count()? == walk.events {
            return Ok(unsealed);
        }
        for event in audit::since(i64::MIN) {
            let event = event?;
            if walk.sealed.contains(event.id.cast_unsigned()) {
                continue;
            }
            let mac = keys.trail().event_mac(&event.fields());
            let authentic = event.mac.is_some_and(|stored| same(&stored, &mac));
            if authentic && event.id > walk.floor {
                unsealed.waiting += 1;
            } else if unsealed.finding.is_none() {
                let why = if authentic { "came late" } else { "is no event of the vault's" };
                let what = format!("event {} {why}", event.id);
                unsealed.finding = Some(Finding { event: Some(event.id), what });
            }
        }
        Ok(unsealed)
    }
}
