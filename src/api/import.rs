//! Rows of other systems.

use pgrx::Uuid;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use super::required;
use crate::error::OrRaise;
use crate::pg::jsonb::Jsonb;
use crate::service::import;

type ImportedRow = (i32, Option<Uuid>, &'static str, Option<String>, Option<String>);
type ImportedRows = TableIterator<'static, ImportedRow>;

#[pg_extern(sql = false)]
fn bunker_import_rows(rows: Option<Vec<Option<Jsonb>>>) -> ImportedRows {
    let verdicts = required(rows).and_then(|rows| import::import(&rows)).or_raise();
    TableIterator::new((1..).zip(verdicts).map(|(row, verdict)| {
        (row, verdict.token, verdict.outcome(), verdict.sqlstate(), verdict.message())
    }))
}
