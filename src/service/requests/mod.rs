//! Requests of the data subject: filed by him or for him, decided by somebody else.
//!
//! Whoever files, decides or forgets takes the lock on the user's record first and those on his
//! requests after it, so that nobody waits in a circle.

mod change;
mod decide;
mod erase;
mod file;
mod party;
mod read;
mod sealed;
pub mod self_service;
mod wish;

use crate::error::{Error, Result};
use crate::storage::request::Row;

pub use decide::{approve, cancel};
pub use erase::erase;
pub use file::{Known, bring, request};
pub use read::{Listed, each_of_owner, get, list, of_user};
pub use wish::Wish;

/// How far a request has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Approved,
    Cancelled,
}

impl State {
    fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Approved, Self::Cancelled].into_iter().find(|state| state.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(row: &Row) -> Result<Self> {
        Self::named(&row.status).ok_or(DAMAGED)
    }
}

/// A row that does not fit together.
const DAMAGED: Error = Error::Damaged("a request");
