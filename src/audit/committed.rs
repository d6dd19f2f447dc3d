//! Events that a transaction has written itself: once it is committed, the audit writer is told of
//! them, so that they are sealed before anybody can take them away unnoticed.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys::SubTransactionId;

use super::delivery;
use super::message::{Committed, Message};
use crate::pg::channel::Request;
use crate::pg::tally::Tally;
use crate::pg::transaction::{self, Observer};
use crate::storage::audit::Event;

/// With more events than this in a transaction, the writer is told to look for himself.
const MAX_TOLD: usize = 1_000;

thread_local! {
    static WRITTEN: RefCell<Vec<(SubTransactionId, Committed)>> = const { RefCell::new(Vec::new()) };
    static TOO_MANY: Cell<u64> = const { Cell::new(0) };
}

/// Has the ends of transactions reported to this module. Called by `_PG_init`.
pub fn install() {
    static OBSERVER: Observer = Observer { committed, aborted, prepared, aborted_to };
    transaction::observe(&OBSERVER);
}

/// Remembers events that the transaction has written.
pub fn remember(events: &[Event]) {
    let subtransaction = transaction::current_subtransaction();
    WRITTEN.with_borrow_mut(|written| {
        if written.len() + events.len() > MAX_TOLD {
            TOO_MANY.set(TOO_MANY.get() + (written.len() + events.len()) as u64);
            written.clear();
            return;
        }
        written.extend(events.iter().map(|event| (subtransaction, Committed::of(event))));
    });
}

/// Cannot wait, nor fail: what does not fit into the channel the writer has to find himself.
fn committed() {
    let written = WRITTEN.take();
    let untold = TOO_MANY.take();
    if written.is_empty() && untold == 0 {
        return;
    }
    let count = written.len() as u64 + untold;
    let all_told =
        written.into_iter().all(|(_, event)| delivery::put_at_once(&Message::Committed(event)));
    let Some(channel) = delivery::channel() else {
        return;
    };
    Tally::add(&channel.tally.writes, count);
    if untold > 0 || !all_told {
        channel.request(Request::Scan);
    }
    channel.wake_writer();
}

fn aborted() {
    WRITTEN.take();
    TOO_MANY.take();
    delivery::forget_outstanding();
}

/// Whoever commits it will not know of these events.
fn prepared() {
    let any = !WRITTEN.take().is_empty() || TOO_MANY.take() > 0;
    if let Some(channel) = delivery::channel().filter(|_| any) {
        channel.expect_prepared();
    }
}

fn aborted_to(subtransaction: SubTransactionId) {
    WRITTEN.with_borrow_mut(|written| written.retain(|(number, _)| *number < subtransaction));
}
