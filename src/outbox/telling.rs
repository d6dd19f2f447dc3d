//! Telling listeners that there is news: `NOTIFY databunker`.
//!
//! A transaction that notifies commits under a lock of the whole server, one at a time. Creating users
//! would stand in line. So the transaction only hands on what it has announced, after its commit, and
//! the background worker notifies for many at once. Where there is no worker, without preloading, the
//! transaction has to do it itself.
//!
//! A transaction that announces a lot tells one thing instead: look. So it is when the ring to the
//! worker is half full: the other half is for audit events. What a prepared transaction has announced
//! nobody knows when it is committed; the worker looks for such transactions, and tells listeners to look
//! when it has found one.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};

use pgrx::Uuid;
use pgrx::pg_sys::SubTransactionId;

use super::Announcement;
use crate::audit;
use crate::audit::message::{Announced, Message};
use crate::pg::channel::Request;
use crate::pg::notify;
use crate::pg::transaction::{self, Observer};

/// The channel on which listeners listen.
pub const CHANNEL: &CStr = c"databunker";
/// What they are told when it is too much to be told one by one, or nobody knows what: look.
pub const LOOK: &CStr = c"{\"event\":\"many\",\"token\":null}";

/// With more announcements than this in a transaction, listeners are told to look for themselves.
const MAX_TOLD: usize = 1_000;

/// What is to be told of the ends of transactions.
pub static OBSERVER: Observer =
    Observer { committing, preparing: || (), committed, aborted, prepared, aborted_to };

struct Pending {
    subtransaction: SubTransactionId,
    event: Announcement,
    token: Uuid,
}

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
    static TOO_MANY: Cell<bool> = const { Cell::new(false) };
}

/// What listeners are told of an event.
pub fn payload(event: &str, token: &[u8; 16]) -> CString {
    let token = uuid::Uuid::from_bytes(*token);
    let payload = format!("{{\"event\":\"{event}\",\"token\":\"{token}\"}}");
    // There is no NUL in it.
    CString::new(payload).unwrap_or_default()
}

/// Remembers what the transaction has announced.
pub fn remember<'a>(event: Announcement, tokens: impl Iterator<Item = &'a Uuid>) {
    if TOO_MANY.get() {
        return;
    }
    let subtransaction = transaction::current_subtransaction();
    PENDING.with_borrow_mut(|pending| {
        let news = tokens.map(|token| Pending { subtransaction, event, token: *token });
        pending.extend(news.take(MAX_TOLD + 1));
        if pending.len() > MAX_TOLD {
            pending.clear();
            TOO_MANY.set(true);
        }
    });
}

/// Without a worker to hand it to, the transaction itself notifies. Only here, because one that has
/// notified cannot be prepared.
fn committing() {
    if PENDING.with_borrow(Vec::is_empty) && !TOO_MANY.get() || audit::channel().is_some() {
        return;
    }
    for told in PENDING.take() {
        notify::notify(CHANNEL, &payload(told.event.as_str(), told.token.as_bytes()));
    }
    if TOO_MANY.take() {
        notify::notify(CHANNEL, LOOK);
    }
}

/// Cannot wait, nor fail.
fn committed() {
    let (pending, too_many) = (PENDING.take(), TOO_MANY.take());
    if pending.is_empty() && !too_many {
        return;
    }
    let Some(channel) = audit::channel() else {
        return;
    };
    let all_told = channel.has_ample_room() && pending.iter().all(tell);
    if too_many || !all_told {
        channel.request(Request::Hint);
    }
    channel.wake_writer();
}

/// Hands something on to the worker; false when there is no room.
fn tell(told: &Pending) -> bool {
    let (event, token) = (told.event.as_str(), *told.token.as_bytes());
    audit::put_at_once(&Message::Announced(Announced { event, token }))
}

fn aborted() {
    PENDING.take();
    TOO_MANY.take();
}

/// See [`crate::worker`]: the sealer looks for the audit events of prepared transactions.
fn prepared() {
    aborted();
}

fn aborted_to(subtransaction: SubTransactionId) {
    PENDING.with_borrow_mut(|pending| pending.retain(|told| told.subtransaction < subtransaction));
}
