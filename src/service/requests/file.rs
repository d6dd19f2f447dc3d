//! Filing a request.

use bunker_core::crypto::random;
use bunker_core::profile::same_json;
use pgrx::Uuid;

use super::change::{self, Basis};
use super::party::Party;
use super::sealed::{Change, open_reason, seal_reason};
use super::{DAMAGED, State, Wish};
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::outbox::{self, Announcement};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::users::{self, Locked};
use crate::storage::request::{self as table, Row};

/// The most open requests of one user.
const MAX_OPEN: usize = 100;

/// Files a request of, or for, a user; the one that is open already when it is the same.
///
/// # Errors
/// It could not be done as things stand; there are too many.
pub fn request(
    kind: &str,
    value: &str,
    action: &str,
    change: Option<&Jsonb>,
    subject: Option<&str>,
) -> Result<Uuid> {
    audit::operation("request", Some(kind), &table::TABLE, || {
        let wish = Wish::read(action, change, subject)?;
        file(&users::lock(kind, value)?, &wish)
    })
}

/// Files what the user wants.
pub(super) fn file(user: &Locked, wish: &Wish) -> Result<Uuid> {
    let basis = change::rehearse(user, wish)?;
    let mut open = table::of_user(&user.record.token, Some(State::Open.name()))?;
    for row in &mut open {
        if is_same(&user.keys, row, wish)? {
            if !bring_up_to_date(&user.keys, row, wish, basis)? {
                audit::note(Some(&row.token), &row.action, "it is open already");
            }
            return Ok(row.request);
        }
    }
    if open.len() >= MAX_OPEN {
        return Err(Error::TooMany("At most 100 open requests of one user."));
    }
    let (mut row, Basis { version, original }) = (new_row(user, wish)?, basis);
    let change = Change { patch: wish.change().cloned(), original };
    row.seen = version;
    let sealed = change.seal(&user.keys, &row)?;
    row.has_change = sealed.is_some();
    seal_reason(&user.keys, &mut row, None)?;
    table::insert(&row, sealed.as_deref())?;
    outbox::announce(Announcement::RequestOpened, &row.token)?;
    Ok(row.request)
}

fn is_same(keys: &Keys, row: &Row, wish: &Wish) -> Result<bool> {
    if row.action != wish.action() || row.subject.as_deref() != wish.subject() {
        return Ok(false);
    }
    open_reason(keys, row)?;
    match (Change::open(keys, row)?.patch, wish.change()) {
        (Some(stored), Some(change)) => Ok(same_json(&stored, change)),
        (None, None) => Ok(true),
        _ => Err(DAMAGED),
    }
}

/// Whoever files the same again has seen what there is now. Somebody else's request stays his. Whether
/// the request has changed.
fn bring_up_to_date(keys: &Keys, row: &mut Row, wish: &Wish, basis: Basis) -> Result<bool> {
    let filed_by = Party::requester(row);
    let now = Change { patch: wish.change().cloned(), original: basis.original };
    let current = row.seen == basis.version && Change::open(keys, row)?.original == now.original;
    if current || !filed_by.may_be(&Party::current()) {
        return Ok(false);
    }
    row.seen = basis.version;
    row.updated_at = time::now();
    let sealed = now.seal(keys, row)?;
    seal_reason(keys, row, None)?;
    table::set_change(row, sealed.as_deref()).map(|()| true)
}

fn new_row(user: &Locked, wish: &Wish) -> Result<Row> {
    let (now, party) = (time::now(), Party::current());
    Ok(Row {
        request: new_name(now)?,
        token: user.record.token,
        action: wish.action().to_owned(),
        subject: wish.subject().map(str::to_owned),
        status: State::Open.name().to_owned(),
        created_at: now,
        updated_at: now,
        requested_by: party.role,
        requested_as: party.acting_as,
        decided_by: None,
        decided_as: None,
        seen: None,
        has_change: false,
        reason: Vec::new(),
    })
}

/// A uuid of version 7 (RFC 9562, section 5.7): in the order of filing, to the microsecond as section
/// 6.2 (method 3) has it, and not to be guessed.
fn new_name(now: i64) -> Result<Uuid> {
    /// From 1970, where uuids count from, to 2000, where PostgreSQL does.
    const EPOCH: i64 = 946_684_800_000_000;
    let micros = now.saturating_add(EPOCH).max(0).cast_unsigned();
    let mut tail = [0; 10];
    random::fill(&mut tail)?;
    let fraction = (micros % 1_000) * 4_096 / 1_000;
    // Below 4,096, and the builder overwrites the four bits in front.
    tail[..2].copy_from_slice(&(fraction as u16).to_be_bytes());
    let name = uuid::Builder::from_unix_timestamp_millis(micros / 1_000, &tail).into_uuid();
    Ok(Uuid::from_bytes(name.into_bytes()))
}
