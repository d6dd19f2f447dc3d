//! Writes: every row they change becomes an event of the transaction that changes it.
//!
//! A write of ours runs inside an [`Operation`]. The row triggers of the tables report each changed
//! row; inside an operation the row becomes an event of that operation, outside of one it was
//! written past our functions and becomes an event that says so.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use pgrx::Uuid;
use pgrx::pg_sys::Oid;

use super::attempt::Attempt;
use super::{actor, mode, written};
use crate::error::{Result, Status};
use crate::guc;
use crate::identity;
use crate::pg::relation::TableRef;
use crate::pg::session;
use crate::storage::audit::{self as table, Event};

/// What a caller asked for, while it is being done.
pub struct Operation {
    action: &'static str,
    kind: Option<String>,
    /// Taken down at the start: while our own statements run, the current role is the tables' owner.
    actor: Rc<str>,
    reports: &'static TableRef,
    /// What the events say besides.
    message: Option<Cow<'static, str>>,
    /// About whom the events are whose rows name no user.
    about: Option<Uuid>,
    pending: Vec<Event>,
}

impl Operation {
    fn new(
        action: &'static str,
        kind: Option<&str>,
        actor: Rc<str>,
        reports: &'static TableRef,
    ) -> Self {
        let kind = kind.map(str::to_owned);
        Self { action, kind, actor, reports, message: None, about: None, pending: Vec::new() }
    }

    fn event(&self) -> Event {
        Event {
            kind: self.kind.clone(),
            message: self.message.clone(),
            token: self.about,
            ..event(self.action, &self.actor)
        }
    }
}

thread_local! {
    /// The operation that is under way in this backend.
    static CURRENT: RefCell<Option<Operation>> = const { RefCell::new(None) };
}

/// Ends the operation when it goes out of scope, however that comes about.
struct Scope {
    outer: Option<Operation>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.set(self.outer.take());
    }
}

/// Does `work` as the operation `action` (a function's name without `bunker_`) and writes its
/// events: one for each row of `reports` that it changes. If it fails, that is an event, too, which
/// outlives the transaction.
///
/// `kind` is the lookup kind by which the user was named, if he was.
pub fn operation<R>(
    action: &'static str,
    kind: Option<&str>,
    reports: &'static TableRef,
    work: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let attempt = Attempt::begin(action, actor::current());
    session::require_read_write(c"a change of the vault");
    let operation = Operation::new(action, kind, Rc::clone(attempt.actor()), reports);
    let result = perform(operation, || identity::admit(action).and_then(|()| work()));
    match &result {
        Ok(_) => attempt.succeed(),
        Err(error) => attempt.fail(kind, error.token(), error),
    }
    result
}

/// Does `work`, which another call has led to, or maintenance: the rows of `reports` that it changes are
/// events of `action`. Who may do so was decided before; if it fails, so does what it is part of.
pub fn consequence<R>(
    action: &'static str,
    reports: &'static TableRef,
    work: impl FnOnce() -> Result<R>,
) -> Result<R> {
    // While our own statements run, the current role is the tables' owner.
    let outer = with_running(|outer| Rc::clone(&outer.actor));
    let actor = outer.unwrap_or_else(actor::current);
    perform(Operation::new(action, None, actor, reports), work)
}

/// Does something to the running operation; `None` when there is none.
fn with_running<R>(work: impl FnOnce(&mut Operation) -> R) -> Option<R> {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(work))
}

/// Has the events of all rows that the running operation changes from now on say what becomes of them.
/// The trail is in the clear: nothing that is personal.
pub fn remark(message: impl Into<Cow<'static, str>>) {
    with_running(|operation| operation.message = Some(message.into()));
}

/// Has the events of all rows that the running operation changes from now on, and that name no user, be
/// about this one; `None` for nobody.
pub fn about(token: Option<Uuid>) {
    with_running(|operation| operation.about = token);
}

/// Adds an event to the running operation that no row of its table makes: of what it did elsewhere, or
/// did not need to do. `subject`, where there is one, is as in [`Changed`].
pub fn note(token: Option<&Uuid>, subject: Option<&str>, message: impl Into<Cow<'static, str>>) {
    with_running(|operation| {
        operation.pending.push(Event {
            token: token.copied(),
            app: subject.map(str::to_owned),
            message: Some(message.into()),
            ..operation.event()
        });
    });
}

/// What a call has found out about a part of its work and changed nothing.
pub struct Finding {
    /// About whom, if about a user.
    pub token: Option<Uuid>,
    /// How that part has ended.
    pub status: Status,
    /// Why nothing was changed, without any value.
    pub message: Cow<'static, str>,
}

/// Delivers an event of the running operation for each finding, as of a read: the caller is about to be
/// told, and no rollback takes that back.
///
/// # Errors
/// The events could not be written: he must not be told.
pub fn disclose(findings: Vec<Finding>) -> Result<()> {
    let Some(event) = with_running(|operation| operation.event()).filter(|_| !findings.is_empty())
    else {
        return Ok(());
    };
    let tell = |finding: Finding| Event {
        token: finding.token,
        status: Cow::Borrowed(finding.status.as_str()),
        message: Some(finding.message),
        ..event.clone()
    };
    let mut events: Vec<_> = findings.into_iter().map(tell).collect();
    mode::deliver(&mut events, false)
}

/// Adds an event to the running operation that what it was to end, of a user perhaps and by a name
/// perhaps, is not there.
pub fn nothing_found(token: Option<&Uuid>, subject: Option<&str>) {
    with_running(|operation| {
        operation.pending.push(Event {
            status: Cow::Borrowed(Status::NotFound.as_str()),
            token: token.copied(),
            app: subject.map(str::to_owned),
            ..operation.event()
        });
    });
}

fn perform<R>(operation: Operation, work: impl FnOnce() -> Result<R>) -> Result<R> {
    let scope = Scope { outer: CURRENT.replace(Some(operation)) };
    let result = work()?;
    let mut events = CURRENT.take().map(|operation| operation.pending).unwrap_or_default();
    drop(scope);
    if !events.is_empty() {
        written::write(&mut events)?;
    }
    Ok(result)
}

/// Does `work`, whose writes are upkeep of the trail itself and no events.
pub fn unreported<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    let upkeep = Operation::new("", None, actor::current(), &table::TABLE);
    let _scope = Scope { outer: CURRENT.replace(Some(upkeep)) };
    work()
}

/// How a row was changed.
#[derive(Clone, Copy)]
pub enum Change {
    /// INSERT, COPY
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
    /// TRUNCATE
    Truncate,
}

impl Change {
    fn direct_action(self) -> &'static str {
        match self {
            Self::Insert => "direct_insert",
            Self::Update => "direct_update",
            Self::Delete => "direct_delete",
            Self::Truncate => "direct_truncate",
        }
    }
}

/// A change that a trigger saw.
pub struct Changed<'a> {
    /// The table's oid.
    pub table: Oid,
    /// The table's name, for people.
    pub table_name: &'a str,
    /// What happened.
    pub change: Change,
    /// Whose row, where rows belong to users.
    pub token: Option<Uuid>,
    /// Which of his, by a name that is no personal data: of an app, a legal basis, an action.
    pub subject: Option<String>,
    /// The row's version.
    pub version: Option<i32>,
}

impl Changed<'_> {
    fn complete(&self, event: &mut Event) {
        event.token = self.token.or(event.token);
        event.app.clone_from(&self.subject);
        event.version = self.version;
    }
}

/// Records a change. Called by the triggers.
pub fn changed(changed: &Changed<'_>) -> Result<()> {
    let ours = with_running(|operation| {
        if operation.reports.oid()? == changed.table {
            let mut event = operation.event();
            changed.complete(&mut event);
            operation.pending.push(event);
        }
        Ok(())
    });
    if let Some(recorded) = ours {
        return recorded;
    }
    let mut event = event(changed.change.direct_action(), &actor::current());
    changed.complete(&mut event);
    event.message =
        Some(Cow::Owned(format!("{} was written past the functions", changed.table_name)));
    written::write(&mut [event])
}

/// Leaves an event about a user of which no changed row tells, in the transaction: one of the
/// operation under way, if there is one.
pub fn report(action: &'static str, token: &Uuid) -> Result<()> {
    let event = |actor: &Rc<str>| Event { token: Some(*token), ..event(action, actor) };
    match with_running(|operation| operation.pending.push(event(&operation.actor))) {
        Some(()) => Ok(()),
        None => written::write(&mut [event(&actor::current())]),
    }
}

/// Leaves one event, in the transaction, that says what was done with rows of many users.
pub fn sum_up(action: &'static str, message: String) -> Result<()> {
    let event = event(action, &actor::current());
    written::write(&mut [Event { message: Some(Cow::Owned(message)), ..event }])
}

fn event(action: &'static str, actor: &Rc<str>) -> Event {
    Event { reason: guc::reason(), ..Event::new(Cow::Borrowed(action), actor) }
}
