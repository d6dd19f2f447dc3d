//! Events in the transaction that they tell of. Once it is committed the audit writer is told of them,
//! so that they are sealed before anybody can take them away unnoticed.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys::SubTransactionId;

use super::delivery;
use super::message::{Committed, Message};
use crate::error::Result;
use crate::keyring;
use crate::pg::channel::Request;
use crate::pg::tally::Tally;
use crate::pg::transaction::{self, Observer};
use crate::storage::audit::{self as table, Event};

/// With more events than this in a transaction, the writer is told to look for himself.
const MAX_TOLD: usize = 1_000;

thread_local! {
    static WRITTEN: RefCell<Vec<(SubTransactionId, Committed)>> = const { RefCell::new(Vec::new()) };
    static TOO_MANY: Cell<u64> = const { Cell::new(0) };
}

/// What is to be told of the ends of transactions.
pub static OBSERVER: Observer =
    Observer { committing: || (), preparing: || (), committed, aborted, prepared, aborted_to };

/// Writes events in the caller's transaction: they exist exactly when it is committed.
pub fn write(events: &mut [Event]) -> Result<()> {
    number(events)?;
    table::insert(events)?;
    remember(events);
    if let Some(channel) = delivery::channel() {
        // Now, because nothing may fail after the commit. The event itself does not need him: if he
        // cannot be started its seal has to wait.
        let _ = delivery::ensure_writer(channel);
    }
    Ok(())
}

/// Gives events their numbers and MACs; no MACs while the vault is sealed.
pub fn number(events: &mut [Event]) -> Result<()> {
    // Before any number is drawn: see the sealer's floor.
    transaction::take_number();
    let keys = keyring::existing().ok().flatten();
    if let Some(channel) = delivery::channel().filter(|_| keys.is_none()) {
        channel.expect_unauthenticated();
    }
    for event in events.iter_mut() {
        event.id = table::next_id()?;
        event.mac = keys.as_ref().map(|keys| keys.trail().event_mac(&event.fields()));
    }
    Ok(())
}

/// Remembers events that the transaction has written.
fn remember(events: &[Event]) {
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
