//! "Access tokens" of the SQL contract.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::{required, span};
use crate::error::{OrRaise, Result};
use crate::service::{access_tokens, login};

#[pg_extern(sql = false)]
fn bunker_create_access_token(
    name: Option<&str>,
    role: Option<&str>,
    ttl: Option<Interval>,
) -> String {
    create_access_token(name, role, ttl).or_raise()
}

fn create_access_token(
    name: Option<&str>,
    role: Option<&str>,
    ttl: Option<Interval>,
) -> Result<String> {
    access_tokens::create(required(name)?, required(role)?, ttl.map(span).transpose()?)
}

#[pg_extern(sql = false)]
fn bunker_revoke_access_token(name: Option<&str>) -> bool {
    required(name).and_then(access_tokens::revoke).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_authenticate(access_token: Option<&str>) -> String {
    access_tokens::authenticate(access_token.unwrap_or_default()).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_login_code(kind: Option<&str>, value: Option<&str>) -> String {
    required(kind).and_then(|kind| login::issue(kind, required(value)?)).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_login(kind: Option<&str>, value: Option<&str>, code: Option<&str>) -> String {
    log_in(kind, value, code).or_raise()
}

fn log_in(kind: Option<&str>, value: Option<&str>, code: Option<&str>) -> Result<String> {
    login::login(required(kind)?, required(value)?, required(code)?)
}
