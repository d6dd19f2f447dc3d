//! What goes into a bundle, streamed from all tables under one snapshot.

use std::borrow::Cow;
use std::collections::VecDeque;

use bunker_bundle::{Column, Kind, Table, Value as Out};
use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;

use super::audit;
use super::sql::{self, Cursor, Row};
use crate::error::{Error, Result};
use crate::pg::sequence::{self, SequenceRef};
use crate::pg::time;
use crate::pg::value::Value;

/// A row, with a value for each column of its table.
pub type BundleRow = Vec<Out<'static>>;

static NUMBERS: SequenceRef = SequenceRef::new(c"bundle_number");

/// The next number of a bundle.
pub fn next_number() -> Result<i64> {
    sequence::next_value(&NUMBERS, &audit::TABLE)
}

/// Functions whose events say that nothing has changed, for a query.
const READS: &str = "audit,audit_all,audit_event,find_token,get_agreement,get_app,get_request,\
     get_session,get_shared,get_user,get_users,list_agreements,list_apps,list_requests,list_sessions,\
     list_users,lookup,tombstone,user_report,user_report_html,user_requests,user_version,user_versions";

/// Changes of everything at once, which leave no event of each user.
const SWEEPING: &str = "add_lookup,import_bundle,reindex_lookup,rotate_data_keys";

/// What the trail says about the time since an export.
pub struct Changes {
    /// Whether it has the event of that export.
    pub export_is_known: bool,
    /// Whether anything may have changed, so that the users of its events are not all.
    pub everything: bool,
    /// How many users its events are about.
    pub users: i64,
}

/// What has happened since a bundle was exported, of which the trail says `export`. Reads the events
/// after the number `floor`.
pub fn changes_since(floor: i64, export: &str) -> Result<Changes> {
    let changes = sql::row(
        "SELECT pg_catalog.bool_or(a.action OPERATOR(pg_catalog.=) 'export_bundle'
                                   AND a.message OPERATOR(pg_catalog.=) $2),
                pg_catalog.bool_or(a.token IS NULL AND a.status OPERATOR(pg_catalog.=) 'ok'
                    AND (a.action OPERATOR(pg_catalog.=) ANY (pg_catalog.string_to_array($3, ','))
                         OR pg_catalog.starts_with(a.action, 'direct_'))),
                pg_catalog.count(DISTINCT a.token) FILTER (WHERE a.action OPERATOR(pg_catalog.<>)
                                         ALL (pg_catalog.string_to_array($4, ',')))
           FROM bunker.audit AS a
          WHERE a.id OPERATOR(pg_catalog.>) $1",
        &[Value::Int8(floor), Value::Text(export), Value::Text(SWEEPING), Value::Text(READS)],
        |row| {
            Ok(Changes {
                export_is_known: row.optional(1)?.unwrap_or_default(),
                everything: row.optional(2)?.unwrap_or_default(),
                users: row.get(3)?,
            })
        },
    )?;
    changes.ok_or(Error::Internal("the trail could not be counted"))
}

/// About how many rows all tables have.
pub fn estimated_rows() -> Result<u64> {
    let rows: Option<f64> = sql::row(
        "SELECT COALESCE(pg_catalog.sum(c.reltuples) FILTER (
                    WHERE c.reltuples OPERATOR(pg_catalog.>) 0), 0)::pg_catalog.float8
           FROM pg_catalog.pg_class AS c
          WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY[
                    'bunker.record', 'bunker.lookup', 'bunker.record_version', 'bunker.app_data',
                    'bunker.app_data_version', 'bunker.session', 'bunker.share', 'bunker.agreement',
                    'bunker.request', 'bunker.expiration'
                ]::pg_catalog.regclass[]::pg_catalog.oid[])",
        &[],
        |row| row.get(1),
    )?;
    Ok(rows.unwrap_or_default() as u64)
}

/// Which rows of a table.
#[derive(Clone, Copy)]
pub enum Part {
    /// All.
    Whole,
    /// Those of users about whom there are events after a number, in the order of users.
    ChangedSince(i64),
}

/// The users whom the trail names after a number.
const CHANGED: &str = "(SELECT a.token FROM bunker.audit AS a
      WHERE a.id OPERATOR(pg_catalog.>) $1 AND a.token IS NOT NULL
        AND a.action OPERATOR(pg_catalog.<>) ALL (pg_catalog.string_to_array($2, ',')))";

/// Begins to read the users about whom there are events after a number, in their order.
pub fn changed_users(floor: i64) -> Result<Stream<Uuid>> {
    let statement = format!("SELECT DISTINCT c.token FROM {CHANGED} AS c ORDER BY c.token");
    let arguments = [Value::Int8(floor), Value::Text(READS)];
    Stream::open(&statement, &arguments, Box::new(|row| Ok((row.get(1)?, 16))))
}

/// Begins to read a table of bundles. Sessions and shares that have ended at the time `now` are left
/// out.
pub fn rows(table: &'static Table, part: Part, now: i64) -> Result<Stream<BundleRow>> {
    let source = Source::of(table);
    let columns: Vec<_> = table.columns.iter().map(|column| source.column(column)).collect();
    let lives = table.ends.map(|ends| format!(" AND t.{ends} OPERATOR(pg_catalog.>) $3"));
    let (floor, changed) = match part {
        Part::Whole => (0, String::new()),
        Part::ChangedSince(floor) => {
            let user = source.user;
            (floor, format!(" AND t.{user} OPERATOR(pg_catalog.=) ANY {CHANGED} ORDER BY t.{user}"))
        }
    };
    let (columns, lives) = (columns.join(", "), lives.unwrap_or_default());
    let Source { table: name, condition, .. } = source;
    let statement =
        format!("SELECT {columns} FROM bunker.{name} AS t WHERE {condition}{lives}{changed}");
    let arguments = [Value::Int8(floor), Value::Text(READS), Value::Time(now)];
    Stream::open(&statement, &arguments, Box::new(move |row| read(table, row)))
}

/// Where the rows of a bundle's table come from.
struct Source {
    table: &'static str,
    /// The column of the user.
    user: &'static str,
    condition: &'static str,
}

impl Source {
    fn of(table: &'static Table) -> Self {
        let (table, user, condition) = match table.name {
            "agreement" => ("agreement", "owner", "t.kind OPERATOR(pg_catalog.=) 0"),
            "unclaimed_agreement" => ("agreement", "owner", "t.kind OPERATOR(pg_catalog.<>) 0"),
            name => (name, "token", "true"),
        };
        Self { table, user, condition }
    }

    fn column(&self, column: &Column) -> String {
        let name = match (self.table, column.name) {
            ("agreement", "token") => "owner",
            ("user_schema", "document") => "schema",
            (_, name) => name,
        };
        match column.kind {
            Kind::Int => format!("t.{name}::pg_catalog.int8"),
            Kind::Json => format!("t.{name}::pg_catalog.text"),
            Kind::Uuid | Kind::Time | Kind::Text | Kind::Bytes => format!("t.{name}"),
        }
    }
}

/// A time as bundles have it, in microseconds since 1970-01-01 UTC.
pub fn unix_time(time: i64) -> Result<i64> {
    time::to_unix_micros(time).ok_or(Error::Damaged("a stored time"))
}

/// A uuid as bundles have it.
pub fn to_uuid(uuid: Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(*uuid.as_bytes())
}

/// A uuid as PostgreSQL has it.
pub fn from_uuid(uuid: uuid::Uuid) -> Uuid {
    Uuid::from_bytes(uuid.into_bytes())
}

fn read(table: &'static Table, row: &Row<'_>) -> Result<(BundleRow, usize)> {
    let mut bytes = 0;
    let mut values = Vec::with_capacity(table.columns.len());
    for (position, column) in table.columns.iter().enumerate() {
        let value = value(column.kind, row, position + 1)?;
        bytes += match &value {
            Out::Text(text) => text.len(),
            Out::Bytes(content) => content.len(),
            _ => 16,
        };
        values.push(value);
    }
    Ok((values, bytes))
}

fn value(kind: Kind, row: &Row<'_>, column: usize) -> Result<Out<'static>> {
    let value = match kind {
        Kind::Uuid => row.optional(column)?.map(|uuid| Out::Uuid(to_uuid(uuid))),
        Kind::Int => row.optional(column)?.map(Out::Int),
        Kind::Time => match row.optional::<TimestampWithTimeZone>(column)? {
            Some(time) => Some(Out::Int(unix_time(i64::from(time))?)),
            None => None,
        },
        Kind::Text | Kind::Json => {
            row.optional::<String>(column)?.map(|text| Out::Text(Cow::Owned(text)))
        }
        Kind::Bytes => row.optional::<Vec<u8>>(column)?.map(|bytes| Out::Bytes(Cow::Owned(bytes))),
    };
    Ok(value.unwrap_or(Out::Null))
}

/// About how many bytes of rows are in memory at a time.
const PORTION: usize = 1024 * 1024;
/// The most rows at a time.
const MAX_ROWS: usize = 500;

/// Reads a row, and says how many bytes it has.
type Read<T> = Box<dyn Fn(&Row<'_>) -> Result<(T, usize)>>;

/// The rows of a query, a portion of which is in memory at a time.
pub struct Stream<T> {
    cursor: Cursor,
    read: Read<T>,
    count: usize,
    waiting: VecDeque<T>,
}

impl<T> Stream<T> {
    fn open(statement: &str, arguments: &[Value<'_>], read: Read<T>) -> Result<Self> {
        // Rows may be large, which is seen at the first ones.
        let count = 16;
        Ok(Self {
            cursor: Cursor::open(statement, arguments)?,
            read,
            count,
            waiting: VecDeque::new(),
        })
    }

    /// The next rows, none at the end.
    pub fn portion(&mut self) -> Result<Vec<T>> {
        if !self.waiting.is_empty() {
            return Ok(self.waiting.drain(..).collect());
        }
        let mut bytes = 0;
        let rows = self.cursor.fetch(self.count, |row| {
            let (row, size) = (self.read)(row)?;
            bytes += size;
            Ok(row)
        })?;
        if let Some(average) = bytes.checked_div(rows.len()) {
            self.count = (PORTION / average.max(1)).clamp(1, MAX_ROWS);
        }
        Ok(rows)
    }

    /// The next rows, at most so many; none at the end.
    pub fn portion_up_to(&mut self, count: usize) -> Result<Vec<T>> {
        if self.waiting.is_empty() {
            self.waiting = self.portion()?.into();
        }
        let count = count.min(self.waiting.len());
        Ok(self.waiting.drain(..count).collect())
    }

    /// The next rows as long as `wanted` says so, and at most a portion of them; none when the next one
    /// is not wanted, or there is none.
    pub fn portion_while(&mut self, wanted: impl Fn(&T) -> bool) -> Result<Vec<T>> {
        if self.waiting.is_empty() {
            self.waiting = self.portion()?.into();
        }
        let count = self.waiting.iter().take_while(|row| wanted(row)).count();
        Ok(self.waiting.drain(..count).collect())
    }
}
