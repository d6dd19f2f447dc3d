//! "Reports" of the SQL contract.

use pgrx::prelude::*;

use crate::error::OrRaise;
use crate::pg::jsonb::Jsonb;
use crate::service::report;

#[pg_extern(sql = false)]
fn bunker_user_report(kind: &str, value: &str) -> Option<Jsonb> {
    report::as_json(kind, value).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_user_report_html(kind: &str, value: &str) -> Option<String> {
    report::as_html(kind, value).or_raise()
}
