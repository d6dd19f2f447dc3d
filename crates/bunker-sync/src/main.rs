//! Brings the content of a databunker vault to SQLite and MySQL and back, and other stores into it.

mod applier;
mod cli;
mod commands;
mod databunker;
mod error;
mod files;
mod key;
mod lines;
mod open;
mod output;
mod percent;
mod progress;
mod row;
mod table;
mod target;
mod tls;
mod vault;

use std::process::ExitCode;

use clap::Parser;
use rustix::process;

fn main() -> ExitCode {
    forbid_core_dumps();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error.to_string());
            error.exit_code()
        }
    }
}

/// A core dump would hold keys and profiles. Where the system does not let us forbid it, its own settings
/// decide.
fn forbid_core_dumps() {
    #[cfg(target_os = "linux")]
    let _ = process::set_dumpable_behavior(process::DumpableBehavior::NotDumpable);
    let none = process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = process::setrlimit(process::Resource::Core, none);
}
