//! Finding users. These are the hot paths.

use std::rc::Rc;

use pgrx::Uuid;
use zeroize::Zeroizing;

use super::{MAX_PAGE, UserRef, open_profile};
use crate::audit;
use crate::error::{Error, Result};
use crate::guc::MAX_BULK;
use crate::identity;
use crate::keyring::{self, Keys};
use crate::pg::document::Document;
use crate::pg::scan::Snapshot;
use crate::pg::{session, time};
use crate::service::{digests, guard};
use crate::storage::lookup::{self, Entry, Target};
use crate::storage::record::{self, Summary, View};

/// The most that one call may return, in bytes: all of it is in memory at once, three times over.
pub const MAX_BULK_BYTES: usize = 256 << 20;

/// The user as `{"token","profile","version","created_at","updated_at"}`.
pub fn lookup(kind: &str, value: &str) -> Result<Option<Document>> {
    audit::read("lookup", Some(kind), |access| {
        let snapshot = Snapshot::of_caller();
        let user = UserRef::resolve(&snapshot, kind, value)?;
        let (Some(Target { token, place }), Some(keys)) = (user.target, user.keys) else {
            return Ok(None);
        };
        let found = record::view(&snapshot, &token, place, |view| {
            guard::admit(1)?;
            let profile = open_view(&snapshot, &keys, &token, user.entry.as_ref(), &view)?;
            Ok(describe(&token, &view, &profile))
        });
        match (found.map_err(|error| error.of_user(token))?, user.entry) {
            // The index has an entry, but there is no such user: only tampering leads there.
            (None, Some(_)) => Err(Error::Damaged("a lookup entry")),
            (found, _) => Ok(access.outcome(&token, found)),
        }
    })
}

/// The profile alone.
pub fn get(token: &Uuid) -> Result<Option<Document>> {
    audit::read("get_user", None, |access| {
        let found = match keyring::existing()? {
            Some(keys) => get_with(&Snapshot::of_caller(), &keys, token, || guard::admit(1))?,
            None => None,
        };
        Ok(access.outcome(token, found))
    })
}

/// Several profiles; tokens that are no users give no row.
pub fn get_many(tokens: &[Uuid]) -> Result<Vec<(Uuid, Document)>> {
    if tokens.len() > MAX_BULK {
        return Err(Error::TooMany("At most 100,000 tokens in one call."));
    }
    if tokens.is_empty() {
        return audit::admit("get_users").map(|()| Vec::new());
    }
    audit::read("get_users", None, |access| {
        let keys = keyring::existing()?;
        let snapshot = Snapshot::of_caller();
        let mut found = Vec::new();
        let mut bytes = 0;
        for token in tokens {
            session::check_for_interrupts();
            let admit = || guard::foresee(found.len() as u64 + 1);
            let profile = match &keys {
                Some(keys) => get_with(&snapshot, keys, token, admit)?,
                None => None,
            };
            let Some(profile) = access.outcome(token, profile) else {
                continue;
            };
            bytes += profile.size();
            if bytes > MAX_BULK_BYTES {
                return Err(Error::TooMany("At most 256 MB of profiles in one call."));
            }
            found.push((*token, profile));
        }
        guard::admit(found.len() as u64)?;
        Ok(found)
    })
}

/// The profile of a user, if there is one and `admit` agrees.
fn get_with(
    snapshot: &Snapshot,
    keys: &Keys,
    token: &Uuid,
    admit: impl Fn() -> Result<()>,
) -> Result<Option<Document>> {
    identity::admit_owner(Some(token))?;
    record::view(snapshot, token, None, |view| {
        admit()?;
        open_view(snapshot, keys, token, None, &view).map(|profile| Document::profile(&profile))
    })
    .map_err(|error| error.of_user(*token))
}

/// The token; nothing is decrypted.
pub fn find_token(kind: &str, value: &str) -> Result<Option<Uuid>> {
    audit::read("find_token", Some(kind), |access| {
        let snapshot = Snapshot::of_caller();
        let user = UserRef::resolve(&snapshot, kind, value)?;
        let Some(Target { token, .. }) = user.target else {
            return Ok(None);
        };
        // Forgetting a user takes his entries along: one that is there leads to somebody.
        let living = user.entry.is_some() || record::exists(&snapshot, &token)?;
        Ok(access.outcome(&token, living.then_some(token)))
    })
}

/// Tokens and versions of living users, a page at a time.
pub fn list(after: Option<&Uuid>, max_rows: i32) -> Result<Vec<Summary>> {
    audit::read("list_users", None, |access| {
        let users = record::summaries(after, check_page(max_rows)?)?;
        guard::admit(users.len() as u64)?;
        access.told(format!("{} users", users.len()));
        Ok(users)
    })
}

/// The user whom `(kind, value)` names, if he lives: for a read of what belongs to him.
pub fn find_owner(
    snapshot: &Snapshot,
    kind: &str,
    value: &str,
) -> Result<Option<(Uuid, Rc<Keys>)>> {
    let user = UserRef::resolve(snapshot, kind, value)?;
    let lives = confirm(snapshot, &user)?;
    Ok(user.target.zip(user.keys).filter(|_| lives).map(|(target, keys)| (target.token, keys)))
}

/// Whether a user who was found lives. What belongs to him knows his token only: that the blind index
/// has led to the right user, his own record has to say.
pub(super) fn confirm(snapshot: &Snapshot, user: &UserRef) -> Result<bool> {
    let (Some(Target { token, place }), Some(keys)) = (user.target, &user.keys) else {
        return Ok(false);
    };
    let Some(entry) = &user.entry else {
        return record::exists(snapshot, &token);
    };
    let confirmed = record::view(snapshot, &token, place, |view| {
        open_view(snapshot, keys, &token, Some(entry), &view).map(drop)
    });
    match confirmed.map_err(|error| error.of_user(token))? {
        Some(()) => Ok(true),
        None => Err(Error::Damaged("a lookup entry")),
    }
}

/// The profile of a user, opened, if he lives. For use cases that read it on their own account, with
/// an event and the bulk guard of their own.
pub fn current(
    snapshot: &Snapshot,
    keys: &Keys,
    token: &Uuid,
) -> Result<Option<Zeroizing<String>>> {
    record::view(snapshot, token, None, |view| open_view(snapshot, keys, token, None, &view))
        .map_err(|error| error.of_user(*token))
}

/// A page size that makes sense.
pub fn check_page(max_rows: i32) -> Result<i32> {
    if (1..=MAX_PAGE).contains(&max_rows) {
        Ok(max_rows)
    } else {
        Err(Error::BadArgument("max_rows is out of range", "Ask for 1 to 10,000 rows."))
    }
}

/// Opens the profile and checks that record and blind index agree about the user.
///
/// A user who was named by one entry has to have it. One who was named by his token has to be found
/// by all of his entries: an index row that was removed, altered or pointed at somebody else shows.
fn open_view(
    snapshot: &Snapshot,
    keys: &Keys,
    token: &Uuid,
    named_by: Option<&Entry>,
    view: &View<'_>,
) -> Result<Zeroizing<String>> {
    let profile = open_profile(keys, token, view.version, view.digests, view.sealed)?;
    let agree = match named_by {
        Some(entry) => digests::contains(view.digests, entry),
        None => leads_back(snapshot, token, view.digests)?,
    };
    if agree { Ok(profile) } else { Err(Error::Damaged("a lookup entry")) }
}

fn leads_back(snapshot: &Snapshot, token: &Uuid, digests: &[u8]) -> Result<bool> {
    for entry in digests::decode(digests)? {
        let target = lookup::find(snapshot, &entry)?;
        if target.is_none_or(|target| target.token != *token) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn describe(token: &Uuid, view: &View<'_>, profile: &str) -> Document {
    let mut buffer = uuid::Uuid::encode_buffer();
    let token = uuid::Uuid::from_bytes(*token.as_bytes()).hyphenated().encode_lower(&mut buffer);
    let (created, updated) = (time::to_json(view.created_at), time::to_json(view.updated_at));
    Document::user(token, profile, view.version, &created, &updated)
}
