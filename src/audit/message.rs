//! What goes through the channel to the audit writer.

use std::borrow::Cow;
use std::rc::Rc;

use bunker_core::trail::EventMac;
use pgrx::Uuid;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::storage::audit::Event;

/// A message.
#[derive(Serialize, Deserialize)]
pub enum Message<'a> {
    /// An event that the writer has to write.
    #[serde(borrow)]
    Event(Fields<'a>),
    /// An event that its transaction has written and committed.
    Committed(Committed),
    /// Something that listeners are told, of a transaction that is committed.
    #[serde(borrow)]
    Announced(Announced<'a>),
}

/// What happened to whom.
#[derive(Serialize, Deserialize)]
pub struct Announced<'a> {
    /// What.
    pub event: &'a str,
    /// To whom.
    pub token: [u8; 16],
}

/// An event without a number: the writer gives it one.
#[derive(Serialize, Deserialize)]
pub struct Fields<'a> {
    at: i64,
    token: Option<[u8; 16]>,
    version: Option<i32>,
    action: &'a str,
    status: &'a str,
    actor: &'a str,
    kind: Option<&'a str>,
    app: Option<&'a str>,
    reason: Option<&'a str>,
    message: Option<&'a str>,
}

/// What the chain of seals needs of an event that is in its table already.
#[derive(Clone, Serialize, Deserialize)]
pub struct Committed {
    /// Its number.
    pub id: i64,
    /// When it happened, which says in which month's partition it lies.
    pub at: i64,
    /// Its MAC, unless the vault was sealed.
    pub mac: Option<EventMac>,
}

impl Committed {
    /// What the chain needs of an event.
    pub fn of(event: &Event) -> Self {
        Self { id: event.id, at: event.at, mac: event.mac }
    }
}

impl<'a> Message<'a> {
    /// The message that has an event written.
    pub fn of_event(event: &'a Event) -> Self {
        Self::Event(Fields {
            at: event.at,
            token: event.token.as_ref().map(|token| *token.as_bytes()),
            version: event.version,
            action: &event.action,
            status: &event.status,
            actor: &event.actor,
            kind: event.kind.as_deref(),
            app: event.app.as_deref(),
            reason: event.reason.as_deref(),
            message: event.message.as_deref(),
        })
    }

    /// The bytes for the channel.
    pub fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_allocvec(self).map_err(|_| Error::Internal("an audit event has no encoding"))
    }

    /// Reads what [`Self::encode`] has made.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        postcard::from_bytes(bytes).map_err(|_| Error::Internal("an audit event was garbled"))
    }
}

impl Fields<'_> {
    /// The event, under the number it has been given.
    pub fn into_event(self, id: i64) -> Event {
        Event {
            id,
            at: self.at,
            token: self.token.map(Uuid::from_bytes),
            version: self.version,
            action: Cow::Owned(self.action.to_owned()),
            status: Cow::Owned(self.status.to_owned()),
            actor: Rc::from(self.actor),
            kind: self.kind.map(str::to_owned),
            app: self.app.map(str::to_owned),
            reason: self.reason.map(str::to_owned),
            message: self.message.map(|message| Cow::Owned(message.to_owned())),
            mac: None,
        }
    }
}
