//! "Requests of the data subject" of the SQL contract.

use pgrx::pg_sys::Datum;
use pgrx::prelude::*;
use pgrx::{IntoDatum, Uuid};

use super::required;
use crate::error::{OrRaise, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::rows::{Row, Rows};
use crate::pg::value::Value;
use crate::service::requests::{self, Listed};

#[pg_extern(sql = false)]
fn bunker_request(
    kind: Option<&str>,
    value: Option<&str>,
    action: Option<&str>,
    change: Option<Jsonb>,
    subject: Option<&str>,
) -> Uuid {
    request(kind, value, action, change.as_ref(), subject).or_raise()
}

fn request(
    kind: Option<&str>,
    value: Option<&str>,
    action: Option<&str>,
    change: Option<&Jsonb>,
    subject: Option<&str>,
) -> Result<Uuid> {
    requests::request(required(kind)?, required(value)?, required(action)?, change, subject)
}

impl Row for Listed {
    const IDENT: &'static str = "databunker::Rows<Listed>";
    const SQL: &'static str = "TABLE (request uuid, token uuid, action text, subject text, \
                               status text, created_at timestamptz, reason text)";
    type Columns = [Option<Datum>; 7];

    fn columns(self) -> Self::Columns {
        let Self { row, reason } = self;
        [
            row.request.into_datum(),
            row.token.into_datum(),
            row.action.into_datum(),
            row.subject.into_datum(),
            row.status.into_datum(),
            Value::Time(row.created_at).datum(),
            reason.into_datum(),
        ]
    }
}

#[pg_extern(sql = false)]
fn bunker_list_requests(
    status: Option<&str>,
    after: Option<Uuid>,
    max_rows: Option<i32>,
) -> Rows<Listed> {
    let rows = required(max_rows).and_then(|rows| requests::list(status, after.as_ref(), rows));
    Rows(rows.or_raise())
}

#[pg_extern(sql = false)]
fn bunker_user_requests(kind: &str, value: &str) -> Rows<Listed> {
    Rows(requests::of_user(kind, value).or_raise())
}

#[pg_extern(sql = false)]
fn bunker_get_request(request: Uuid) -> Option<Jsonb> {
    requests::get(&request).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_approve_request(request: Option<Uuid>, reason: Option<&str>) -> bool {
    required(request).and_then(|request| requests::approve(&request, reason)).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_cancel_request(request: Option<Uuid>, reason: Option<&str>) -> bool {
    required(request).and_then(|request| requests::cancel(&request, reason)).or_raise()
}
