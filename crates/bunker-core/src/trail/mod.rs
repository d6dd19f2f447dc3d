//! The audit trail's tamper evidence: what is computed, without a database.
//!
//! Each event carries a MAC of its own, made by whoever inserts it. Seals then gather events into
//! batches and form a chain: each authenticates the ids and MACs of its events and the seal before
//! it. Dropping what is too old is a seal of that chain too.
//!
//! | module | what it makes |
//! |---|---|
//! | [`event`] | what an event's MAC covers |
//! | [`seal`] | what a seal's MAC covers |
//! | [`key`] | the keyed MACs of both |
//! | [`mod@digest`] | the digest of a batch of events |
//! | [`ids`] | the event ids of a batch, packed |
//! | [`chain`] | the verifier of a run of seals |
//! | [`anchor`] | the end of the chain in one line, to be kept elsewhere |
//!
//! Who can write to the tables but has no key can neither alter, remove, insert nor swap an event
//! that is sealed, nor a seal with another after it, without that showing. Cutting off the end of
//! the chain, seals and events together, shows only to whoever kept an [`Anchor`].
//!
//! Every byte is written down in `docs/FORMAT.md`, "Audit trail", with vectors the tests read.

pub mod anchor;
pub mod chain;
pub mod digest;
pub mod event;
pub mod ids;
pub mod key;
pub mod seal;
#[cfg(test)]
mod tests;

pub use anchor::{Anchor, ParseAnchorError};
pub use chain::{Broken, Chain};
pub use digest::{Digest, Entry, digest};
pub use event::{EVENT_MAC_LEN, Event, EventMac};
pub use ids::IdsError;
pub use key::{TrailKey, same};
pub use seal::{Content, GENESIS, SEAL_MAC_LEN, Seal};
