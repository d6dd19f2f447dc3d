//! Keys and the vault's state.

use bunker_core::crypto::MasterKey;
use pgrx::prelude::*;

use crate::error::{Error, OrRaise};
use crate::pg::jsonb::Jsonb;
use crate::service::status;

#[pg_extern(sql = false)]
fn bunker_generate_key() -> String {
    MasterKey::generate_hex().map(|key| key.to_string()).map_err(Error::from).or_raise()
}

#[pg_extern(sql = false)]
fn bunker_status() -> Jsonb {
    status::status().or_raise()
}
