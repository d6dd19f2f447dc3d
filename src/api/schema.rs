//! The user schema.

use pgrx::prelude::*;

use crate::error::OrRaise;
use crate::pg::jsonb::Jsonb;
use crate::service::schema;

#[pg_extern(sql = false)]
fn bunker_set_user_schema(schema: Option<Jsonb>) -> i32 {
    schema::set(schema).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_user_schema() -> Option<Jsonb> {
    schema::text().or_raise().map(Jsonb::from)
}
