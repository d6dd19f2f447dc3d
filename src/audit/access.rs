//! Reads: what comes of one becomes events before the caller sees it.

use std::borrow::Cow;
use std::rc::Rc;

use pgrx::Uuid;

use super::attempt::Attempt;
use super::{actor, delivery, mode};
use crate::error::{Result, Status};
use crate::guc;
use crate::identity;
use crate::pg::session;
use crate::pg::tally::Tally;
use crate::storage::audit::Event;

/// A read while it is being done.
pub struct Access {
    action: &'static str,
    kind: Option<String>,
    actor: Rc<str>,
    app: Option<String>,
    reason: Option<String>,
    message: Option<Cow<'static, str>>,
    outcomes: Vec<(Option<Uuid>, Status)>,
    is_harmless: bool,
}

impl Access {
    /// Takes down what was found of a user, or that nothing was, and passes it on.
    pub fn outcome<T>(&mut self, token: &Uuid, found: Option<T>) -> Option<T> {
        let status = if found.is_some() { Status::Ok } else { Status::NotFound };
        self.outcomes.push((Some(*token), status));
        found
    }

    /// Which of the user's data, by a name that is no personal data: of an app, a legal basis.
    pub fn concerns(&mut self, name: &str) {
        self.app = Some(name.to_owned());
    }

    /// Nothing of any user leaves with this call: it need not wait for its events.
    pub fn tells_nothing(&mut self) {
        self.is_harmless = true;
    }

    /// The purpose, where the call itself states it.
    pub fn because(&mut self, reason: &str) {
        self.reason = Some(reason.to_owned());
    }

    /// Something was told that is no single user's.
    pub fn told(&mut self, message: String) {
        self.message = Some(Cow::Owned(message));
        self.outcomes.push((None, Status::Ok));
    }

    /// The events of a read that succeeded, at least one.
    fn events(mut self) -> Vec<Event> {
        if self.outcomes.is_empty() {
            self.outcomes.push((None, Status::NotFound));
        }
        let outcomes = std::mem::take(&mut self.outcomes);
        outcomes.into_iter().map(|(token, status)| self.event(token, status)).collect()
    }

    fn event(&self, token: Option<Uuid>, status: Status) -> Event {
        Event {
            token,
            status: Cow::Borrowed(status.as_str()),
            kind: self.kind.clone(),
            app: self.app.clone(),
            reason: self.reason.clone(),
            message: self.message.clone(),
            ..Event::new(Cow::Borrowed(self.action), &self.actor)
        }
    }
}

/// Leaves an event about a call that PostgreSQL itself has refused, for want of EXECUTE on the
/// function `action`.
pub fn refused(action: &str) {
    // Somebody's own function may be called like one of ours, and mean nothing to the trail.
    if !identity::is_action(action) {
        return;
    }
    delivery::deliver_refusal(&Event {
        status: Cow::Borrowed(Status::Denied.as_str()),
        reason: guc::reason(),
        message: Some(Cow::Borrowed("no privilege to execute the function")),
        ..Event::new(Cow::Owned(action.to_owned()), &actor::without_catalogs())
    });
}

/// Lets a call go on that leaves no event, because it tells nothing of any user. That it is refused is
/// one.
pub fn admit(action: &'static str) -> Result<()> {
    inquire(action, None, || Ok(()))
}

/// Does `work` as the call `action`, which leaves no event unless it is refused: a look into the trail
/// is none of the trail's own.
///
/// `kind` is the lookup kind by which the user was named, if he was.
pub fn inquire<R>(
    action: &'static str,
    kind: Option<&str>,
    work: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let result = identity::admit(action).and_then(|()| work());
    if let Err(error) = &result
        && error.status() == Status::Denied
    {
        Attempt::begin(action, actor::current()).fail(kind, error.token(), error);
    }
    result
}

/// Does `work` as the read `action` (a function's name without `bunker_`). Its result is returned
/// when its events are delivered, see [`mode::deliver`]; an error of its own leaves an event, too.
///
/// `kind` is the lookup kind by which the user was named, if he was.
pub fn read<R>(
    action: &'static str,
    kind: Option<&str>,
    work: impl FnOnce(&mut Access) -> Result<R>,
) -> Result<R> {
    let mut access = Access {
        action,
        kind: kind.map(str::to_owned),
        actor: actor::current(),
        app: None,
        reason: guc::reason(),
        message: None,
        outcomes: Vec::new(),
        is_harmless: false,
    };
    let attempt = Attempt::begin(action, Rc::clone(&access.actor));
    let admitted = session::refuse_parallel().and_then(|()| identity::admit(action));
    match admitted.and_then(|()| work(&mut access)) {
        Ok(result) => {
            attempt.succeed();
            let is_harmless = access.is_harmless;
            let mut events = access.events();
            if let Some(channel) = delivery::channel() {
                Tally::add(&channel.tally.reads, events.len() as u64);
            }
            mode::deliver(&mut events, is_harmless)?;
            Ok(result)
        }
        Err(error) => {
            let token = error.token().or_else(|| access.outcomes.first().and_then(|o| o.0));
            attempt.fail(kind, token, &error);
            Err(error)
        }
    }
}
