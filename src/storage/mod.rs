//! The vault's tables, one file each: the only SQL text and the only SPI in Rust.
//!
//! Sealed bytes and digests come in and go out; no plaintext and no key does.

pub mod access_token;
pub mod activity;
pub mod agreement;
pub mod app_data;
pub mod app_data_version;
pub mod audit;
pub mod audit_seal;
pub mod bundle;
pub mod check;
pub mod event;
pub mod expiration;
pub mod import;
pub mod keyring;
pub mod legal_basis;
pub mod login_code;
pub mod lookup;
pub mod lookup_kind;
pub mod mortal;
pub mod outbox;
mod pages;
pub mod partition;
pub mod record;
pub mod record_version;
pub mod request;
pub mod session;
pub mod share;
mod sql;
pub mod user_schema;

use crate::pg::relation::TableRef;

/// Tables that are reached without SQL, whose rows backends cache, or whose changes are reported.
pub static TABLES: &[&TableRef] = &[
    &record::TABLE,
    &lookup::TABLE,
    &audit::TABLE,
    &audit_seal::TABLE,
    &keyring::TABLE,
    &lookup_kind::TABLE,
    &user_schema::TABLE,
    &access_token::TABLE,
    &login_code::TABLE,
    &expiration::TABLE,
    &legal_basis::TABLE,
    &activity::TABLE,
    &activity::LINKS,
    &agreement::TABLE,
    &app_data::TABLE,
    &session::TABLE,
    &session::BY_TOKEN,
    &share::TABLE,
    &share::BY_TOKEN,
    &outbox::TABLE,
    &event::TABLE,
    &request::TABLE,
    &request::UNERASED,
];

/// Tables whose rows backends keep in memory.
static CACHED: &[&TableRef] = &[&keyring::TABLE, &lookup_kind::TABLE, &user_schema::TABLE];

/// Tells all backends, at commit, to drop what they remember of a table, if they do.
pub fn invalidate(table: pgrx::pg_sys::Oid) -> crate::error::Result<()> {
    for cached in CACHED {
        if cached.oid()? == table {
            cached.invalidate()?;
        }
    }
    Ok(())
}
