//! Users: many in one subtransaction.

use std::collections::BTreeSet;

use pgrx::Uuid;

use super::members::Members;
use super::verdict::{Verdict, Verdicts};
use super::{ACTION, by_halves};
use crate::audit;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::{Snapshot, with_latest_snapshot};
use crate::pg::session::check_for_interrupts;
use crate::pg::subtransaction::Undone;
use crate::service::documents;
use crate::service::lifetime::Since;
use crate::service::users::{self, Factory, NewUser};
use crate::storage::lookup::{self, Entry};
use crate::storage::record;

/// The most users that are stored together, and about how many bytes of profiles.
const LOT: usize = 500;
const LOT_BYTES: usize = 16 << 20;

/// A user of another system.
pub struct User<'a> {
    token: Option<Uuid>,
    profile: &'a str,
    since: Since,
}

impl<'a> User<'a> {
    /// Reads a row.
    pub fn read(members: &mut Members<'a>) -> Result<Self> {
        members.expect("A user has a profile, and perhaps token, created_at and updated_at.");
        Ok(Self {
            token: members.optional_uuid("token")?,
            profile: members.json("profile")?,
            since: members.since()?,
        })
    }
}

/// Users, with the positions of their rows.
type Users<'a> = [(usize, &'a User<'a>)];

/// A user who is ready to be stored.
struct Candidate<'a> {
    user: &'a User<'a>,
    new: NewUser,
}

/// Users who are about to be stored together. No two of them have a token or a lookup value in common.
#[derive(Default)]
struct Lot<'a> {
    users: Vec<(usize, Candidate<'a>)>,
    tokens: BTreeSet<[u8; 16]>,
    entries: BTreeSet<Entry>,
    bytes: usize,
}

impl<'a> Lot<'a> {
    fn has_token(&self, token: Option<Uuid>) -> bool {
        token.is_some_and(|token| self.tokens.contains(token.as_bytes()))
    }

    fn meets(&self, user: &NewUser) -> bool {
        user.entries().iter().any(|entry| self.entries.contains(entry))
    }

    fn is_full(&self) -> bool {
        self.users.len() >= LOT || self.bytes >= LOT_BYTES
    }

    /// Adds the user of the row at a position.
    fn add(&mut self, position: usize, user: &'a User<'a>, new: NewUser) {
        self.tokens.insert(*new.token().as_bytes());
        self.entries.extend(new.entries());
        self.bytes += user.profile.len();
        self.users.push((position, Candidate { user, new }));
    }
}

/// Brings users. Whoever is found to be here already, or cannot be taken, takes no part in what is
/// stored together, which then only fails when others write the same at the same time.
pub fn bring(factory: &mut Factory, users: &Users<'_>, verdicts: &mut Verdicts) -> Result<()> {
    let mut lot = Lot::default();
    for &(position, user) in users {
        check_for_interrupts();
        if lot.is_full() || lot.has_token(user.token) {
            store(factory, std::mem::take(&mut lot), verdicts)?;
        }
        let new = match prepare(factory, user)? {
            Ok(new) => new,
            Err(verdict) => {
                verdicts.set(position, verdict);
                continue;
            }
        };
        if lot.meets(&new) {
            store(factory, std::mem::take(&mut lot), verdicts)?;
        }
        match judged(user, check_free(factory, &new))? {
            Ok(()) => lot.add(position, user, new),
            Err(verdict) => verdicts.set(position, unless_present(factory, user, verdict)?),
        }
    }
    store(factory, lot, verdicts)
}

/// A user who is ready to be stored, or the verdict on him.
fn prepare(factory: &mut Factory, user: &User<'_>) -> Result<Result<NewUser, Verdict>> {
    match judged(user, is_present(factory, user))? {
        Ok(false) => judged(user, make(factory, user)),
        Ok(true) => Ok(Err(Verdict::brought(user.token, false))),
        Err(verdict) => Ok(Err(verdict)),
    }
}

/// Turns an error that is about this user into the verdict on him.
fn judged<T>(user: &User<'_>, result: Result<T>) -> Result<Result<T, Verdict>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.is_general() => Err(error),
        Err(error) => Ok(Err(Verdict::failed(user.token, Undone::Failed(error)))),
    }
}

/// Whether the same user is here already, under the same token.
///
/// # Errors
/// The token is another user's, or a tombstone's.
fn is_present(factory: &Factory, user: &User<'_>) -> Result<bool> {
    let Some(token) = user.token else {
        return Ok(false);
    };
    with_latest_snapshot(|| {
        let snapshot = Snapshot::of_caller();
        match record::standing(&snapshot, &token)? {
            None => return Ok(false),
            Some(true) => {}
            Some(false) => {
                return Err(Error::Exists(
                    "the user was forgotten",
                    "His tombstone keeps the token: leave him out.",
                ));
            }
        }
        let given = Jsonb::from(user.profile.to_owned());
        match users::current(&snapshot, factory.keys(), &token)? {
            Some(profile) if documents::same(&profile, &given)? => Ok(true),
            _ => Err(Error::Exists(
                "the user is here already, with another profile",
                "Leave him out, or change him with bunker_update_user.",
            )),
        }
    })
}

/// The verdict on somebody who cannot be stored: whoever was quicker may have brought the same.
fn unless_present(factory: &Factory, user: &User<'_>, verdict: Verdict) -> Result<Verdict> {
    Ok(match judged(user, is_present(factory, user))? {
        Ok(true) => Verdict::brought(user.token, false),
        Ok(false) => verdict,
        Err(verdict) => verdict,
    })
}

fn make(factory: &mut Factory, user: &User<'_>) -> Result<NewUser> {
    let token = user.token.map_or_else(|| factory.new_token(), Ok)?;
    factory.make_known(user.profile, &token, user.since)
}

/// # Errors
/// Another user has one of his lookup values.
fn check_free(factory: &Factory, new: &NewUser) -> Result<()> {
    with_latest_snapshot(|| {
        let snapshot = Snapshot::of_caller();
        for entry in new.entries() {
            if lookup::find(&snapshot, entry)?.is_some() {
                return Err(factory.duplicate(entry));
            }
        }
        Ok(())
    })
}

/// Stores a lot, in the order of tokens: two calls that bring the same do not wait in a circle.
fn store(factory: &Factory, mut lot: Lot<'_>, verdicts: &mut Verdicts) -> Result<()> {
    if lot.users.is_empty() {
        return Ok(());
    }
    lot.users.sort_unstable_by_key(|(_, Candidate { new, .. })| *new.token().as_bytes());
    let together = |lot: &[(usize, Candidate<'_>)]| {
        audit::consequence(ACTION, &record::TABLE, || {
            let users = lot.iter().map(|(_, candidate)| &candidate.new);
            factory.store(users.clone())?.map_err(|(_, error)| error)?;
            Ok(users.map(|new| Verdict::brought(Some(*new.token()), true)).collect())
        })
    };
    let alone = |Candidate { user, .. }: &Candidate<'_>, undone| {
        unless_present(factory, user, Verdict::failed(user.token, undone))
    };
    by_halves(&lot.users, &together, &alone, verdicts)
}
