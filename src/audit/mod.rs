//! The audit trail: who did what to whose data.
//!
//! A write leaves its events in the transaction that does it ([`operation`]). A read, a refusal and a
//! failure leave theirs where no rollback reaches: with the audit writer, through shared memory
//! ([`access`], [`delivery`]).

mod access;
mod actor;
mod attempt;
mod delivery;
pub mod message;
mod mode;
mod operation;
mod standby;
mod written;

use pgrx::Uuid;
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::pg::{scan, time};
use crate::storage::audit::{self as table, Event};

pub use access::{Access, admit, inquire, read, refused};
pub use actor::be_maintenance;
pub use delivery::{GATE, catch_up, channel, ensure_writer, put_at_once};
pub use operation::{
    Change, Changed, Finding, about, changed, consequence, disclose, note, nothing_found,
    operation, remark, report, sum_up, unreported,
};
pub use written::{OBSERVER, number};

/// Events about one user, newest first.
pub fn of_user(token: &Uuid, before: Option<i64>, max_rows: i32) -> Result<Vec<Event>> {
    up_to_now(|| table::of_user(token, before, max_rows))
}

/// All events, newest first.
pub fn all(before: Option<i64>, max_rows: i32) -> Result<Vec<Event>> {
    up_to_now(|| table::all(before, max_rows))
}

/// One event.
pub fn find(id: i64) -> Result<Option<Event>> {
    up_to_now(|| table::find(id))
}

/// Reads the trail with all that was done before the question.
pub fn up_to_now<R>(read: impl FnOnce() -> R) -> R {
    delivery::catch_up();
    scan::with_latest_snapshot(read)
}

/// An event as JSON: the columns of `bunker_audit` by name.
pub fn describe(event: &Event) -> Map<String, Value> {
    let token = event.token.map(|token| token.to_string());
    let fields = [
        ("at", json!(time::to_json(event.at))),
        ("actor", json!(&*event.actor)),
        ("action", json!(event.action)),
        ("status", json!(event.status)),
        ("kind", json!(event.kind)),
        ("token", json!(token)),
        ("app", json!(event.app)),
        ("reason", json!(event.reason)),
        ("message", json!(event.message)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Who is recorded as the author of a version: the session's role.
pub fn author() -> String {
    actor::author()
}

/// Who is calling, as the trail has it.
pub fn caller() -> String {
    actor::current().to_string()
}
