//! Sessions: what an application knows of a user for a short while.

use bunker_core::calendar::Interval;
use bunker_core::place;
use pgrx::Uuid;
use zeroize::Zeroizing;

use super::lifetime::Life;
use super::sealed::{Field, in_mortal};
use super::users::{MAX_BULK_BYTES, Owner, check_page, find_owner};
use super::{documents, guard, ids, lifetime};
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::identity;
use crate::keyring::{self, Keys};
use crate::pg::document::Document;
use crate::pg::jsonb::Jsonb;
use crate::pg::rows;
use crate::pg::scan::Snapshot;
use crate::pg::{session as backend, time};
use crate::storage::mortal::Mortal;
use crate::storage::session as table;
use crate::storage::{lookup, record};

/// A session's data.
const DATA: Field = Field::new(place::SESSION);
const SETTING: &str = "databunker.max_session_retention";

/// Opens a session of a user; its uuid. Without `ttl` it lives as long as it may.
pub fn create(kind: &str, value: &str, data: &Jsonb, ttl: Option<Interval>) -> Result<Uuid> {
    audit::operation("create_session", Some(kind), &table::TABLE, || {
        documents::check(data)?;
        lookup::lock_for_writing()?;
        let owner = Owner::hold(kind, value)?;
        let now = time::now();
        let expires_at = lifetime::ends_at(ttl, guc::max_session_retention()?, SETTING, now)?;
        let life = Life { id: ids::random()?, created_at: now, expires_at };
        insert(&owner, data, &life).map(|()| life.id)
    })
}

/// Adds a session of another system's, as part of the running operation; false if it is there already.
/// It ends no later than one that was opened now.
///
/// # Errors
/// Another session has its uuid; as [`documents::check`].
pub fn bring(owner: &Owner, data: &Jsonb, mut life: Life) -> Result<bool> {
    documents::check(data)?;
    if let Some(there) = table::find(&Snapshot::of_caller(), &life.id)? {
        if there.token == owner.token && documents::same(&open(&owner.keys, &there)?, data)? {
            return Ok(false);
        }
        return Err(Error::Exists("another session has this uuid", "Leave the session out."));
    }
    life.expires_at = life.expires_at.min(guc::max_session_retention()?.after(time::now()));
    insert(owner, data, &life).map(|()| true)
}

fn insert(owner: &Owner, data: &Jsonb, life: &Life) -> Result<()> {
    let mut session = life.of(&owner.token);
    session.sealed = in_mortal(&session, |place| DATA.seal_one(&owner.keys, place, data.as_str()))?;
    table::insert(&session)
}

/// The data of a session that lives.
pub fn get(session: &Uuid) -> Result<Option<Document>> {
    audit::read("get_session", None, |access| {
        let keys = keyring::existing()?;
        let snapshot = Snapshot::of_caller();
        let session = table::find(&snapshot, session)?;
        identity::admit_owner(session.as_ref().map(|session| &session.token))?;
        let (Some(session), Some(keys)) = (session, keys) else {
            return Ok(None);
        };
        let found = if session.lives(time::now()) && record::exists(&snapshot, &session.token)? {
            guard::admit(1)?;
            Some(Document::profile(&open(&keys, &session)?))
        } else {
            None
        };
        Ok(access.outcome(&session.token, found))
    })
}

/// The sessions of a user that live, a page at a time; none when there is no such user.
pub fn list(
    kind: &str,
    value: &str,
    after: Option<&Uuid>,
    max_rows: i32,
) -> Result<Vec<rows::Session>> {
    let sessions = audit::read("list_sessions", Some(kind), |access| {
        let max_rows = check_page(max_rows)?;
        let snapshot = Snapshot::of_caller();
        let Some((token, keys)) = find_owner(&snapshot, kind, value)? else {
            return Ok(None);
        };
        let page = open_page(&keys, &token, after, max_rows)?;
        guard::admit(page.len() as u64)?;
        Ok(access.outcome(&token, Some(page)))
    })?;
    Ok(sessions.unwrap_or_default())
}

/// Sealed sessions that are in memory together: each may be as big as a profile.
const FETCHED: i32 = 32;

fn open_page(
    keys: &Keys,
    token: &Uuid,
    after: Option<&Uuid>,
    max_rows: i32,
) -> Result<Vec<rows::Session>> {
    let now = time::now();
    let mut page: Vec<rows::Session> = Vec::new();
    let (mut after, mut left, mut bytes) = (after.copied(), max_rows, 0);
    while left > 0 {
        let fetched = table::page(token, now, after.as_ref(), left.min(FETCHED))?;
        let Some(last) = fetched.last() else {
            break;
        };
        after = Some(last.id);
        left -= FETCHED;
        for session in fetched {
            backend::check_for_interrupts();
            guard::foresee(page.len() as u64 + 1)?;
            let data = Document::profile(&open(keys, &session)?);
            bytes += data.size();
            if bytes > MAX_BULK_BYTES {
                return Err(Error::TooMany("At most 256 MB of sessions in one call."));
            }
            page.push((session.id, session.created_at, session.expires_at, data));
        }
    }
    Ok(page)
}

/// Ends a session; false when it had ended already.
pub fn delete(session: &Uuid) -> Result<bool> {
    audit::operation("delete_session", None, &table::TABLE, || {
        keyring::existing()?;
        let found = table::lock(session, time::now())?;
        identity::admit_owner(found.as_ref().map(|found| &found.token))?;
        if found.is_none() {
            audit::nothing_found(None, None);
            return Ok(false);
        }
        table::delete(session)?;
        Ok(true)
    })
}

/// The data of a session, opened, if it is `token`'s and lives. For use cases that read it on their
/// own account, with an event and the bulk guard of their own.
pub fn current(
    snapshot: &Snapshot,
    keys: &Keys,
    token: &Uuid,
    session: &Uuid,
) -> Result<Option<Zeroizing<String>>> {
    match find_living(snapshot, token, session)? {
        Some(session) => open(keys, &session).map(Some),
        None => Ok(None),
    }
}

/// The session of that uuid, if it is `token`'s and lives.
pub fn find_living(snapshot: &Snapshot, token: &Uuid, session: &Uuid) -> Result<Option<Mortal>> {
    let found = table::find(snapshot, session)?;
    Ok(found.filter(|found| found.token == *token && found.lives(time::now())))
}

/// Opens a session's data.
pub fn open(keys: &Keys, session: &Mortal) -> Result<Zeroizing<String>> {
    in_mortal(session, |place| DATA.open(keys, place, &session.sealed))
        .map_err(|error| error.of_user(session.token))
}
