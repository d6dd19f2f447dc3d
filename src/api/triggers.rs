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
    let read = |row: &PgHeapTuple<'_, AllocatedByPostgres>| Row {
        token: row.get_by_index::<Uuid>(USER_TOKEN).ok().flatten(),
        subject: None,
        version: row.get_by_index::<i32>(RECORD_VERSION).ok().flatten(),
    };
    report_row(trigger, read).or_raise();
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

/// After each row of a table whose rows belong to users. The trigger names the columns: that of the
/// user's token and, if there is one, that of the name by which he tells such rows apart.
#[pg_trigger(sql = false)]
fn bunker_row_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, std::convert::Infallible> {
    belonging_changed(trigger).or_raise();
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

fn belonging_changed(trigger: &PgTrigger<'_>) -> Result<()> {
    let columns = trigger.extra_args().map_err(unreadable)?;
    let column = |position: usize| columns.get(position).map(String::as_str);
    report_row(trigger, |row| Row {
        token: column(0).and_then(|token| row.get_by_name::<Uuid>(token).ok().flatten()),
        subject: column(1).and_then(|name| row.get_by_name::<String>(name).ok().flatten()),
        version: column(2).and_then(|version| row.get_by_name::<i32>(version).ok().flatten()),
    })
}

/// Reports a change of a row. One that goes from a user to another has changed for both.
fn report_row(
    trigger: &PgTrigger<'_>,
    read: impl Fn(&PgHeapTuple<'_, AllocatedByPostgres>) -> Row,
) -> Result<()> {
    let old = trigger.old().map(|row| read(&row));
    let Some(new) = trigger.new().map(|row| read(&row)) else {
        return report(trigger, old.unwrap_or_default());
    };
    match old {
        Some(old) if old.token != new.token => report(trigger, old)?,
        _ => {}
    }
    report(trigger, new)
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
