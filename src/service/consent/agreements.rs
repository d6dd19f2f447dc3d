//! Agreements: giving, withdrawing, reading, revoking and ending them.

use std::rc::Rc;

use pgrx::Uuid;
use serde_json::Value;

use super::agreement::{self, Agreement, Status};
use super::bases::{self, Basis};
use super::evidence::Evidence;
use super::party::{self, Party};
use super::terms::Terms;
use super::{NOTHING_CHANGED, check_brief};
use crate::audit;
use crate::error::{Error, Result};
use crate::identity;
use crate::keyring::{self, Keys};
use crate::outbox::{self, Announcement};
use crate::pg::jsonb::Jsonb;
use crate::pg::{session, time};
use crate::service::guard;
use crate::service::requests::{Wish, self_service};
use crate::service::users::Owner;
use crate::storage::agreement::{self as table, Row};

/// Agreements that are revoked at a time: bounds the memory.
const BATCH: i32 = 1_000;

/// Takes down that a user agrees to a legal basis, or refuses; whether the status changed. An e-mail
/// address or telephone number of no user is kept until there is one.
///
/// # Errors
/// No such user or basis; a basis that is disabled; unusable options; a user who has logged in would end
/// what he may not.
pub fn accept(kind: &str, value: &str, brief: &str, options: Option<&Jsonb>) -> Result<bool> {
    audit::operation("accept_agreement", Some(kind), &table::TABLE, || {
        check_brief(brief)?;
        let now = time::now();
        let terms = Terms::read(options, now)?;
        keyring::for_writing()?;
        let party = Party::hold(kind, value)?;
        let basis = bases::keep_open(brief)?;
        if terms.may_end_it() && needs_approval(&basis) {
            return Err(not_alone());
        }
        put(&party, brief, now, |agreement, _| {
            let agreement = agreement.unwrap_or_else(|| Agreement::begin(party.holder, brief, now));
            terms.apply(agreement, now).map(Some)
        })
    })
}

/// Takes down, as part of the running operation, what another system knows of an agreement, which keeps
/// its times: of whom, and whether that is new here.
///
/// # Errors
/// Something else is known of it here; no such user or basis; a basis that was deleted is agreed to.
pub fn bring(
    kind: &str,
    value: &str,
    brief: &str,
    evidence: &Evidence,
) -> Result<(Option<Uuid>, bool)> {
    check_brief(brief)?;
    let party = Party::hold(kind, value)?;
    let status = evidence.status(time::now());
    if status == Status::Yes {
        bases::keep_present(brief)?
    } else {
        bases::keep(brief)?
    };
    party.join(brief)?;
    audit::remark(status.as_str());
    let token = party.holder.token().copied();
    let new = evidence.agreement(Agreement::begin(party.holder, brief, time::now()), status)?;
    loop {
        session::check_for_interrupts();
        if let Some(row) = table::lock(&party.holder, brief)? {
            let old = Agreement::open(&party.keys, row).map_err(|error| of_party(&party, error))?;
            return evidence.is_known_by(&old, &new).map(|()| (token, false));
        }
        if table::insert(&new.clone().seal(&party.keys)?)? {
            if let Some(token) = &token {
                outbox::announce(Announcement::ConsentChanged, token)?;
            }
            return Ok((token, true));
        }
        // Another transaction has just added it.
    }
}

/// Takes an agreement back; true when it was in force, `None` if that waits for approval.
///
/// # Errors
/// No such user or basis; nothing to ask for in a request.
pub fn withdraw(kind: &str, value: &str, brief: &str) -> Result<Option<bool>> {
    audit::operation("withdraw_agreement", Some(kind), &table::TABLE, || {
        check_brief(brief)?;
        if identity::subject().is_some() && needs_approval(&bases::keep(brief)?) {
            let brief = brief.to_owned();
            self_service::file_for(kind, value, &Wish::WithdrawAgreement { brief })?;
            return Ok(None);
        }
        let party = Party::hold(kind, value)?;
        bases::keep(brief)?;
        if party.holder.token().is_none() && party.find_one(brief)?.is_none() {
            return Err(Error::NoSuchUser);
        }
        withdraw_from(&party, brief).map(Some)
    })
}

/// The same for a request that was approved, as part of the running operation.
pub fn withdraw_of(owner: &Owner, brief: &str) -> Result<bool> {
    bases::keep(brief)?;
    withdraw_from(&Party::user(&owner.keys, &owner.token, &owner.digests)?, brief)
}

/// Whether an end of an agreement to this basis has to be asked for, in a request: the transaction acts
/// as the user himself, and the basis does not leave it to him.
fn needs_approval(basis: &Basis) -> bool {
    identity::subject().is_some() && !basis.leaves_control()
}

fn not_alone() -> Error {
    Error::Refused(
        "the legal basis does not leave this to the user alone",
        "File a request for it: bunker_request(kind, value, 'agreement-withdraw', subject => brief).",
    )
}

fn withdraw_from(party: &Party, brief: &str) -> Result<bool> {
    let now = time::now();
    put(party, brief, now, |agreement, status| match agreement {
        Some(mut agreement) if status == Some(Status::Yes) => {
            agreement.advance(Status::No, now)?;
            Ok(Some(agreement))
        }
        _ => Ok(None),
    })
}

/// Replaces a party's agreement to a basis, which the caller keeps, by what `change` makes of it and of
/// what has become of it; `None` leaves it alone. Whether the status changed.
fn put(
    party: &Party,
    brief: &str,
    now: i64,
    change: impl Fn(Option<Agreement>, Option<Status>) -> Result<Option<Agreement>>,
) -> Result<bool> {
    party.join(brief)?;
    loop {
        session::check_for_interrupts();
        let open = |row| Agreement::open(&party.keys, row).map_err(|error| of_party(party, error));
        let old = table::lock(&party.holder, brief)?.map(open).transpose()?;
        let is_there = old.is_some();
        let former = old.as_ref().map(|old| old.status(now)).transpose()?;
        let Some(new) = change(old, former)? else {
            audit::note(party.holder.token(), Some(brief), NOTHING_CHANGED);
            return Ok(false);
        };
        let status = new.status(now)?;
        audit::remark(status.as_str());
        let row = new.seal(&party.keys)?;
        if is_there {
            table::update(&row)?;
        } else if !table::insert(&row)? {
            // Another transaction has just added it.
            continue;
        }
        let changed = former != Some(status);
        if let Some(token) = party.holder.token().filter(|_| changed) {
            outbox::announce(Announcement::ConsentChanged, token)?;
        }
        return Ok(changed);
    }
}

fn of_party(party: &Party, error: Error) -> Error {
    match party.holder.token() {
        Some(token) => error.of_user(*token),
        None => error,
    }
}

/// What a user has agreed to under a legal basis; `None` when nothing was ever said.
pub fn get(kind: &str, value: &str, brief: &str) -> Result<Option<Jsonb>> {
    audit::read("get_agreement", Some(kind), |access| {
        check_brief(brief)?;
        access.concerns(brief);
        let Some(party) = Party::find(kind, value)? else {
            return Ok(None);
        };
        let rows: Vec<_> = party.find_one(brief)?.into_iter().collect();
        let found = describe(&party, rows)?.pop();
        Ok(tell(access, &party, found))
    })
}

/// All that a user has agreed to or refused, by brief.
pub fn list(kind: &str, value: &str) -> Result<Vec<Jsonb>> {
    audit::read("list_agreements", Some(kind), |access| {
        let Some(party) = Party::find(kind, value)? else {
            return Ok(Vec::new());
        };
        let found = describe(&party, party.find_all()?)?;
        let found = (!found.is_empty() || party.holder.token().is_some()).then_some(found);
        Ok(tell(access, &party, found).unwrap_or_default())
    })
}

fn describe(party: &Party, rows: Vec<Row>) -> Result<Vec<Jsonb>> {
    guard::admit(rows.len() as u64)?;
    let now = time::now();
    let describe = |row| {
        let agreement = Agreement::open(&party.keys, row)?;
        Ok(Jsonb::from(Value::Object(agreement.describe(now)?).to_string()))
    };
    rows.into_iter().map(describe).collect::<Result<_>>().map_err(|error| of_party(party, error))
}

fn tell<T>(access: &mut audit::Access, party: &Party, found: Option<T>) -> Option<T> {
    match party.holder.token() {
        Some(token) => access.outcome(token, found),
        None => found.inspect(|_| access.told("of an address that is no user's".to_owned())),
    }
}

/// All agreements of a user, for what has an event of its own.
pub fn of_owner(keys: &Rc<Keys>, token: &Uuid, digests: &[u8]) -> Result<Vec<Agreement>> {
    let rows = Party::user(keys, token, digests)?.find_all()?.into_iter();
    rows.map(|row| Agreement::open(keys, row)).collect()
}

/// Revokes all agreements to a basis that are in force, also those of addresses that are nobody's yet;
/// how many.
///
/// # Errors
/// There is no such basis.
pub fn revoke(brief: &str) -> Result<i64> {
    audit::operation("revoke_agreements", None, &table::TABLE, || {
        check_brief(brief)?;
        bases::close(brief)?;
        let revoked = revoke_all(brief)?;
        if revoked == 0 {
            audit::note(None, Some(brief), NOTHING_CHANGED);
        }
        Ok(revoked)
    })
}

/// The same as part of the running operation, which keeps all others from the basis.
pub(super) fn revoke_all(brief: &str) -> Result<i64> {
    // It would not see those who have agreed since its snapshot was taken.
    if session::uses_one_snapshot() {
        return Err(Error::IsolationLevel);
    }
    let Some(keys) = keyring::existing()? else {
        return Ok(0);
    };
    let (now, mut revoked, mut last) = (time::now(), 0, None);
    loop {
        session::check_for_interrupts();
        let batch = table::lock_batch(brief, Status::Yes.as_str(), last.as_ref(), BATCH)?;
        let Some(row) = batch.last() else {
            return Ok(revoked);
        };
        last = Some(row.holder);
        revoked += end(&keys, batch, now)?;
    }
}

/// Writes down of up to `limit` agreements that they have ended; of how many. They have read so since.
pub fn expire(now: i64, limit: i32) -> Result<usize> {
    let Some(keys) = keyring::existing()? else {
        return Ok(0);
    };
    audit::consequence("expire_agreement", &table::TABLE, || {
        let ended = table::lock_ended(now, limit)?;
        let count = ended.len();
        end(&keys, ended, now)?;
        Ok(count)
    })
}

/// Ends agreements: those whose time is over have expired, the others are revoked; how many are.
fn end(keys: &Keys, rows: Vec<Row>, now: i64) -> Result<i64> {
    let mut revoked = 0;
    for row in rows {
        let has_expired = row.expires_at.is_some_and(|time| time <= now);
        let status = if has_expired { Status::Expired } else { Status::Revoked };
        let user = party::user_of(&row.holder)?;
        audit::remark(status.as_str());
        audit::about(user);
        let ended = agreement::changed(keys, row, |row| agreement::advance(row, status, now))?;
        table::update(&ended)?;
        if let Some(token) = &user {
            outbox::announce(Announcement::ConsentChanged, token)?;
        }
        revoked += i64::from(!has_expired);
    }
    audit::about(None);
    Ok(revoked)
}
