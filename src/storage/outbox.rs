//! `bunker.outbox`: events for other systems that nobody has numbered yet.

use std::collections::BinaryHeap;

use pgrx::Uuid;

use super::event::Announced;
use crate::error::{Error, Result};
use crate::pg::relation::TableRef;
use crate::pg::scan::{self, Row};
use crate::pg::value::{Place, Value};
use crate::pg::writer::{UniqueViolation, Writer};
use crate::pg::{remover, session};

/// The table.
pub static TABLE: TableRef = TableRef::without_key(c"outbox");

/// How many rows are gone through between two looks whether the call was cancelled.
const INTERRUPTIBLE: usize = 1_000;

/// Adds an event of the time `at` about each of some users.
pub fn insert<'a>(event: &str, at: i64, tokens: impl IntoIterator<Item = &'a Uuid>) -> Result<()> {
    let mut writer = Writer::open(&TABLE)?;
    for token in tokens {
        let values = [Value::Time(at), Value::Uuid(token), Value::Text(event)];
        writer.insert(&values)?.map_err(impossible)?;
    }
    writer.finish().map(drop).map_err(impossible)
}

/// Events that wait, and where they stand.
#[derive(Default)]
pub struct Waiting {
    /// The events, oldest first.
    pub events: Vec<Announced>,
    places: Vec<Place>,
}

/// The oldest events that are committed by now, or the caller's own; at most so many.
///
/// Oldest by their times: where a row stands says nothing once rows have been removed before it.
/// The whole table is read.
pub fn oldest(limit: usize) -> Result<Waiting> {
    select(limit, i64::MAX)
}

/// The same of those before a time.
pub fn oldest_before(time: i64, limit: usize) -> Result<Waiting> {
    select(limit, time)
}

fn select(limit: usize, before: i64) -> Result<Waiting> {
    // The youngest of those that are kept is on top, to make room for an older one.
    let mut kept: BinaryHeap<Kept> = BinaryHeap::new();
    let mut position = 0;
    scan::read_all(&TABLE, |row| {
        position += 1;
        if position % INTERRUPTIBLE == 0 {
            session::check_for_interrupts();
        }
        let at = row.time(1)?;
        let is_older = kept.len() < limit || kept.peek().is_some_and(|last| at < last.order.0);
        if at < before && is_older {
            kept.push(Kept::read(row, at, position)?);
            if kept.len() > limit {
                kept.pop();
            }
        }
        Ok(())
    })?;
    let mut waiting = Waiting::default();
    for Kept { place, announced, .. } in kept.into_sorted_vec() {
        waiting.events.push(announced);
        waiting.places.push(place);
    }
    Ok(waiting)
}

/// Takes events out. Nobody else may do so meanwhile, see [`super::event::lock_numbers`].
pub fn remove(waiting: &Waiting) -> Result<()> {
    remover::remove(&TABLE, &waiting.places)
}

/// A row, in the order of times and, within one time, of the table.
struct Kept {
    order: (i64, usize),
    place: Place,
    announced: Announced,
}

impl Kept {
    fn read(row: &Row, at: i64, position: usize) -> Result<Self> {
        let announced = Announced { at, token: row.uuid(2)?, event: row.text(3)?.to_owned() };
        Ok(Self { order: (at, position), place: row.place(), announced })
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

fn impossible(_: UniqueViolation) -> Error {
    Error::Internal("the outbox has a unique index")
}
