//! `bunker.audit`: the audit trail, a partition a month (see [`super::partition`]).

use std::borrow::Cow;
use std::rc::Rc;

use bunker_core::trail::{self, EventMac};
use pgrx::pg_sys::Oid;
use pgrx::{Uuid, pg_sys};

use super::pages::Pages;
use super::sql;
use crate::error::{Error, Result, Status};
use crate::pg::relation::{OpenTable, TableRef};
use crate::pg::value::Value;
use crate::pg::writer::{UniqueViolation, Writer};
use crate::pg::{sequence, time};

/// The table. Its partitions have indexes of their own: see `sql/10_tables.sql`.
pub static TABLE: TableRef = TableRef::without_key(c"audit");

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
    /// Authenticates all of the above; missing where the vault was sealed.
    pub mac: Option<EventMac>,
}

impl Event {
    /// An event that happens now and is `ok`, without a number and all that is not always there.
    pub fn new(action: Cow<'static, str>, actor: &Rc<str>) -> Self {
        Self {
            id: 0,
            at: time::now(),
            token: None,
            version: None,
            action,
            status: Cow::Borrowed(Status::Ok.as_str()),
            actor: Rc::clone(actor),
            kind: None,
            app: None,
            reason: None,
            message: None,
            mac: None,
        }
    }

    /// What the event's MAC covers.
    pub fn fields(&self) -> trail::Event<'_> {
        trail::Event {
            id: self.id,
            at: self.at,
            token: self.token.as_ref().map(|token| *token.as_bytes()),
            version: self.version,
            action: &self.action,
            status: &self.status,
            actor: &self.actor,
            kind: self.kind.as_deref(),
            app: self.app.as_deref(),
            reason: self.reason.as_deref(),
            message: self.message.as_deref(),
        }
    }
}

/// The role that owns the trail.
pub fn owner() -> Result<Oid> {
    Ok(OpenTable::open(&TABLE, pg_sys::AccessShareLock)?.owner())
}

/// Where event numbers come from.
static NUMBERS: sequence::SequenceRef = sequence::SequenceRef::new(c"audit_id");

/// The next event number.
pub fn next_id() -> Result<i64> {
    sequence::next_value(&NUMBERS, &TABLE)
}

/// The highest number that was given to an event, committed or not.
pub fn last_number() -> Result<i64> {
    let last = sql::row("SELECT s.last_value FROM bunker.audit_id AS s", &[], |row| row.get(1))?;
    last.ok_or(Error::Internal("a sequence gave no number"))
}

/// Whether a transaction of this database is prepared.
pub fn any_prepared() -> Result<bool> {
    let any = sql::row(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts AS x
                         WHERE x.database OPERATOR(pg_catalog.=) pg_catalog.current_database())",
        &[],
        |row| row.get(1),
    )?;
    Ok(any.unwrap_or_default())
}

/// Adds events, each to the partition of its time.
pub fn insert(events: &[Event]) -> Result<()> {
    let mut remaining = events;
    while let Some(first) = remaining.first() {
        let (mut writer, stretch) = Writer::open_partition(&TABLE, first.at)?;
        let fits = |event: &&Event| stretch.times.contains(&event.at);
        let (fitting, others) = remaining.split_at(remaining.iter().take_while(fits).count());
        for event in fitting {
            writer.insert(&columns(event))?.map_err(given_out_twice)?;
        }
        writer.finish().map_err(given_out_twice)?;
        remaining = others;
    }
    Ok(())
}

/// The values of an event, in the order of the table's columns.
fn columns(event: &Event) -> [Value<'_>; 12] {
    [
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
        event.mac.as_ref().map_or(Value::Null(pg_sys::BYTEAOID), |mac| Value::Bytes(mac)),
    ]
}

/// A statement that selects events, in the order of [`columns`].
macro_rules! select {
    ($conditions:literal) => {
        concat!(
            "SELECT a.id, a.at, a.token, a.version, a.action, a.status, a.actor, a.kind, a.app,
                    a.reason, a.message, a.mac
               FROM bunker.audit AS a
              WHERE ",
            $conditions
        )
    };
}

/// Events about one user, newest first, before an event's number.
pub fn of_user(token: &Uuid, before: Option<i64>, limit: i32) -> Result<Vec<Event>> {
    sql::rows(
        select!(
            "a.token OPERATOR(pg_catalog.=) $1 AND a.id OPERATOR(pg_catalog.<) $2
             ORDER BY a.id DESC
             LIMIT $3"
        ),
        &[Value::Uuid(token), Value::Int8(before.unwrap_or(i64::MAX)), Value::Int4(limit)],
        read,
    )
}

/// All events, newest first, before an event's number.
pub fn all(before: Option<i64>, limit: i32) -> Result<Vec<Event>> {
    sql::rows(
        select!(
            "a.id OPERATOR(pg_catalog.<) $1
             ORDER BY a.id DESC
             LIMIT $2"
        ),
        &[Value::Int8(before.unwrap_or(i64::MAX)), Value::Int4(limit)],
        read,
    )
}

/// Whether an event of this action says this about a user.
pub fn says(token: &Uuid, action: &str, message: &str) -> Result<bool> {
    let says = sql::row(
        "SELECT EXISTS (SELECT FROM bunker.audit AS a
                         WHERE a.token OPERATOR(pg_catalog.=) $1
                           AND a.action OPERATOR(pg_catalog.=) $2
                           AND a.message OPERATOR(pg_catalog.=) $3)",
        &[Value::Uuid(token), Value::Text(action), Value::Text(message)],
        |row| row.get(1),
    )?;
    Ok(says.unwrap_or_default())
}

/// What events of this action say that are about nobody.
pub fn said_of_nobody(action: &str) -> Result<Vec<String>> {
    sql::rows(
        "SELECT a.message
           FROM bunker.audit AS a
          WHERE a.token IS NULL AND a.action OPERATOR(pg_catalog.=) $1 AND a.message IS NOT NULL",
        &[Value::Text(action)],
        |row| row.get(1),
    )
}

/// The events after a number, oldest first.
pub fn since(id: i64) -> Pages<Event> {
    const SIZE: i32 = 1_000;
    Pages::after(id, SIZE, page, |event| event.id)
}

fn page(id: i64, limit: i32) -> Result<Vec<Event>> {
    sql::rows(
        select!(
            "a.id OPERATOR(pg_catalog.>) $1
             ORDER BY a.id
             LIMIT $2"
        ),
        &[Value::Int8(id), Value::Int4(limit)],
        read,
    )
}

/// Those of these events that exist, by rising number. All are held in memory at once: ask for them
/// in batches.
pub fn with_numbers(ids: &[i64]) -> Result<Vec<Event>> {
    sql::rows(
        select!(
            "a.id OPERATOR(pg_catalog.=) ANY ($1)
             ORDER BY a.id"
        ),
        &[Value::Int8s(ids)],
        read,
    )
}

/// One event.
pub fn find(id: i64) -> Result<Option<Event>> {
    sql::row(select!("a.id OPERATOR(pg_catalog.=) $1"), &[Value::Int8(id)], read)
}

/// How many events there are.
pub fn count() -> Result<i64> {
    let count = sql::row("SELECT pg_catalog.count(*) FROM bunker.audit", &[], |row| row.get(1))?;
    Ok(count.unwrap_or_default())
}

/// How many events happened from one time to before another.
pub fn count_between(from: i64, to: i64) -> Result<i64> {
    let count = sql::row(
        "SELECT pg_catalog.count(*) FROM bunker.audit AS a
          WHERE a.at OPERATOR(pg_catalog.>=) $1 AND a.at OPERATOR(pg_catalog.<) $2",
        &[Value::Time(from), Value::Time(to)],
        |row| row.get(1),
    )?;
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
        mac: row.optional::<Vec<u8>>(12)?.map(mac).transpose()?,
    })
}

fn mac(bytes: Vec<u8>) -> Result<EventMac> {
    bytes.try_into().map_err(|_| Error::Damaged("an audit event"))
}

fn given_out_twice(_: UniqueViolation) -> Error {
    Error::Internal("an event number was given out twice")
}
