//! Calls that fail.

use std::borrow::Cow;
use std::rc::Rc;

use pgrx::Uuid;

use super::delivery;
use crate::error::{Error, Status};
use crate::guc;
use crate::storage::audit::Event;
use crate::storage::lookup_kind;

/// A call that has been begun. It leaves an event when it fails, also when PostgreSQL ends it: by a
/// lock's timeout, a full disk, a cancel.
pub struct Attempt {
    action: &'static str,
    actor: Rc<str>,
    /// Whether it has come to an end of its own, good or bad.
    done: bool,
}

impl Attempt {
    /// Begins a call of `action` by `actor`.
    pub fn begin(action: &'static str, actor: Rc<str>) -> Self {
        Self { action, actor, done: false }
    }

    /// Who calls.
    pub fn actor(&self) -> &Rc<str> {
        &self.actor
    }

    /// It has done what it should.
    pub fn succeed(mut self) {
        self.done = true;
    }

    /// It has failed, over the data of a user perhaps, who was named by a lookup kind perhaps.
    pub fn fail(mut self, kind: Option<&str>, token: Option<Uuid>, error: &Error) {
        self.done = true;
        delivery::deliver_failure(Event {
            kind: kind
                .filter(|kind| error.is_about_known_kind() || lookup_kind::is_built_in(kind))
                .map(str::to_owned),
            token,
            ..self.event(error.status(), error.message())
        });
    }

    fn event(&self, status: Status, message: Cow<'static, str>) -> Event {
        Event {
            status: Cow::Borrowed(status.as_str()),
            reason: guc::reason(),
            message: Some(message),
            ..Event::new(Cow::Borrowed(self.action), &self.actor)
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.done {
            let event = self.event(Status::Failed, Cow::Borrowed("ended by the server"));
            delivery::deliver_failure_at_once(&event);
        }
    }
}
