//! Filing a request.

use bunker_core::calendar::SINCE_1970;
use bunker_core::crypto::random;
use bunker_core::profile::same_json;
use pgrx::Uuid;

use super::change::{self, Basis};
use super::decide::{check_reason, close};
use super::party::Party;
use super::sealed::{Change, open_reason, seal_reason};
use super::{DAMAGED, State, Wish};
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::outbox::{self, Announcement};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::lifetime::Since;
use crate::service::users::{self, Locked};
use crate::storage::request::{self as table, Row};

/// Why a request is cancelled that could do something else by now than an officer may have read.
const FILED_ANEW: &str = "filed anew";
/// The most open requests of one user.
const MAX_OPEN: usize = 100;
const TOO_MANY: Error = Error::TooMany("At most 100 open requests of one user.");

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
    let open = table::of_user(&user.record.token, Some(State::Open.name()))?;
    let mut others = open.len();
    if let Some(row) = find_same(&user.keys, open, wish)? {
        if !is_outdated_for_caller(&user.keys, &row, &basis)? {
            audit::note(Some(&row.token), Some(&row.action), "it is open already");
            return Ok(row.request);
        }
        if !wish.depends_on_what_is_there() {
            return bring_up_to_date(&user.keys, row, wish, basis);
        }
        audit::consequence("cancel_request", &table::TABLE, || {
            close(&user.keys, row, State::Cancelled, Some(FILED_ANEW))
        })?;
        others -= 1;
    }
    if others >= MAX_OPEN {
        return Err(TOO_MANY);
    }
    let row = new_row(user, wish)?;
    let request = row.request;
    insert(user, wish, row, basis, None)?;
    outbox::announce(Announcement::RequestOpened, &user.record.token)?;
    Ok(request)
}

/// A request of another system's.
pub struct Known {
    /// Its name.
    pub request: Uuid,
    /// `open`, `approved` or `cancelled`.
    pub status: String,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// Who has filed it, as that system calls him.
    pub requested_by: Option<String>,
    /// When it was filed, and decided.
    pub since: Since,
}

/// Takes down a request of another system's, as part of the running operation; false if it is there
/// already. An open one can be decided here; whoever brings it counts as the one who has filed it, and
/// somebody else has to approve it. A decided one is kept as it is.
///
/// # Errors
/// Another request has its uuid; the same is open already; as [`request`], when it is open.
pub fn bring(user: &Locked, wish: &Wish, known: &Known) -> Result<bool> {
    let state = State::named(&known.status).ok_or(Error::BadArgument(
        "unknown status of a request",
        "Use open, approved or cancelled.",
    ))?;
    check_reason(known.reason.as_deref())?;
    if let Some(row) = table::find(&known.request)? {
        let is_same = row.token == user.record.token
            && row.action == wish.action()
            && row.subject.as_deref() == wish.subject();
        let exists = Error::Exists("another request has this uuid", "Leave the request out.");
        return if is_same { Ok(false) } else { Err(exists) };
    }
    let basis = if state == State::Open {
        refuse_another(user, wish)?;
        change::rehearse(user, wish)?
    } else {
        Basis { version: None, original: None }
    };
    let mut row = Row {
        request: known.request,
        status: known.status.clone(),
        created_at: known.since.created_at,
        updated_at: known.since.updated_at,
        ..new_row(user, wish)?
    };
    if let Some(requested_by) = known.requested_by.as_ref().filter(|_| state != State::Open) {
        row.requested_by.clone_from(requested_by);
        row.requested_as = None;
    }
    insert(user, wish, row, basis, known.reason.as_deref())?;
    if state == State::Open {
        outbox::announce(Announcement::RequestOpened, &user.record.token)?;
    }
    Ok(true)
}

fn refuse_another(user: &Locked, wish: &Wish) -> Result<()> {
    let open = table::of_user(&user.record.token, Some(State::Open.name()))?;
    if open.len() >= MAX_OPEN {
        return Err(TOO_MANY);
    }
    match find_same(&user.keys, open, wish)? {
        Some(_) => Err(Error::Exists("the same request is open already", "Leave the request out.")),
        None => Ok(()),
    }
}

/// Stores a new request, with what it would change and why it was decided as it was.
fn insert(
    user: &Locked,
    wish: &Wish,
    mut row: Row,
    basis: Basis,
    reason: Option<&str>,
) -> Result<()> {
    let Basis { version, original } = basis;
    let change = Change { patch: wish.change().cloned(), original };
    row.seen = version;
    let sealed = change.seal(&user.keys, &row)?;
    row.has_change = sealed.is_some();
    seal_reason(&user.keys, &mut row, reason)?;
    table::insert(&row, sealed.as_deref())
}

fn find_same(keys: &Keys, open: Vec<Row>, wish: &Wish) -> Result<Option<Row>> {
    for row in open {
        if is_same(keys, &row, wish)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
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

/// Whether what a request would change is not what it was. Whoever files the same again has seen what
/// there is now; somebody else's request stays his.
fn is_outdated_for_caller(keys: &Keys, row: &Row, basis: &Basis) -> Result<bool> {
    let is_current =
        row.seen == basis.version && Change::open(keys, row)?.original == basis.original;
    Ok(!is_current && Party::requester(row).may_be(&Party::current()))
}

/// The request as if it were filed now, under its name: it still asks for the same.
fn bring_up_to_date(keys: &Keys, mut row: Row, wish: &Wish, basis: Basis) -> Result<Uuid> {
    let now = Change { patch: wish.change().cloned(), original: basis.original };
    row.seen = basis.version;
    row.updated_at = time::now();
    let sealed = now.seal(keys, &row)?;
    seal_reason(keys, &mut row, None)?;
    table::set_change(&row, sealed.as_deref())?;
    Ok(row.request)
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
    let micros = now.saturating_add(SINCE_1970).max(0).cast_unsigned();
    let mut tail = [0; 10];
    random::fill(&mut tail)?;
    let fraction = (micros % 1_000) * 4_096 / 1_000;
    // Below 4,096, and the builder overwrites the four bits in front.
    tail[..2].copy_from_slice(&(fraction as u16).to_be_bytes());
    let name = uuid::Builder::from_unix_timestamp_millis(micros / 1_000, &tail).into_uuid();
    Ok(Uuid::from_bytes(name.into_bytes()))
}
