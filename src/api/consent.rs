//! "Consent and lawful processing" of the SQL contract.

use pgrx::iter::SetOfIterator;
use pgrx::prelude::*;

use super::required;
use crate::error::{OrRaise, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::rows::Rows;
use crate::service::consent::{activities, agreements, bases};

#[pg_extern(sql = false)]
fn bunker_set_legal_basis(brief: Option<&str>, definition: Option<Jsonb>) -> bool {
    required(brief).and_then(|brief| bases::set(brief, definition.as_ref())).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_delete_legal_basis(brief: Option<&str>) -> bool {
    required(brief).and_then(bases::delete).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_list_legal_bases() -> SetOfIterator<'static, Jsonb> {
    SetOfIterator::new(bases::list().or_raise())
}

#[pg_extern(sql = false)]
fn bunker_accept_agreement(
    kind: Option<&str>,
    value: Option<&str>,
    brief: Option<&str>,
    options: Option<Jsonb>,
) -> bool {
    accept_agreement(kind, value, brief, options.as_ref()).or_raise()
}

fn accept_agreement(
    kind: Option<&str>,
    value: Option<&str>,
    brief: Option<&str>,
    options: Option<&Jsonb>,
) -> Result<bool> {
    agreements::accept(required(kind)?, required(value)?, required(brief)?, options)
}

#[pg_extern(sql = false)]
fn bunker_withdraw_agreement(
    kind: Option<&str>,
    value: Option<&str>,
    brief: Option<&str>,
) -> Option<bool> {
    withdraw_agreement(kind, value, brief).or_raise()
}

fn withdraw_agreement(
    kind: Option<&str>,
    value: Option<&str>,
    brief: Option<&str>,
) -> Result<Option<bool>> {
    agreements::withdraw(required(kind)?, required(value)?, required(brief)?)
}

#[pg_extern(sql = false)]
fn bunker_get_agreement(kind: &str, value: &str, brief: &str) -> Option<Jsonb> {
    agreements::get(kind, value, brief).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_list_agreements(kind: &str, value: &str) -> Rows<Jsonb> {
    Rows(agreements::list(kind, value).or_raise())
}

#[pg_extern(sql = false)]
fn bunker_revoke_agreements(brief: Option<&str>) -> i64 {
    required(brief).and_then(agreements::revoke).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_set_activity(activity: Option<&str>, definition: Option<Jsonb>) -> bool {
    required(activity)
        .and_then(|activity| activities::set(activity, definition.as_ref()))
        .or_raise()
}

#[pg_extern(sql = false)]
fn bunker_delete_activity(activity: Option<&str>) -> bool {
    required(activity).and_then(activities::delete).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_link_activity(activity: Option<&str>, brief: Option<&str>) -> bool {
    required(activity).and_then(|activity| activities::link(activity, required(brief)?)).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_unlink_activity(activity: Option<&str>, brief: Option<&str>) -> bool {
    required(activity)
        .and_then(|activity| activities::unlink(activity, required(brief)?))
        .or_raise()
}

#[pg_extern(sql = false)]
fn bunker_list_activities() -> SetOfIterator<'static, Jsonb> {
    SetOfIterator::new(activities::list().or_raise())
}
