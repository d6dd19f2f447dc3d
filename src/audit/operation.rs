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

use super::{actor, delivery, written};
use crate::error::{Result, Status};
use crate::guc;
use crate::pg::relation::TableRef;
use crate::pg::{session, time};
use crate::storage::audit::{self as table, Event};

/// What a caller asked for, while it is being done.
pub struct Operation {
    action: &'static str,
    kind: Option<String>,
    /// Taken down at the start: while our own statements run, the current role is the tables' owner.
    actor: Rc<str>,
    reports: &'static TableRef,
    pending: Vec<Event>,
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
    let result = perform(
        Operation {
            action,
            kind: kind.map(str::to_owned),
            actor: Rc::clone(&attempt.actor),
            reports,
            pending: Vec::new(),
        },
        work,
    );
    attempt.end(kind, result)
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
    let upkeep = Operation {
        action: "",
        kind: None,
        actor: actor::current(),
        reports: &table::TABLE,
        pending: Vec::new(),
    };
    let _scope = Scope { outer: CURRENT.replace(Some(upkeep)) };
    work()
}

/// A call that has been begun. It leaves an event when it fails, also when PostgreSQL ends it: by a
/// lock's timeout, a full disk, a cancel.
pub(super) struct Attempt {
    action: &'static str,
    actor: Rc<str>,
    /// Whether it has come to an end of its own, good or bad.
    pub(super) done: bool,
}

impl Attempt {
    pub(super) fn begin(action: &'static str, actor: Rc<str>) -> Self {
        Self { action, actor, done: false }
    }

    fn end<R>(mut self, kind: Option<&str>, result: Result<R>) -> Result<R> {
        self.done = true;
        if let Err(error) = &result {
            delivery::deliver_failure(Event {
                kind: kind.filter(|_| error.is_about_known_kind()).map(str::to_owned),
                token: error.token(),
                status: Cow::Borrowed(error.status().as_str()),
                message: Some(error.message()),
                ..event(Cow::Borrowed(self.action), &self.actor)
            });
        }
        result
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.done {
            delivery::deliver_failure_at_once(&Event {
                status: Cow::Borrowed(Status::Failed.as_str()),
                message: Some(Cow::Borrowed("ended by the server")),
                ..event(Cow::Borrowed(self.action), &self.actor)
            });
        }
    }
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
    /// Whose row, where the table has one row a user.
    pub token: Option<Uuid>,
    /// The row's version.
    pub version: Option<i32>,
}

/// Records a change. Called by the triggers.
pub fn changed(changed: &Changed<'_>) -> Result<()> {
    let ours = CURRENT.with_borrow_mut(|current| -> Result<bool> {
        let Some(operation) = current else {
            return Ok(false);
        };
        if operation.reports.oid()? == changed.table {
            let mut event = event(Cow::Borrowed(operation.action), &operation.actor);
            event.kind.clone_from(&operation.kind);
            event.token = changed.token;
            event.version = changed.version;
            operation.pending.push(event);
        }
        Ok(true)
    })?;
    if ours {
        return Ok(());
    }
    let mut event = event(Cow::Borrowed(changed.change.direct_action()), &actor::current());
    event.token = changed.token;
    event.version = changed.version;
    event.message =
        Some(Cow::Owned(format!("{} was written past the functions", changed.table_name)));
    written::write(&mut [event])
}

fn event(action: Cow<'static, str>, actor: &Rc<str>) -> Event {
    Event {
        id: 0,
        at: time::now(),
        token: None,
        version: None,
        action,
        status: Cow::Borrowed(Status::Ok.as_str()),
        actor: Rc::clone(actor),
        kind: None,
        app: None,
        reason: guc::reason(),
        message: None,
        mac: None,
    }
}
