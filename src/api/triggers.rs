//! What the triggers of `sql/20_triggers.sql` call.

use std::num::NonZeroUsize;

use pgrx::Uuid;
use pgrx::heap_tuple::PgHeapTuple;
use pgrx::prelude::*;
use pgrx::{AllocatedByPostgres, WhoAllocated};

use crate::audit::{self, Change, Changed};
use crate::error::{Error, OrRaise, Result};
use crate::storage;

/// `token` in every table that has one row a user: the first column.
const USER_TOKEN: NonZeroUsize = NonZeroUsize::MIN;
/// `version` in `bunker.record`.
const RECORD_VERSION: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// After each row of `bunker.record`: an event about its user.
#[pg_trigger(sql = false)]
fn bunker_record_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, std::convert::Infallible> {
    let row = trigger.new().or_else(|| trigger.old());
    let column = |row: &PgHeapTuple<'_, AllocatedByPostgres>| {
        (
            row.get_by_index::<Uuid>(USER_TOKEN).ok().flatten(),
            row.get_by_index::<i32>(RECORD_VERSION).ok().flatten(),
        )
    };
    let (token, version) = row.as_ref().map(column).unwrap_or_default();
    report(trigger, Row { token, subject: None, version }).or_raise();
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

/// After each row of a table whose rows belong to users. The trigger names the columns: that of the
/// user's token and, if there is one, that of the name by which he tells such rows apart.
#[pg_trigger(sql = false)]
fn bunker_row_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, std::convert::Infallible> {
    changed_row(trigger).and_then(|row| report(trigger, row)).or_raise();
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

fn changed_row(trigger: &PgTrigger<'_>) -> Result<Row> {
    let Some(row) = trigger.new().or_else(|| trigger.old()) else {
        return Ok(Row::default());
    };
    let columns = trigger.extra_args().map_err(unreadable)?;
    let column = |position: usize| columns.get(position).map(String::as_str);
    let text = |column| row.get_by_name::<String>(column).ok().flatten();
    Ok(Row {
        token: column(0).and_then(|token| row.get_by_name::<Uuid>(token).ok().flatten()),
        subject: column(1).and_then(text),
        version: column(2).and_then(|version| row.get_by_name::<i32>(version).ok().flatten()),
    })
}

/// After each statement on any other table: an event, and for tables whose rows backends cache, the
/// word to drop them.
#[pg_trigger(sql = false)]
fn bunker_table_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, std::convert::Infallible> {
    report(trigger, Row::default()).or_raise();
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

/// What a changed row says of itself.
#[derive(Default)]
struct Row {
    token: Option<Uuid>,
    subject: Option<String>,
    version: Option<i32>,
}

fn unreadable<E>(_: E) -> Error {
    Error::Internal("a trigger was called in an unknown way")
}

fn report(trigger: &PgTrigger<'_>, row: Row) -> Result<()> {
    let table = trigger.relid().map_err(unreadable)?;
    let change = match trigger.op().map_err(unreadable)? {
        PgTriggerOperation::Insert => Change::Insert,
        PgTriggerOperation::Update => Change::Update,
        PgTriggerOperation::Delete => Change::Delete,
        PgTriggerOperation::Truncate => Change::Truncate,
    };
    storage::invalidate(table)?;
    let table_name = trigger.table_name().map_err(unreadable)?;
    audit::changed(&Changed {
        table,
        table_name: &table_name,
        change,
        token: row.token,
        subject: row.subject,
        version: row.version,
    })
}
