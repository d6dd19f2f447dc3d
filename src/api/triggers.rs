//! What the triggers of `sql/20_triggers.sql` call.

use std::num::NonZeroUsize;

use pgrx::Uuid;
use pgrx::heap_tuple::PgHeapTuple;
use pgrx::prelude::*;
use pgrx::{AllocatedByPostgres, WhoAllocated};

use crate::audit::{self, Change, Changed};
use crate::error::{Error, OrRaise, Result};
use crate::storage;

/// `token` and `version` in `bunker.record`, in the order of its columns.
const RECORD_TOKEN: NonZeroUsize = NonZeroUsize::MIN;
const RECORD_VERSION: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// After each row of `bunker.record`: an event about its user.
#[pg_trigger(sql = false)]
fn bunker_record_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, std::convert::Infallible> {
    let row = trigger.new().or_else(|| trigger.old());
    let column = |row: &PgHeapTuple<'_, AllocatedByPostgres>| {
        (
            row.get_by_index::<Uuid>(RECORD_TOKEN).ok().flatten(),
            row.get_by_index::<i32>(RECORD_VERSION).ok().flatten(),
        )
    };
    let (token, version) = row.as_ref().map(column).unwrap_or_default();
    report(trigger, token, version).or_raise();
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

/// After each statement on any other table: an event, and for tables whose rows backends cache, the
/// word to drop them.
#[pg_trigger(sql = false)]
fn bunker_table_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, std::convert::Infallible> {
    report(trigger, None, None).or_raise();
    Ok(None::<PgHeapTuple<'a, AllocatedByPostgres>>)
}

fn report(trigger: &PgTrigger<'_>, token: Option<Uuid>, version: Option<i32>) -> Result<()> {
    let unreadable = |_| Error::Internal("a trigger was called in an unknown way");
    let table = trigger.relid().map_err(unreadable)?;
    let change = match trigger.op().map_err(unreadable)? {
        PgTriggerOperation::Insert => Change::Insert,
        PgTriggerOperation::Update => Change::Update,
        PgTriggerOperation::Delete => Change::Delete,
        PgTriggerOperation::Truncate => Change::Truncate,
    };
    storage::invalidate(table)?;
    let table_name = trigger.table_name().map_err(unreadable)?;
    audit::changed(&Changed { table, table_name: &table_name, change, token, version })
}
