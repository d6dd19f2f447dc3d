//! "Sessions" of the SQL contract.

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::{required, span};
use crate::error::{OrRaise, Result};
use crate::pg::document::Document;
use crate::pg::jsonb::Jsonb;
use crate::pg::rows::{Rows, Session};
use crate::service::sessions;

#[pg_extern(sql = false)]
fn bunker_create_session(
    kind: Option<&str>,
    value: Option<&str>,
    data: Option<Jsonb>,
    ttl: Option<Interval>,
) -> Uuid {
    create_session(kind, value, data, ttl).or_raise()
}

fn create_session(
    kind: Option<&str>,
    value: Option<&str>,
    data: Option<Jsonb>,
    ttl: Option<Interval>,
) -> Result<Uuid> {
    sessions::create(
        required(kind)?,
        required(value)?,
        &required(data)?,
        ttl.map(span).transpose()?,
    )
}

#[pg_extern(sql = false)]
fn bunker_get_session(session: Uuid) -> Option<Document> {
    sessions::get(&session).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_list_sessions(
    kind: Option<&str>,
    value: Option<&str>,
    after: Option<Uuid>,
    max_rows: Option<i32>,
) -> Rows<Session> {
    Rows(list_sessions(kind, value, after, max_rows).or_raise())
}

fn list_sessions(
    kind: Option<&str>,
    value: Option<&str>,
    after: Option<Uuid>,
    max_rows: Option<i32>,
) -> Result<Vec<Session>> {
    sessions::list(required(kind)?, required(value)?, after.as_ref(), required(max_rows)?)
}

#[pg_extern(sql = false)]
fn bunker_delete_session(session: Option<Uuid>) -> bool {
    required(session).and_then(|session| sessions::delete(&session)).or_raise()
}
