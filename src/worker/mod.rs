//! Background workers.

mod floor;
mod launcher;
mod maintenance;
mod notifier;
mod retention;
mod sealer;
mod upkeep;
mod writer;

use pgrx::pg_sys::{Datum, Oid};
use pgrx::prelude::*;

use crate::audit;
use crate::pg::{background, launch};

/// The audit writer of one database; `pg::background::start_writer` has it started.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn databunker_audit_writer(database: Datum) {
    let database = background::database_of(database);
    background::connect(database);
    let Some(channel) = audit::channel() else {
        return;
    };
    if channel.take_office(background::pid()) {
        background::at_exit(leave_office);
        writer::run(channel, database);
    }
}

/// The launcher of maintenance, one for the server; `pg::launch::install` has it started.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn databunker_maintenance_launcher(_argument: Datum) {
    background::connect(Oid::INVALID);
    launcher::run();
    launch::end_for_now();
}

/// The maintenance worker of one database; the launcher has it started.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn databunker_maintenance_worker(database: Datum) {
    background::connect(background::database_of(database));
    audit::be_maintenance();
    maintenance::run();
}

#[pg_guard]
unsafe extern "C-unwind" fn leave_office(_code: i32, _argument: Datum) {
    if let Some(channel) = audit::channel() {
        channel.leave_office(background::pid());
    }
}
