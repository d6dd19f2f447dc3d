//! Completions for shells.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Result;

/// Prints completions for a shell.
#[derive(clap::Args)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

/// Writes them to standard output.
pub fn run(args: &Args) -> Result<()> {
    // It panics where it cannot write.
    let mut completions = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bunker-sync", &mut completions);
    Ok(io::stdout().write_all(&completions)?)
}
