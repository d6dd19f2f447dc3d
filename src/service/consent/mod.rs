//! Consent and lawful processing: legal bases, what users agree to, and the activities that rest on
//! them.

pub mod activities;
mod agreement;
pub mod agreements;
pub mod bases;
mod evidence;
mod party;
mod shape;
mod terms;

pub use agreement::Status;
pub use evidence::Evidence;
pub use party::{announce_gained, erase, release, release_but};

use bunker_core::names;

use crate::error::{Error, Result};

/// Checks the name of a legal basis.
fn check_brief(brief: &str) -> Result<()> {
    if names::is_brief(brief) {
        return Ok(());
    }
    Err(Error::BadArgument("the brief of a legal basis is not usable", NAME_HINT))
}

/// Checks the name of a processing activity.
fn check_activity(activity: &str) -> Result<()> {
    if names::is_brief(activity) {
        return Ok(());
    }
    Err(Error::BadArgument("the name of an activity is not usable", NAME_HINT))
}

const NAME_HINT: &str = "Use 2 to 64 lower-case letters, digits and hyphens, a letter first.";

/// What an event says of a call that found everything as it should be.
const NOTHING_CHANGED: &str = "nothing changed";
