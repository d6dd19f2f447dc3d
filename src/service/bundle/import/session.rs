//! The bundles of a transaction, from call to call.
//!
//! A bundle that was begun has to be complete when its transaction ends. What ROLLBACK TO takes back is
//! followed by the numbers of subtransactions, which rise: a bundle is gone with the subtransaction in
//! which it was begun, and can no longer become complete once a later line of it is taken back.

use std::cell::RefCell;

use bunker_bundle::BundleError;
use pgrx::pg_sys::SubTransactionId;

use super::Import;
use crate::error::{Error, OrRaise, Result};
use crate::pg::transaction::{self, Observer};

/// To be told how the transaction ends.
pub static OBSERVER: Observer = Observer {
    committing: require_complete,
    preparing: require_complete,
    committed: forget,
    aborted: forget,
    prepared: forget,
    aborted_to,
};

/// A bundle of the transaction.
struct Bundle {
    begun_in: SubTransactionId,
    /// The last subtransaction in which there were lines of it.
    touched_in: SubTransactionId,
    state: State,
}

enum State {
    /// Lines are to come. Without the import: a call is under way, or has failed.
    Open(Option<Box<Import>>),
    Complete,
    /// Lines were taken back.
    Broken,
}

thread_local! {
    static BUNDLES: RefCell<Vec<Bundle>> = const { RefCell::new(Vec::new()) };
}

/// The bundle whose lines are to come, or a new one. To be given back by [`suspend`] or [`complete`];
/// if it is not, the transaction cannot be committed.
pub fn resume() -> Result<Import> {
    let here = transaction::current_subtransaction();
    BUNDLES.with_borrow_mut(|bundles| match bundles.last_mut() {
        Some(Bundle { state: State::Open(import), touched_in, .. }) => {
            *touched_in = here;
            import.take().map(|import| *import).ok_or_else(incomplete)
        }
        Some(Bundle { state: State::Broken, .. }) => Err(Error::BadArgument(
            "lines of the bundle were rolled back",
            "Roll the transaction back, and begin anew with the first line.",
        )),
        Some(Bundle { state: State::Complete, .. }) | None => {
            let state = State::Open(None);
            bundles.push(Bundle { begun_in: here, touched_in: here, state });
            Ok(Import::new())
        }
    })
}

/// Keeps the bundle for the next call.
pub fn suspend(import: Import) {
    // No line, no bundle: there is nothing that would have to be completed.
    let is_nothing = import.lines == 0;
    BUNDLES.with_borrow_mut(|bundles| {
        if is_nothing {
            bundles.pop();
        } else if let Some(bundle) = bundles.last_mut() {
            bundle.state = State::Open(Some(Box::new(import)));
        }
    });
}

/// The bundle is complete.
pub fn complete() {
    BUNDLES.with_borrow_mut(|bundles| {
        if let Some(bundle) = bundles.last_mut() {
            bundle.state = State::Complete;
        }
    });
}

fn incomplete() -> Error {
    Error::from(BundleError::Truncated)
}

fn require_complete() {
    let is_complete = BUNDLES.with_borrow(|bundles| {
        bundles.iter().all(|bundle| matches!(bundle.state, State::Complete))
    });
    if is_complete { Ok(()) } else { Err(incomplete()) }.or_raise()
}

fn forget() {
    BUNDLES.take();
}

fn aborted_to(subtransaction: SubTransactionId) {
    BUNDLES.with_borrow_mut(|bundles| {
        bundles.retain(|bundle| bundle.begun_in < subtransaction);
        for bundle in bundles.iter_mut().filter(|bundle| bundle.touched_in >= subtransaction) {
            bundle.state = State::Broken;
        }
    });
}
