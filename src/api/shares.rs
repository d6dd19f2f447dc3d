//! "Shared records" of the SQL contract.

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::{required, span};
use crate::error::OrRaise;
use crate::pg::document::Document;
use crate::service::shares::{self, Terms};

#[pg_extern(sql = false)]
fn bunker_share(
    kind: Option<&str>,
    value: Option<&str>,
    fields: Option<Vec<Option<String>>>,
    app: Option<String>,
    session: Option<Uuid>,
    partner: Option<String>,
    ttl: Option<Interval>,
) -> Uuid {
    let share = || {
        let (kind, value) = (required(kind)?, required(value)?);
        shares::create(
            kind,
            value,
            || Terms::new(fields, app, session, partner),
            ttl.map(span).transpose()?,
        )
    };
    share().or_raise()
}

#[pg_extern(sql = false)]
fn bunker_get_shared(record: Uuid) -> Option<Document> {
    shares::get(&record).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_revoke_share(record: Option<Uuid>) -> bool {
    required(record).and_then(|record| shares::revoke(&record)).or_raise()
}
