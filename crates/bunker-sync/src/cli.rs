//! What may be asked on the command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    apply, completions, export_databunker, import_databunker, import_table, lookup, man, pull,
    status, verify,
};
use crate::error::Result;

/// Brings the content of a databunker vault to SQLite and MySQL and back, and other stores into it.
///
/// The vault is reached as by psql: by --vault, or the variables PGHOST, PGPORT, PGUSER, PGDATABASE,
/// PGSSLMODE, PGPASSWORD and PGPASSFILE. Passwords and keys never stand on the command line.
#[derive(Parser)]
#[command(
    name = "bunker-sync",
    version,
    after_help = "Exit status: 0 done; 1 it failed; 2 wrong usage; 3 refused: altered, out of order, of another vault, or the wrong key; 4 not found; 5 done, but some rows were skipped."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

// Each is described where its arguments are: a comment here would take the place of that description.
#[derive(Subcommand)]
enum Command {
    Pull(pull::Args),
    Apply(apply::Args),
    Verify(verify::Args),
    Status(status::Args),
    Lookup(lookup::Args),
    ImportDatabunker(import_databunker::Args),
    ExportDatabunker(export_databunker::Args),
    ImportTable(Box<import_table::Args>),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Does what is asked.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Pull(args) => pull::run(&args),
            Command::Apply(args) => apply::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::Status(args) => status::run(&args),
            Command::Lookup(args) => lookup::run(&args),
            Command::ImportDatabunker(args) => import_databunker::run(&args),
            Command::ExportDatabunker(args) => export_databunker::run(&args),
            Command::ImportTable(args) => import_table::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}
