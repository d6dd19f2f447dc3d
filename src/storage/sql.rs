//! Kept plans: each statement is parsed and planned once per backend.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::spi::{OwnedPreparedStatement, SpiClient, SpiHeapTupleData, SpiTupleTable};
use pgrx::{FromDatum, IntoDatum, PgOid, Spi};

use crate::error::{Error, Result};
use crate::pg::log_redaction;
use crate::pg::owner::as_owner;
use crate::pg::portal::Watch;
use crate::pg::relation::OpenTable;
use crate::pg::value::Value;

/// Shared, so that a statement may be running while another one is planned.
type Plan = Rc<OwnedPreparedStatement>;

thread_local! {
    static PLANS: RefCell<HashMap<&'static str, Plan>> = RefCell::new(HashMap::new());
}

/// A row of a statement's result.
pub struct Row<'a>(SpiHeapTupleData<'a>);

impl Row<'_> {
    /// A column that is not NULL; columns count from 1.
    pub fn get<T: FromDatum + IntoDatum>(&self, column: usize) -> Result<T> {
        self.optional(column)?.ok_or(Error::Damaged("a stored row"))
    }

    /// A column that may be NULL.
    pub fn optional<T: FromDatum + IntoDatum>(&self, column: usize) -> Result<Option<T>> {
        Ok(self.0.get(column)?)
    }

    /// A `timestamptz`, in microseconds since 2000-01-01 UTC.
    pub fn time(&self, column: usize) -> Result<i64> {
        self.get::<TimestampWithTimeZone>(column).map(i64::from)
    }

    /// The same of a column that may be NULL.
    pub fn optional_time(&self, column: usize) -> Result<Option<i64>> {
        Ok(self.optional::<TimestampWithTimeZone>(column)?.map(i64::from))
    }
}

/// Runs a statement that only reads, as the owner of the tables, and maps each row of its result.
///
/// It takes no transaction number, so it works on a standby, too.
pub fn rows<T>(
    statement: &'static str,
    arguments: &[Value<'_>],
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    execute(Mode::Read, statement, arguments, |table| map(table, read))
}

/// Runs a statement that only reads and gives at most one row.
pub fn row<T>(
    statement: &'static str,
    arguments: &[Value<'_>],
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    Ok(rows(statement, arguments, read)?.pop())
}

/// Runs a statement that locks or writes a row, and gives it back.
pub fn written_row<T>(
    statement: &'static str,
    arguments: &[Value<'_>],
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    Ok(written_rows(statement, arguments, read)?.into_iter().next())
}

/// Runs a statement that locks or writes rows, and gives them back.
pub fn written_rows<T>(
    statement: &'static str,
    arguments: &[Value<'_>],
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    execute(Mode::Write, statement, arguments, |table| map(table, read))
}

/// Runs a statement for its effect; the number of rows affected.
pub fn run(statement: &'static str, arguments: &[Value<'_>]) -> Result<usize> {
    execute(Mode::Write, statement, arguments, |table| Ok(table.len()))
}

/// Runs DDL that is made at run time, once, as the owner of the tables. Its text holds names and
/// bounds of our own making, nothing that came from outside.
pub fn define(statement: &str) -> Result<()> {
    as_tables_owner(|| {
        Spi::connect_mut(|client| client.update(statement, None, &[]).map(|_| ()))
            .map_err(Error::from)
    })
}

/// A query that is under way, of which a part of the rows is in memory at a time.
///
/// PostgreSQL closes it when the transaction ends, or the subtransaction in which it was begun.
pub struct Cursor {
    name: String,
    portal: Watch,
}

impl Cursor {
    /// Begins a query whose text is made at run time, of names of our own making. It sees what the active
    /// snapshot sees, in a transaction that has written nothing so far.
    pub fn open(statement: &str, arguments: &[Value<'_>]) -> Result<Self> {
        as_tables_owner(|| {
            Spi::connect(|client| {
                let arguments: Vec<_> = arguments.iter().map(Value::bind).collect();
                let name = client.try_open_cursor(statement, &arguments)?.detach_into_name();
                let portal = Watch::of(&name).ok_or(Error::Interrupted)?;
                Ok(Self { name, portal })
            })
        })
    }

    /// The next rows, at most so many; none at the end.
    ///
    /// # Errors
    /// The query is no longer under way, or somebody has fetched from it by its name.
    pub fn fetch<T>(
        &mut self,
        count: usize,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        if !self.portal.is_untouched() {
            return Err(Error::Interrupted);
        }
        as_tables_owner(|| {
            Spi::connect(|client| {
                let mut cursor = client.find_cursor(&self.name)?;
                let rows = map(cursor.fetch(count as _)?, read)?;
                self.portal.fetched(rows.len());
                self.name = cursor.detach_into_name();
                Ok(rows)
            })
        })
    }
}

/// What a statement does to the transaction.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Read,
    Write,
}

fn map<T>(table: SpiTupleTable<'_>, mut read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut found = Vec::with_capacity(table.len());
    for row in table {
        found.push(read(&Row(row))?);
    }
    Ok(found)
}

fn execute<T>(
    mode: Mode,
    statement: &'static str,
    arguments: &[Value<'_>],
    finish: impl FnOnce(SpiTupleTable<'_>) -> Result<T>,
) -> Result<T> {
    log_redaction::note_call();
    as_tables_owner(|| {
        Spi::connect_mut(|client| {
            let plan = plan(client, statement, arguments)?;
            let arguments: Vec<_> = arguments.iter().map(Value::bind).collect();
            finish(match mode {
                Mode::Read => client.select(&*plan, None, &arguments)?,
                Mode::Write => client.update(&*plan, None, &arguments)?,
            })
        })
    })
}

fn as_tables_owner<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    let owner = OpenTable::open(&super::record::TABLE, pgrx::pg_sys::AccessShareLock)?.owner();
    as_owner(owner, work)
}

fn plan(client: &SpiClient<'_>, statement: &'static str, arguments: &[Value<'_>]) -> Result<Plan> {
    if let Some(plan) = PLANS.with_borrow(|plans| plans.get(statement).cloned()) {
        return Ok(plan);
    }
    let types: Vec<_> = arguments.iter().map(|value| PgOid::from(value.type_oid())).collect();
    let plan = Rc::new(client.prepare(statement, &types)?.keep());
    PLANS.with_borrow_mut(|plans| plans.insert(statement, Rc::clone(&plan)));
    Ok(plan)
}
