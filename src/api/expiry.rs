//! "Expiry and retention" of the SQL contract.

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::{required, span};
use crate::error::{OrRaise, Result};
use crate::pg::jsonb::Jsonb;
use crate::service::{expiry, maintenance};

#[pg_extern(sql = false)]
fn bunker_start_expiration(
    kind: Option<&str>,
    value: Option<&str>,
    after: Option<Interval>,
) -> Uuid {
    start_expiration(kind, value, after).or_raise()
}

fn start_expiration(
    kind: Option<&str>,
    value: Option<&str>,
    after: Option<Interval>,
) -> Result<Uuid> {
    expiry::start(required(kind)?, required(value)?, after.map(span).transpose()?)
}

#[pg_extern(sql = false)]
fn bunker_expiration(kind: &str, value: &str) -> Option<Jsonb> {
    expiry::describe(kind, value).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_cancel_expiration(kind: Option<&str>, value: Option<&str>) -> bool {
    required(kind)
        .and_then(|kind| required(value).and_then(|value| expiry::cancel(kind, value)))
        .or_raise()
}

#[pg_extern(sql = false)]
fn bunker_retain_user(expiration: Option<Uuid>) -> bool {
    required(expiration).and_then(|expiration| expiry::retain(&expiration)).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_delete_expired(expiration: Option<Uuid>) -> bool {
    required(expiration).and_then(|expiration| expiry::delete(&expiration)).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_maintain() -> Jsonb {
    maintenance::maintain().or_raise()
}
