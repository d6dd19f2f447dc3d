//! Keys and the vault's state.

use bunker_core::crypto::MasterKey;
use pgrx::prelude::*;

use crate::audit;
use crate::error::{OrRaise, Result};
use crate::pg::jsonb::Jsonb;
use crate::service::status;

#[pg_extern(sql = false)]
fn bunker_generate_key() -> String {
    generate_key().or_raise()
}

fn generate_key() -> Result<String> {
    audit::admit("generate_key")?;
    Ok(MasterKey::generate_hex()?.to_string())
}

#[pg_extern(sql = false)]
fn bunker_status() -> Jsonb {
    status::status().or_raise()
}
