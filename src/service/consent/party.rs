//! Who agrees: a user, or an address that is nobody's yet.
//!
//! An agreement by e-mail or telephone of somebody who is no user is kept under the address's entry of
//! the blind index. It joins whoever gets the address first, and at no cost to `bunker_create_user`:
//! reads look under a user's token and under his addresses, writes join what they find there, and an
//! address that a user gives up leaves its agreements with him. So nothing is lost, or counted twice,
//! when an address is taken while somebody agrees by it.

use std::collections::BTreeMap;
use std::rc::Rc;

use pgrx::Uuid;

use super::{agreement, bases};
use crate::audit;
use crate::error::{Error, Result};
use crate::identity;
use crate::keyring::Keys;
use crate::outbox::{self, Announcement};
use crate::pg::scan::{self, Snapshot, with_latest_snapshot};
use crate::pg::{session, time};
use crate::service::users::{Owner, UserRef};
use crate::service::{digests, kinds};
use crate::storage::agreement::{self as table, Holder, Row};
use crate::storage::lookup::{self, Entry};
use crate::storage::record;

/// The lookup kinds that are addresses: those by which somebody can be asked before he is a user.
const ADDRESSES: [&str; 2] = ["email", "phone"];

/// Somebody who agrees.
pub struct Party {
    /// Under what his agreements are written.
    pub holder: Holder,
    /// Under what else there may be some.
    addresses: Vec<Holder>,
    /// The opened keyring.
    pub keys: Rc<Keys>,
}

impl Party {
    /// A user.
    pub fn user(keys: &Rc<Keys>, token: &Uuid, digests: &[u8]) -> Result<Self> {
        let addresses = addresses(&digests::decode(digests)?)?;
        Ok(Self { holder: Holder::user(token), addresses, keys: Rc::clone(keys) })
    }

    /// Whom `(kind, value)` names, for reading; `None` when that can be nobody's agreement.
    pub fn find(kind: &str, value: &str) -> Result<Option<Self>> {
        let snapshot = Snapshot::of_caller();
        let user = UserRef::resolve(&snapshot, kind, value)?;
        let Some(keys) = user.keys else {
            return Ok(None);
        };
        let Some(target) = user.target else {
            let entry = user.entry.filter(|_| ADDRESSES.contains(&kind));
            return Ok(entry.map(|entry| Self::address(keys, &entry)));
        };
        let digests = record::digests(&snapshot, &target.token)?;
        match (digests, user.entry) {
            (Some(digests), entry)
                if entry.is_none_or(|entry| digests::contains(&digests, &entry)) =>
            {
                Self::user(&keys, &target.token, &digests).map(Some)
            }
            (None, None) => Ok(None),
            _ => Err(Error::Damaged("a lookup entry").of_user(target.token)),
        }
    }

    /// The same for a change: a user cannot be forgotten or changed until the transaction ends.
    ///
    /// # Errors
    /// There is no such user, and it is no address either.
    pub fn hold(kind: &str, value: &str) -> Result<Self> {
        lookup::lock_for_writing()?;
        match Owner::hold(kind, value) {
            Ok(owner) => return Self::user(&owner.keys, &owner.token, &owner.digests),
            // A user who has logged in writes of himself, and never under an address that may be
            // another's by now.
            Err(Error::NoSuchUser) if identity::subject().is_none() => {}
            Err(error) => return Err(error),
        }
        // Whoever has taken the address since the statement began will find it there.
        let user = UserRef::resolve(&Snapshot::of_caller(), kind, value)?;
        match (user.entry, user.keys) {
            (Some(entry), Some(keys)) if ADDRESSES.contains(&kind) => {
                Ok(Self::address(keys, &entry))
            }
            _ => Err(Error::NoSuchUser),
        }
    }

    fn address(keys: Rc<Keys>, entry: &Entry) -> Self {
        Self { holder: Holder::address(entry), addresses: Vec::new(), keys }
    }

    /// The agreement to a basis, the newest if there are several.
    pub fn find_one(&self, brief: &str) -> Result<Option<Row>> {
        let mut newest = None;
        for holder in self.holders() {
            newest = newer(newest, table::find(holder, brief)?);
        }
        Ok(newest)
    }

    /// All agreements by brief, the newest of each.
    pub fn find_all(&self) -> Result<Vec<Row>> {
        let mut newest = BTreeMap::new();
        for holder in self.holders() {
            for row in table::all_of(holder)? {
                let brief = row.brief.clone();
                if let Some(row) = newer(newest.remove(&brief), Some(row)) {
                    newest.insert(brief, row);
                }
            }
        }
        Ok(newest.into_values().collect())
    }

    fn holders(&self) -> impl Iterator<Item = &Holder> {
        std::iter::once(&self.holder).chain(&self.addresses)
    }

    /// Joins what stands under the user's addresses about a basis, which the caller keeps.
    pub fn join(&self, brief: &str) -> Result<()> {
        self.addresses.iter().try_for_each(|address| join(&self.keys, address, &self.holder, brief))
    }
}

/// The newer of two agreements, the first of two that are as old.
fn newer(first: Option<Row>, second: Option<Row>) -> Option<Row> {
    match (first, second) {
        (Some(first), Some(second)) => {
            Some(if second.updated_at > first.updated_at { second } else { first })
        }
        (first, second) => first.or(second),
    }
}

fn addresses(entries: &[Entry]) -> Result<Vec<Holder>> {
    let kinds = kinds::all()?;
    let is_address = |entry: &&Entry| ADDRESSES.contains(&kinds.name_of(entry.kind));
    Ok(entries.iter().filter(is_address).map(Holder::address).collect())
}

/// Whose an agreement is by now: one under an address is that of the user who has it, also before it
/// joins him.
pub(super) fn user_of(holder: &Holder) -> Result<Option<Uuid>> {
    let Some(entry) = holder.entry() else {
        return Ok(holder.token().copied());
    };
    let target = with_latest_snapshot(|| lookup::find(&Snapshot::of_caller(), &entry))?;
    Ok(target.map(|target| target.token))
}

/// Announces what a user has agreed to by addresses that he has just got.
pub fn announce_gained(token: &Uuid, got: &[Entry]) -> Result<()> {
    for address in addresses(got)? {
        if !table::briefs_of(&address)?.is_empty() {
            return outbox::announce(Announcement::ConsentChanged, token);
        }
    }
    Ok(())
}

/// Leaves with a user the agreements under entries of his, which he is about to give up. His record is
/// locked.
pub fn release(keys: &Keys, token: &Uuid, given_up: &[Entry]) -> Result<()> {
    release_but(keys, token, given_up, |_, _| false)
}

/// The same, but for those agreements that are known to be of whoever has the address next.
pub fn release_but(
    keys: &Keys,
    token: &Uuid,
    given_up: &[Entry],
    is_anothers: impl Fn(&Holder, &str) -> bool,
) -> Result<()> {
    for address in addresses(given_up)? {
        for brief in table::briefs_of(&address)? {
            if is_anothers(&address, &brief) {
                continue;
            }
            // There need be none: what it says is kept, whatever happened to it.
            if let Err(error) = bases::keep(&brief)
                && !matches!(error, Error::NotThere(_))
            {
                return Err(error);
            }
            join(keys, &address, &Holder::user(token), &brief)?;
        }
    }
    Ok(())
}

/// Makes an address's agreement to a basis that of its user, unless he has a newer one.
///
/// The basis is kept: whoever revokes all of its agreements sees this one in one place or the other.
fn join(keys: &Keys, address: &Holder, user: &Holder, brief: &str) -> Result<()> {
    // Its row triggers stay silent: one event tells of both rows.
    audit::consequence("join_agreement", &record::TABLE, || {
        loop {
            session::check_for_interrupts();
            let Some(pending) = table::lock(address, brief)? else {
                return Ok(());
            };
            let own = table::lock(user, brief)?;
            let (status, is_stale) = (
                pending.status.clone(),
                own.as_ref().is_some_and(|own| own.updated_at >= pending.updated_at),
            );
            if is_stale || put(&joined(keys, pending, own.as_ref(), user)?, own.is_some())? {
                table::delete(address, brief)?;
                let which = if is_stale { "an older one" } else { "one" };
                audit::note(
                    user.token(),
                    Some(brief),
                    format!("joined {which} by address: {status}"),
                );
                return Ok(());
            }
            // Another transaction has just added one of his.
        }
    })
}

fn put(row: &Row, is_there: bool) -> Result<bool> {
    if is_there { table::update(row).map(|()| true) } else { table::insert(row) }
}

fn joined(keys: &Keys, pending: Row, own: Option<&Row>, user: &Holder) -> Result<Row> {
    agreement::changed(keys, pending, |row| {
        row.holder = *user;
        row.version = row.version.max(own.map_or(0, |own| own.version)).saturating_add(1);
        row.created_at = row.created_at.min(own.map_or(i64::MAX, |own| own.created_at));
        Ok(())
    })
}

/// Removes all agreements of a user, and those that his addresses would bring him. His record is
/// locked. Each is noted in the running operation: that it was given, and when, stays in the trail.
///
/// # Errors
/// The transaction sees the past, in which not all of them were there.
pub fn erase(token: &Uuid, digests: &[u8]) -> Result<()> {
    let mut holders = vec![Holder::user(token)];
    // Of a damaged record the digests may be none.
    if let Ok(entries) = digests::decode(digests) {
        holders.extend(entries.iter().map(Holder::address));
    }
    // In the order of the index, as those who revoke do: nobody waits in a circle.
    holders.sort_unstable_by_key(|holder| (*holder.owner.as_bytes(), holder.kind));
    for holder in holders {
        for (brief, status, since) in table::delete_all_of(&holder)? {
            let message = format!("removed an agreement: {status} since {}", time::to_json(since));
            audit::note(Some(token), Some(&brief), message);
        }
        if scan::overlooks(|now| table::any_of(now, &holder))? {
            return Err(Error::Outdated("the user has agreed to something meanwhile"));
        }
    }
    Ok(())
}
