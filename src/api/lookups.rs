//! Lookup kinds of the DBA's own.

use pgrx::prelude::*;

use super::required;
use crate::error::{OrRaise, Result};
use crate::service::lookups;

#[pg_extern(sql = false)]
fn bunker_add_lookup(kind: Option<&str>, path: Option<&str>, normalizer: Option<&str>) -> i64 {
    add_lookup(kind, path, normalizer).or_raise()
}

fn add_lookup(kind: Option<&str>, path: Option<&str>, normalizer: Option<&str>) -> Result<i64> {
    lookups::add(required(kind)?, required(path)?, required(normalizer)?)
}

#[pg_extern(sql = false)]
fn bunker_reindex_lookup(kind: Option<&str>) -> i64 {
    required(kind).and_then(lookups::reindex).or_raise()
}
