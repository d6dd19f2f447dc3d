//! The vault's content for other databases, and back.

use pgrx::Array;
use pgrx::iter::SetOfIterator;
use pgrx::prelude::*;

use super::required;
use crate::error::{OrRaise, Result};
use crate::pg::jsonb::Jsonb;
use crate::service::bundle::export::{self, Export};
use crate::service::bundle::import;

#[pg_extern(sql = false)]
fn bunker_export_bundle(
    target: Option<&str>,
    since: Option<&str>,
) -> SetOfIterator<'static, String> {
    SetOfIterator::new(export(target, since).or_raise().map(OrRaise::or_raise))
}

fn export(target: Option<&str>, since: Option<&str>) -> Result<Export> {
    export::export(required(target)?, since)
}

#[pg_extern(sql = false)]
fn bunker_import_bundle(lines: Option<Array<'_, &str>>) -> Jsonb {
    required(lines).and_then(|lines| import::import(lines.iter())).or_raise()
}
