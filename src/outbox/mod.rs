//! Events for other systems: what happened to whom, as a list to be read with a cursor, and as a NOTIFY
//! that says there is news.
//!
//! Beside `audit`, and below `service`: every use case that changes something announces it here, and
//! telling the listeners takes the road of the audit events, through the channel to the background
//! worker of the database. Unlike the trail it is no evidence. An event of the outbox says that
//! somebody may want to look; it holds no personal data and is kept for a while only.
//!
//! The list is the truth: an event is in it exactly when its transaction is committed. A notification
//! is a hint, and may be missing after a crash.

mod list;
mod telling;

use pgrx::Uuid;

use crate::error::Result;
use crate::pg::time;
use crate::storage::outbox as queue;

pub use list::{page, purge};
pub use telling::{CHANNEL, LOOK, OBSERVER, payload};

/// What other systems are told of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Announcement {
    /// A user was created.
    UserCreated,
    /// His profile was changed.
    UserChanged,
    /// He was forgotten.
    UserForgotten,
    /// An agreement of his was accepted, withdrawn or revoked, or has expired.
    ConsentChanged,
    /// He, or somebody for him, has asked for something.
    RequestOpened,
    /// A request of his was approved or cancelled.
    RequestDecided,
    /// He will be forgotten soon, unless somebody objects.
    ExpiryNear,
    /// He was forgotten because his time was over.
    ExpiryDone,
}

impl Announcement {
    /// The word in the list and in notifications.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserCreated => "user_created",
            Self::UserChanged => "user_changed",
            Self::UserForgotten => "user_forgotten",
            Self::ConsentChanged => "consent_changed",
            Self::RequestOpened => "request_opened",
            Self::RequestDecided => "request_decided",
            Self::ExpiryNear => "expiry_near",
            Self::ExpiryDone => "expiry_done",
        }
    }
}

/// Announces something that this transaction does to a user, if it is committed.
pub fn announce(event: Announcement, token: &Uuid) -> Result<()> {
    announce_all(event, [token])
}

/// The same for several users.
pub fn announce_all<'a>(
    event: Announcement,
    tokens: impl IntoIterator<Item = &'a Uuid, IntoIter: Clone>,
) -> Result<()> {
    let tokens = tokens.into_iter();
    // Now, not the transaction's start: of two changes of one user, the second has the later time.
    queue::insert(event.as_str(), time::now(), tokens.clone())?;
    telling::remember(event, tokens);
    Ok(())
}
