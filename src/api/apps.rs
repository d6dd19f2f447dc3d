//! "App data" of the SQL contract.

use pgrx::iter::SetOfIterator;
use pgrx::prelude::*;

use super::required;
use crate::error::{OrRaise, Result};
use crate::pg::document::Document;
use crate::pg::jsonb::Jsonb;
use crate::service::apps;

#[pg_extern(sql = false)]
fn bunker_set_app(
    kind: Option<&str>,
    value: Option<&str>,
    app: Option<&str>,
    data: Option<Jsonb>,
) -> Option<i32> {
    set_app(kind, value, app, data).or_raise()
}

fn set_app(
    kind: Option<&str>,
    value: Option<&str>,
    app: Option<&str>,
    data: Option<Jsonb>,
) -> Result<Option<i32>> {
    apps::set(required(kind)?, required(value)?, required(app)?, &required(data)?)
}

#[pg_extern(sql = false)]
fn bunker_get_app(kind: &str, value: &str, app: &str) -> Option<Document> {
    apps::get(kind, value, app).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_update_app(
    kind: Option<&str>,
    value: Option<&str>,
    app: Option<&str>,
    patch: Option<Jsonb>,
) -> Option<i32> {
    update_app(kind, value, app, patch).or_raise()
}

fn update_app(
    kind: Option<&str>,
    value: Option<&str>,
    app: Option<&str>,
    patch: Option<Jsonb>,
) -> Result<Option<i32>> {
    apps::update(required(kind)?, required(value)?, required(app)?, &required(patch)?)
}

#[pg_extern(sql = false)]
fn bunker_delete_app(kind: Option<&str>, value: Option<&str>, app: Option<&str>) -> Option<bool> {
    delete_app(kind, value, app).or_raise()
}

fn delete_app(kind: Option<&str>, value: Option<&str>, app: Option<&str>) -> Result<Option<bool>> {
    apps::delete(required(kind)?, required(value)?, required(app)?)
}

#[pg_extern(sql = false)]
fn bunker_list_apps(kind: &str, value: &str) -> SetOfIterator<'static, String> {
    SetOfIterator::new(apps::names_of(kind, value).or_raise())
}

#[pg_extern(sql = false)]
fn bunker_app_names() -> SetOfIterator<'static, String> {
    SetOfIterator::new(apps::all_names().or_raise())
}
