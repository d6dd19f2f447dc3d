//! databunker: a vault for personal data inside PostgreSQL.
//!
//! `api` turns SQL arguments into calls of `service`, which does the work with `storage`, `keyring`
//! and `audit`; `pg` holds everything unsafe. See `docs/ARCHITECTURE.md`.

mod api;
mod audit;
mod error;
mod guc;
mod identity;
mod keyring;
mod outbox;
mod pg;
mod service;
mod storage;
mod worker;

use pgrx::prelude::*;

pgrx::pg_module_magic!(name, version);

/// Who is told how transactions end.
static OBSERVERS: [&pg::transaction::Observer; 3] =
    [&audit::OBSERVER, &outbox::OBSERVER, &service::bundle::import::OBSERVER];

/// Called by PostgreSQL when it loads the library: in the postmaster under
/// shared_preload_libraries, otherwise in the first backend that calls a function of ours.
#[pg_guard]
extern "C-unwind" fn _PG_init() {
    pg::session::without_backtraces();
    pg::setting::note_load();
    guc::register();
    pg::relation::watch(storage::TABLES);
    pg::log_redaction::install();
    pg::object_access::install();
    pg::transaction::observe(&OBSERVERS);
    pg::privilege_watch::tell(audit::refused);
    pg::executor::install(&audit::GATE);
    if pg::setting::preloaded() {
        pg::shared::install();
        pg::read_rates::request();
        pg::attempts::request();
        pg::launch::install();
        // Once here, and every backend inherits the tables.
        bunker_core::normalize::warm_up();
    }
}
