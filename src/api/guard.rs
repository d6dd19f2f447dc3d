//! The bulk guard.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::required;
use crate::error::OrRaise;
use crate::service::guard;

#[pg_extern(sql = false)]
fn bunker_unlock_bulk(reason: Option<&str>) -> Uuid {
    required(reason).and_then(guard::unlock).or_raise()
}
