//! Reading the audit trail.

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use super::{required, timestamp};
use crate::error::{OrRaise, Result};
use crate::pg::jsonb::Jsonb;
use crate::service::verify::{self, Verdict};
use crate::service::{statistics, trail};
use crate::storage::audit::Event;

/// A row of the trail, in the order of the columns that `sql/50_audit.sql` declares.
type EventRow = (
    i64,
    TimestampWithTimeZone,
    String,
    String,
    String,
    Option<String>,
    Option<Uuid>,
    Option<String>,
    Option<String>,
    Option<String>,
);
type EventRows = TableIterator<'static, EventRow>;

#[pg_extern(sql = false)]
fn bunker_audit(
    kind: Option<&str>,
    value: Option<&str>,
    before: Option<i64>,
    max_rows: Option<i32>,
) -> EventRows {
    TableIterator::new(events_of_user(kind, value, before, max_rows).or_raise())
}

fn events_of_user(
    kind: Option<&str>,
    value: Option<&str>,
    before: Option<i64>,
    max_rows: Option<i32>,
) -> Result<Vec<EventRow>> {
    event_rows(trail::of_user(required(kind)?, required(value)?, before, required(max_rows)?)?)
}

#[pg_extern(sql = false)]
fn bunker_audit_all(before: Option<i64>, max_rows: Option<i32>) -> EventRows {
    let events = required(max_rows).and_then(|rows| trail::all(before, rows));
    TableIterator::new(events.and_then(event_rows).or_raise())
}

fn event_rows(events: Vec<Event>) -> Result<Vec<EventRow>> {
    events
        .into_iter()
        .map(|event| {
            Ok((
                event.id,
                timestamp(event.at)?,
                event.actor.to_string(),
                event.action.into_owned(),
                event.status.into_owned(),
                event.kind,
                event.token,
                event.app,
                event.reason,
                event.message.map(std::borrow::Cow::into_owned),
            ))
        })
        .collect()
}

#[pg_extern(sql = false)]
fn bunker_audit_event(id: i64) -> Option<Jsonb> {
    trail::event(id).or_raise()
}

type VerdictRows = TableIterator<'static, (bool, i64, Option<i64>, String)>;

#[pg_extern(sql = false)]
fn bunker_verify_audit() -> VerdictRows {
    verdict_rows(verify::verify())
}

#[pg_extern(sql = false)]
fn bunker_verify_audit_anchor(anchor: Option<&str>) -> VerdictRows {
    verdict_rows(required(anchor).and_then(verify::verify_against))
}

fn verdict_rows(verdict: Result<Verdict>) -> VerdictRows {
    let Verdict { ok, events, first_bad, detail } = verdict.or_raise();
    TableIterator::once((ok, events, first_bad, detail))
}

#[pg_extern(sql = false)]
fn bunker_audit_anchor() -> String {
    verify::anchor().or_raise()
}

type Counters = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i32);
type CounterRows = TableIterator<'static, Counters>;

/// The columns of `bunker.stat`.
#[pg_extern(sql = false)]
fn bunker_counters() -> CounterRows {
    TableIterator::new(statistics::read().map(|(tally, waiting, writer)| {
        let [
            reads,
            writes,
            refusals,
            flushes,
            events,
            largest,
            failed,
            waits,
            time,
            timeouts,
            high,
            seals,
        ] = tally;
        (
            reads, writes, refusals, flushes, events, largest, failed, waits, time, timeouts, high,
            seals, waiting, writer,
        )
    }))
}
