//! databunker: a vault for personal data inside PostgreSQL.
//!
//! `api` turns SQL arguments into calls of `service`, which does the work with `storage`, `keyring`
//! and `audit`; `pg` holds everything unsafe. See `docs/ARCHITECTURE.md`.

mod api;
mod audit;
mod error;
mod guc;
mod keyring;
mod pg;
mod service;
mod storage;

use pgrx::prelude::*;

pgrx::pg_module_magic!(name, version);

/// Called by PostgreSQL when it loads the library: in the postmaster under
/// shared_preload_libraries, otherwise in the first backend that calls a function of ours.
#[pg_guard]
extern "C-unwind" fn _PG_init() {
    pg::session::without_backtraces();
    pg::setting::note_load();
    guc::register();
    pg::relation::watch(&storage::TABLES);
    pg::log_redaction::install();
    pg::settings_guard::install();
    if pg::setting::preloaded() {
        // Once here, and every backend inherits the tables.
        bunker_core::normalize::warm_up();
    }
}
