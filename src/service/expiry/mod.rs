//! Expiry of users: at a set time a user is forgotten, unless he, or the privacy officer, decides
//! otherwise before.

mod due;

use bunker_core::calendar::Interval;
use pgrx::Uuid;
use serde_json::json;

use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring::{self, Keys};
use crate::outbox::{self, Announcement};
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::pg::time;
use crate::service::users::{Owner, UserRef, bury};
use crate::service::{ids, lifetime};
use crate::storage::expiration::{self as table, Status};
use crate::storage::lookup;
use crate::storage::record::{self, Record};

pub use due::{announce_near, expire};

/// Sets the time at which a user is forgotten, in the place of an earlier one: `after` from now, at
/// most `databunker.max_user_retention`. The token by which he decides about it.
pub fn start(kind: &str, value: &str, after: Option<Interval>) -> Result<Uuid> {
    audit::operation("start_expiration", Some(kind), &table::TABLE, || {
        let now = time::now();
        let bound = guc::max_user_retention()?;
        let end = lifetime::ends_at(after, bound, "databunker.max_user_retention", now)?;
        let user = Owner::hold(kind, value)?;
        // Whoever knows it may decide about the user's data.
        let expiration = ids::random()?;
        table::start(&user.token, &expiration, now, end)?;
        Ok(expiration)
    })
}

/// `{"status","expires_at","expiration"}`; `None` for nobody. The token is told only while it is good
/// for something.
pub fn describe(kind: &str, value: &str) -> Result<Option<Jsonb>> {
    audit::read("expiration", Some(kind), |access| {
        let snapshot = Snapshot::of_caller();
        let Some(target) = UserRef::resolve(&snapshot, kind, value)?.target else {
            return Ok(None);
        };
        let found = match table::find(&target.token)? {
            Some(found) => {
                let waits = found.is_waiting();
                let is_set = waits || found.status == "expired";
                let token = found.expiration.to_string();
                Some(json!({
                    "status": found.status,
                    "expires_at": is_set.then(|| time::to_json(found.expires_at)),
                    "expiration": waits.then_some(token),
                }))
            }
            None => record::exists(&snapshot, &target.token)?
                .then(|| json!({ "status": "none", "expires_at": null, "expiration": null })),
        };
        Ok(access.outcome(&target.token, found.map(|found| Jsonb::from(found.to_string()))))
    })
}

/// Takes a user's expiration back. False when none was waiting.
pub fn cancel(kind: &str, value: &str) -> Result<bool> {
    audit::operation("cancel_expiration", Some(kind), &table::TABLE, || {
        let user = Owner::hold(kind, value)?;
        let cancelled = table::decide_of_user(&user.token, Status::Cancelled, time::now())?;
        if !cancelled {
            audit::report("cancel_expiration", &user.token)?;
        }
        Ok(cancelled)
    })
}

/// The user wants to stay, also if his time has come and maintenance has not yet. True, always.
///
/// # Errors
/// The expiration does not wait, or there is none.
pub fn retain(expiration: &Uuid) -> Result<bool> {
    audit::operation("retain_user", None, &table::TABLE, || {
        let retained = table::decide(expiration, Status::Retain, time::now())?;
        if retained { Ok(true) } else { Err(Error::NotThere("expiration")) }
    })
}

/// The user wants to go, before his time has come: he is forgotten now. True, always.
///
/// # Errors
/// The expiration does not wait, or there is none.
pub fn delete(expiration: &Uuid) -> Result<bool> {
    audit::operation("delete_expired", None, &record::TABLE, || {
        lookup::lock_for_writing()?;
        let token = table::waiting_user(expiration)?.ok_or(Error::NotThere("expiration"))?;
        let user = record::lock(&token)?.ok_or(Error::NotThere("expiration"))?;
        // Once more, now that nobody else can forget him: somebody may have decided meanwhile.
        if user.forgotten || !table::decide(expiration, Status::Expired, time::now())? {
            return Err(Error::NotThere("expiration"));
        }
        let keys = keyring::existing()?.ok_or(Error::NoSuchUser)?;
        forget(&keys, &user)?;
        Ok(true)
    })
}

/// A user is being forgotten: what was set about his expiry goes, unless that is why.
pub fn forgotten(token: &Uuid) -> Result<()> {
    table::remove_unexpired(token)
}

/// Forgets a user whose expiration has been marked as expired.
fn forget(keys: &Keys, user: &Record) -> Result<()> {
    bury(keys, user).map_err(|error| error.of_user(user.token))?;
    outbox::announce(Announcement::ExpiryDone, &user.token)
}
