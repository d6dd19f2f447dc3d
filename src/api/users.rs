//! "Users" of the SQL contract.

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use super::{required, timestamp};
use crate::error::{OrRaise, Result};
use crate::pg::document::Document;
use crate::pg::jsonb::Jsonb;
use crate::pg::rows::{Profile, Rows};
use crate::service::users;

#[pg_extern(sql = false)]
fn bunker_create_user(profile: Option<Jsonb>) -> Uuid {
    required(profile).and_then(|profile| users::create(&profile)).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_create_users(
    profiles: Option<Vec<Option<Jsonb>>>,
) -> TableIterator<'static, (i32, Uuid)> {
    let tokens = required(profiles).and_then(|profiles| users::create_many(&profiles)).or_raise();
    TableIterator::new((1..).zip(tokens))
}

#[pg_extern(sql = false)]
fn bunker_lookup(kind: &str, value: &str) -> Option<Document> {
    users::lookup(kind, value).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_get_user(token: Uuid) -> Option<Document> {
    users::get(&token).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_find_token(kind: &str, value: &str) -> Option<Uuid> {
    users::find_token(kind, value).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_get_users(tokens: Vec<Option<Uuid>>) -> Rows<Profile> {
    let tokens: Vec<_> = tokens.into_iter().flatten().collect();
    Rows(users::get_many(&tokens).or_raise())
}

#[pg_extern(sql = false)]
fn bunker_update_user(
    kind: Option<&str>,
    value: Option<&str>,
    patch: Option<Jsonb>,
    expected_version: Option<i32>,
) -> Option<i32> {
    update_user(kind, value, patch, expected_version).or_raise()
}

fn update_user(
    kind: Option<&str>,
    value: Option<&str>,
    patch: Option<Jsonb>,
    expected_version: Option<i32>,
) -> Result<Option<i32>> {
    users::update(required(kind)?, required(value)?, &required(patch)?, expected_version)
}

#[pg_extern(sql = false)]
fn bunker_delete_user(kind: Option<&str>, value: Option<&str>) -> Option<bool> {
    required(kind)
        .and_then(|kind| required(value).and_then(|value| users::forget(kind, value)))
        .or_raise()
}

#[pg_extern(sql = false)]
fn bunker_tombstone(token: Uuid) -> Option<Jsonb> {
    users::tombstone(&token).or_raise()
}

type UserRow = (Uuid, i32, TimestampWithTimeZone, TimestampWithTimeZone);
type UserRows = TableIterator<'static, UserRow>;

#[pg_extern(sql = false)]
fn bunker_list_users(after: Option<Uuid>, max_rows: Option<i32>) -> UserRows {
    TableIterator::new(list_users(after, max_rows).or_raise())
}

fn list_users(after: Option<Uuid>, max_rows: Option<i32>) -> Result<Vec<UserRow>> {
    users::list(after.as_ref(), required(max_rows)?)?
        .into_iter()
        .map(|user| {
            let (created_at, updated_at) =
                (timestamp(user.created_at)?, timestamp(user.updated_at)?);
            Ok((user.token, user.version, created_at, updated_at))
        })
        .collect()
}

type VersionRow = (i32, TimestampWithTimeZone, String, String);
type VersionRows = TableIterator<'static, VersionRow>;

#[pg_extern(sql = false)]
fn bunker_user_versions(kind: &str, value: &str) -> VersionRows {
    TableIterator::new(user_versions(kind, value).or_raise())
}

fn user_versions(kind: &str, value: &str) -> Result<Vec<VersionRow>> {
    users::versions(kind, value)?
        .into_iter()
        .map(|v| Ok((v.version, timestamp(v.changed_at)?, v.changed_by, v.operation.to_owned())))
        .collect()
}

#[pg_extern(sql = false)]
fn bunker_user_version(kind: &str, value: &str, version: i32) -> Option<Document> {
    users::version(kind, value, version).or_raise()
}
