//! What is held of a user besides his profile.

use pgrx::Uuid;

use crate::error::{Error, Result};
use crate::pg::scan;
use crate::service::{consent, expiry, requests};
use crate::storage::{access_token, app_data, app_data_version, login_code, session, share};

/// Removes all of it, with its keys. The user is locked: nothing can be added meanwhile. `digests` are
/// those of his record, which may be damaged.
///
/// # Errors
/// The transaction sees the past, in which not all of it was there.
pub fn erase(token: &Uuid, digests: &[u8]) -> Result<()> {
    consent::erase(token, digests)?;
    // A code before the access tokens: a login that is under way turns the one into the other.
    login_code::delete_of(token)?;
    access_token::delete_of(token)?;
    app_data::delete_of(token)?;
    app_data_version::delete_of(token)?;
    session::delete_of(token)?;
    share::delete_of(token)?;
    expiry::forgotten(token)?;
    requests::erase(token)?;
    nothing_is_left(token)
}

/// What was added after the transaction's snapshot, before the user was locked, no row lock gives away.
fn nothing_is_left(token: &Uuid) -> Result<()> {
    let left = scan::overlooks(|now| {
        Ok(app_data::any_of(now, token)?
            || session::any_of(now, token)?
            || share::any_of(now, token)?)
    })?;
    if left { Err(Error::Outdated("the user was given something meanwhile")) } else { Ok(()) }
}
