//! `bunker.audit`: the audit trail.

use std::borrow::Cow;
use std::rc::Rc;

use pgrx::{Uuid, pg_sys};

use super::sql;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::sequence;
use crate::pg::value::Value;
use crate::pg::writer::{UniqueViolation, Writer};

/// The table.
pub static TABLE: TableRef = TableRef::new(c"audit", c"audit_pkey");

/// An event as it is stored.
#[derive(Clone)]
pub struct Event {
    /// Number, rising.
    pub id: i64,
    /// When.
    pub at: i64,
    /// Whose data.
    pub token: Option<Uuid>,
    /// Which version the event made.
    pub version: Option<i32>,
    /// The function's name without `bunker_`.
    pub action: Cow<'static, str>,
    /// `ok`, `not_found`, `denied` or `failed`.
    pub status: Cow<'static, str>,
    /// Who.
    pub actor: Rc<str>,
    /// By which lookup kind.
    pub kind: Option<String>,
    /// Which app's data.
    pub app: Option<String>,
    /// The stated purpose.
    pub reason: Option<String>,
    /// What else is to be said.
    pub message: Option<Cow<'static, str>>,
}

/// Where event numbers come from.
static NUMBERS: sequence::SequenceRef = sequence::SequenceRef::new(c"audit_id");

/// The next event number.
pub fn next_id() -> Result<i64> {
    sequence::next_value(&NUMBERS, &TABLE)
}

/// Adds events.
pub fn insert(events: &[Event]) -> Result<()> {
    let mut writer = Writer::open(&TABLE)?;
    for event in events {
        let values = [
            Value::Int8(event.id),
            Value::Time(event.at),
            Value::uuid(event.token.as_ref()),
            event.version.map_or(Value::Null(pg_sys::INT4OID), Value::Int4),
            Value::Text(&event.action),
            Value::Text(&event.status),
            Value::Text(&event.actor),
            Value::text(event.kind.as_deref()),
            Value::text(event.app.as_deref()),
            Value::text(event.reason.as_deref()),
            Value::text(event.message.as_deref()),
        ];
        writer.insert(&values)?.map_err(given_out_twice)?;
    }
    writer.finish().map(drop).map_err(given_out_twice)
}

/// Events about one user, newest first, before an event's number.
pub fn of_user(token: &Uuid, before: Option<i64>, limit: i32) -> Result<Vec<Event>> {
    sql::rows(
        "SELECT a.id, a.at, a.token, a.version, a.action, a.status, a.actor, a.kind, a.app,
                a.reason, a.message
           FROM bunker.audit AS a
          WHERE a.token OPERATOR(pg_catalog.=) $1 AND a.id OPERATOR(pg_catalog.<) $2
          ORDER BY a.id DESC
          LIMIT $3",
        &[Value::Uuid(token), Value::Int8(before.unwrap_or(i64::MAX)), Value::Int4(limit)],
        read,
    )
}

/// All events, newest first, before an event's number.
pub fn all(before: Option<i64>, limit: i32) -> Result<Vec<Event>> {
    sql::rows(
        "SELECT a.id, a.at, a.token, a.version, a.action, a.status, a.actor, a.kind, a.app,
                a.reason, a.message
           FROM bunker.audit AS a
          WHERE a.id OPERATOR(pg_catalog.<) $1
          ORDER BY a.id DESC
          LIMIT $2",
        &[Value::Int8(before.unwrap_or(i64::MAX)), Value::Int4(limit)],
        read,
    )
}

/// One event.
pub fn find(id: i64) -> Result<Option<Event>> {
    sql::row(
        "SELECT a.id, a.at, a.token, a.version, a.action, a.status, a.actor, a.kind, a.app,
                a.reason, a.message
           FROM bunker.audit AS a
          WHERE a.id OPERATOR(pg_catalog.=) $1",
        &[Value::Int8(id)],
        read,
    )
}

/// How many events there are.
pub fn count() -> Result<i64> {
    let count = sql::row("SELECT pg_catalog.count(*) FROM bunker.audit", &[], |row| row.get(1))?;
    Ok(count.unwrap_or_default())
}

fn read(row: &sql::Row<'_>) -> Result<Event> {
    Ok(Event {
        id: row.get(1)?,
        at: row.time(2)?,
        token: row.optional(3)?,
        version: row.optional(4)?,
        action: row.get::<String>(5)?.into(),
        status: row.get::<String>(6)?.into(),
        actor: row.get::<String>(7)?.into(),
        kind: row.optional(8)?,
        app: row.optional(9)?,
        reason: row.optional(10)?,
        message: row.optional::<String>(11)?.map(Cow::Owned),
    })
}

fn given_out_twice(_: UniqueViolation) -> Error {
    Error::Internal("an event number was given out twice")
}
