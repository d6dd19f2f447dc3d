//! Deciding a request: by somebody else than who has filed it, or, to drop it, by him as well.

use std::rc::Rc;

use pgrx::Uuid;

use super::change::{self, Basis};
use super::party::Party;
use super::sealed::{Change, open_reason, seal_reason};
use super::{DAMAGED, State, Wish};
use crate::audit;
use crate::error::{Error, Result};
use crate::identity;
use crate::keyring::{self, Keys};
use crate::outbox::{self, Announcement};
use crate::pg::setting::MAX_FREE_TEXT;
use crate::pg::time;
use crate::service::users::Locked;
use crate::storage::lookup;
use crate::storage::record::{self, Record};
use crate::storage::request::{self as table, Row};

/// A request whose user and which itself nobody else can change until the transaction ends.
struct Taken {
    keys: Rc<Keys>,
    /// The user, if there is one and he has not been forgotten.
    living: Option<Record>,
    row: Row,
    state: State,
}

/// Does what a request asks for; false when it was decided before.
///
/// # Errors
/// There is no such request, or its user is gone; the caller has filed it himself; what it would change
/// has changed since, or the change is not possible any more.
pub fn approve(request: &Uuid, reason: Option<&str>) -> Result<bool> {
    decide("approve_request", request, reason, |taken| {
        let record = match (taken.state, taken.living) {
            (State::Approved, _) | (State::Cancelled, Some(_)) => return Ok(false),
            (State::Open | State::Cancelled, None) => return Err(Error::NoSuchUser),
            (State::Open, Some(record)) => record,
        };
        if Party::requester(&taken.row).may_be(&Party::current()) {
            return Err(Error::Refused(
                "who has filed a request cannot approve it",
                "Let somebody else decide, with a database role or an access token of his own.",
            ));
        }
        let Change { patch, original } = Change::open(&taken.keys, &taken.row)?;
        let wish = Wish::of(&taken.row, patch)?;
        let filed = Basis { version: taken.row.seen, original };
        close(&taken.keys, taken.row, State::Approved, reason)?;
        change::fulfil(Locked { record, keys: taken.keys }, &wish, &filed)?;
        Ok(true)
    })
}

/// Closes a request without doing anything; false when it was decided before.
///
/// # Errors
/// There is no such request, or the caller is a user and it is not his.
pub fn cancel(request: &Uuid, reason: Option<&str>) -> Result<bool> {
    decide("cancel_request", request, reason, |taken| {
        if taken.state != State::Open {
            return Ok(false);
        }
        close(&taken.keys, taken.row, State::Cancelled, reason)?;
        Ok(true)
    })
}

fn decide(
    action: &'static str,
    request: &Uuid,
    reason: Option<&str>,
    work: impl FnOnce(Taken) -> Result<bool>,
) -> Result<bool> {
    audit::operation(action, None, &table::TABLE, || {
        check_reason(reason)?;
        let row = table::find(request)?;
        identity::admit_owner(row.as_ref().map(|row| &row.token))?;
        let Row { token: owner, action: asked, .. } = row.ok_or(Error::NotThere("request"))?;
        let done = take(request, &owner).and_then(work).map_err(|error| error.of_user(owner))?;
        if !done {
            audit::note(Some(&owner), Some(&asked), "it was decided before");
        }
        Ok(done)
    })
}

/// Locks the user, and after him his request.
fn take(request: &Uuid, owner: &Uuid) -> Result<Taken> {
    let keys = keyring::existing()?.ok_or(DAMAGED)?;
    lookup::lock_for_writing()?;
    let living = record::lock(owner)?.filter(|record| !record.forgotten);
    let row = table::lock(request)?.filter(|row| row.token == *owner).ok_or(DAMAGED)?;
    open_reason(&keys, &row)?;
    let state = State::of(&row)?;
    Ok(Taken { keys, living, row, state })
}

/// Notes how a request was decided, and by whom.
pub(super) fn close(keys: &Keys, mut row: Row, state: State, reason: Option<&str>) -> Result<()> {
    let party = Party::current();
    state.name().clone_into(&mut row.status);
    row.updated_at = time::now();
    row.decided_by = Some(party.role);
    row.decided_as = party.acting_as;
    seal_reason(keys, &mut row, reason)?;
    table::decide(&row)?;
    outbox::announce(Announcement::RequestDecided, &row.token)
}

/// Bounds a reason.
pub(super) fn check_reason(reason: Option<&str>) -> Result<()> {
    if reason.is_some_and(|reason| reason.len() > MAX_FREE_TEXT) {
        return Err(Error::BadArgument("the reason is too long", "Use at most 1,000 bytes."));
    }
    Ok(())
}
