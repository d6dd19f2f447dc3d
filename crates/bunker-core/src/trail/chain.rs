//! The verifier of a chain of seals.

use super::anchor::Anchor;
use super::key::{TrailKey, same};
use super::seal::{Content, SEAL_MAC_LEN, Seal};
use crate::constant_text::constant_text;

/// How a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A seal is missing, repeated or out of order.
    Gap,
    /// The seal does not continue the one before it.
    Unlinked,
    /// The seal's own MAC is wrong: it was altered, or made without the key.
    Forged,
}

constant_text!(Broken {
    Self::Gap => "a seal is missing or out of order",
    Self::Unlinked => "a seal does not continue the one before it",
    Self::Forged => "a seal fails authentication",
});

/// A run of seals, checked one by one in rising order, in constant memory.
///
/// It judges the seals only. That the events of a seal are there is seen by comparing its digest
/// with the events'. That the chain goes on far enough is seen with an [`Anchor`] kept elsewhere:
/// some [`head`](Self::head) on the way must be equal to it.
pub struct Chain {
    head: Anchor,
    /// The number of the first seal of this run.
    begins: i64,
    /// The number of the oldest seal that must be there, by the last retention seal of this run.
    first_kept: i64,
}

impl Chain {
    /// A chain from its very beginning, seal number 1.
    #[must_use]
    pub fn from_start() -> Self {
        Self { head: Anchor::EMPTY, begins: 1, first_kept: 1 }
    }

    /// What retention has left of a chain: `first` is the number of its oldest seal, `previous`
    /// what that seal says is the MAC of the one before it.
    ///
    /// Both may come from the stored row itself: they are covered by its MAC, and
    /// [`finish`](Self::finish) asks whether the chain may begin there.
    #[must_use]
    pub fn from_kept(first: i64, previous: [u8; SEAL_MAC_LEN]) -> Self {
        let head = Anchor { number: first.saturating_sub(1), mac: previous };
        Self { head, begins: first, first_kept: 1 }
    }

    /// Checks the next seal, which `key` made if the row tells the truth, and goes on to it.
    ///
    /// `stored_mac` is compared in constant time. A seal that is refused changes nothing.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the first of number, previous MAC and own MAC that does not fit.
    pub fn check(
        &mut self,
        key: &TrailKey,
        seal: &Seal<'_>,
        stored_mac: &[u8],
    ) -> Result<(), Broken> {
        if self.head.number.checked_add(1) != Some(seal.number) {
            return Err(Broken::Gap);
        }
        if !same(seal.previous, &self.head.mac) {
            return Err(Broken::Unlinked);
        }
        let mac = key.seal_mac(seal);
        if !same(&mac, stored_mac) {
            return Err(Broken::Forged);
        }
        self.head = Anchor { number: seal.number, mac };
        if let Content::Retention { first_kept, .. } = seal.content {
            self.first_kept = first_kept;
        }
        Ok(())
    }

    /// The last seal that was checked, or the one before the first.
    #[must_use]
    pub fn head(&self) -> Anchor {
        self.head
    }

    /// The end of the chain, once every seal there is has been checked.
    ///
    /// # Errors
    ///
    /// [`Broken::Gap`] when seals are missing at the beginning that no retention seal of the chain
    /// has dropped.
    pub fn finish(&self) -> Result<Anchor, Broken> {
        if self.begins > self.first_kept { Err(Broken::Gap) } else { Ok(self.head) }
    }
}
