//! What of the server would leak or lose data.

use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use crate::error::OrRaise;
use crate::service::check::{self, Finding};

/// The findings, with the columns that `sql/65_check.sql` declares.
type FindingRows = TableIterator<'static, (&'static str, &'static str, String, &'static str)>;

#[pg_extern(sql = false)]
fn bunker_check() -> FindingRows {
    let row =
        |found: Finding| (found.severity.as_str(), found.setting, found.finding, found.remedy);
    TableIterator::new(check::findings().or_raise().into_iter().map(row))
}
