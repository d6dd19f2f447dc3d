//! Events for other systems.

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use super::{required, timestamp};
use crate::error::{OrRaise, Result};
use crate::service::events;
use crate::storage::event::Announced;

type EventRow = (i64, TimestampWithTimeZone, String, Uuid);
type EventRows = TableIterator<'static, EventRow>;

#[pg_extern(sql = false)]
fn bunker_events(after: Option<i64>, max_rows: Option<i32>) -> EventRows {
    TableIterator::new(events_after(after, max_rows).or_raise())
}

fn events_after(after: Option<i64>, max_rows: Option<i32>) -> Result<Vec<EventRow>> {
    // A consumer that has read nothing yet has no number to start from.
    events::list(after.unwrap_or_default(), required(max_rows)?)?
        .into_iter()
        .map(|numbered| {
            let Announced { at, event, token } = numbered.announced;
            Ok((numbered.id, timestamp(at)?, event, token))
        })
        .collect()
}
