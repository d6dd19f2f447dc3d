//! The vault's tables, one file each: the only SQL text and the only SPI in Rust.
//!
//! Sealed bytes and digests come in and go out; no plaintext and no key does.

pub mod audit;
pub mod audit_seal;
pub mod check;
pub mod keyring;
pub mod lookup;
pub mod lookup_kind;
mod pages;
pub mod partition;
pub mod record;
pub mod record_version;
mod sql;
pub mod user_schema;

use crate::pg::relation::TableRef;

/// Tables that are reached without SQL, or whose rows backends cache.
pub static TABLES: [&TableRef; 7] = [
    &record::TABLE,
    &lookup::TABLE,
    &audit::TABLE,
    &audit_seal::TABLE,
    &keyring::TABLE,
    &lookup_kind::TABLE,
    &user_schema::TABLE,
];

/// Tables whose rows backends keep in memory.
static CACHED: [&TableRef; 3] = [&keyring::TABLE, &lookup_kind::TABLE, &user_schema::TABLE];

/// Tells all backends, at commit, to drop what they remember of a table, if they do.
pub fn invalidate(table: pgrx::pg_sys::Oid) -> crate::error::Result<()> {
    for cached in CACHED {
        if cached.oid()? == table {
            cached.invalidate()?;
        }
    }
    Ok(())
}
