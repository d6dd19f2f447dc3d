//! The manual pages.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::error::Result;

/// Prints the manual page.
#[derive(clap::Args)]
pub struct Args {
    /// Writes the pages of all commands into a folder instead, as bunker-sync-pull.1 and so on
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// Writes it to standard output, or all of them to files.
pub fn run(args: &Args) -> Result<()> {
    match &args.into {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            Ok(clap_mangen::generate_to(Cli::command(), folder)?)
        }
        None => Ok(Man::new(Cli::command()).render(&mut io::stdout())?),
    }
}
