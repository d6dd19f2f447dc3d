//! Shared records: parts of what is kept of a user, for a partner to read, for a time.
//!
//! A share holds no value: it is read as it is at that time, and gives nothing once the user, his app
//! data or his session are gone.

mod read;
mod terms;

use bunker_core::calendar::Interval;
use pgrx::Uuid;

use super::lifetime::Life;
use super::users::Owner;
use super::{ids, lifetime, sessions};
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::identity;
use crate::keyring;
use crate::pg::scan::Snapshot;
use crate::pg::time;
use crate::storage::share as table;
use crate::storage::{app_data, lookup};

pub use read::{get, of_user};
pub use terms::Terms;

const SETTING: &str = "databunker.max_share_retention";

/// Shares what `terms` say of a user; the share's uuid. Without `ttl` it lives as long as it may.
pub fn create(
    kind: &str,
    value: &str,
    terms: impl FnOnce() -> Result<Terms>,
    ttl: Option<Interval>,
) -> Result<Uuid> {
    audit::operation("share", Some(kind), &table::TABLE, || {
        let terms = terms()?;
        lookup::lock_for_writing()?;
        let owner = Owner::hold(kind, value)?;
        require_source(&owner.token, &terms)?;
        let now = time::now();
        let expires_at = lifetime::ends_at(ttl, guc::max_share_retention()?, SETTING, now)?;
        let life = Life { id: ids::random()?, created_at: now, expires_at };
        insert(&owner, &terms, &life).map(|()| life.id)
    })
}

/// Adds a share of another system's, as part of the running operation; false if it is there already. It
/// ends no later than one that was made now.
///
/// # Errors
/// Another share has its uuid; what it shares is not there.
pub fn bring(owner: &Owner, terms: &Terms, mut life: Life) -> Result<bool> {
    if let Some(there) = table::find(&Snapshot::of_caller(), &life.id)? {
        if there.token == owner.token && Terms::open(&owner.keys, &there)? == *terms {
            return Ok(false);
        }
        return Err(Error::Exists("another share has this uuid", "Leave the share out."));
    }
    require_source(&owner.token, terms)?;
    life.expires_at = life.expires_at.min(guc::max_share_retention()?.after(time::now()));
    insert(owner, terms, &life).map(|()| true)
}

fn insert(owner: &Owner, terms: &Terms, life: &Life) -> Result<()> {
    let mut share = life.of(&owner.token);
    share.sealed = terms.seal(&owner.keys, &share)?;
    table::insert(&share)
}

/// What is to be shared has to be there, and be the user's own.
fn require_source(token: &Uuid, terms: &Terms) -> Result<()> {
    match (&terms.app, &terms.session) {
        (Some(app), _) if app_data::find(token, app)?.is_none() => Err(Error::NotThere("app data")),
        (_, Some(session))
            if sessions::find_living(&Snapshot::of_caller(), token, session)?.is_none() =>
        {
            Err(Error::NotThere("session"))
        }
        _ => Ok(()),
    }
}

/// Ends a share; false when it had ended already.
pub fn revoke(record: &Uuid) -> Result<bool> {
    audit::operation("revoke_share", None, &table::TABLE, || {
        keyring::existing()?;
        let found = table::lock(record, time::now())?;
        identity::admit_owner(found.as_ref().map(|found| &found.token))?;
        if found.is_none() {
            audit::nothing_found(None, None);
            return Ok(false);
        }
        table::delete(record)?;
        Ok(true)
    })
}
