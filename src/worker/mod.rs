//! Background workers.

mod floor;
mod retention;
mod sealer;
mod upkeep;
mod writer;

use pgrx::pg_sys::Datum;
use pgrx::prelude::*;

use crate::audit;
use crate::pg::background;

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

#[pg_guard]
unsafe extern "C-unwind" fn leave_office(_code: i32, _argument: Datum) {
    if let Some(channel) = audit::channel() {
        channel.leave_office(background::pid());
    }
}
