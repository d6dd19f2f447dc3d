//! A store of the Databunker server into the vault.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::databunker::import::{self, Import};
use crate::databunker::key;
use crate::databunker::report::Report;
use crate::databunker::rows::{Briefs, Context};
use crate::databunker::send::Vault;
use crate::databunker::source::{self, Access};
use crate::error::Result;
use crate::files;
use crate::output;
use crate::vault::VaultArgs;

/// Brings a store of the Databunker server into the vault.
///
/// Users keep their tokens. What is in the vault already is left as it is, so that a run that was cut off
/// is simply started again. What cannot be brought is reported row by row, and the rest is brought.
#[derive(clap::Args)]
pub struct Args {
    /// The store: "sqlite:PATH", "mysql://USER@HOST:PORT/DATABASE[?socket=PATH][&ssl-mode=MODE]" or
    /// "postgresql://USER@HOST:PORT/DATABASE", without a password
    #[arg(value_name = "SOURCE")]
    source: String,

    #[command(flatten)]
    vault: VaultArgs,

    /// A file with the store's key, 48 hex digits; else the variable DATABUNKER_SOURCE_KEY
    #[arg(long, value_name = "FILE")]
    source_key_file: Option<PathBuf>,

    /// A file with the password of the store's user; else the variable SOURCE_PASSWORD
    #[arg(long, value_name = "FILE")]
    source_password_file: Option<PathBuf>,

    /// A file with the certificates, in PEM, of those who sign the certificate of the store's server
    #[arg(long, value_name = "FILE")]
    source_ca: Option<PathBuf>,

    /// Does all of it, but for making it last: in one transaction that is rolled back
    #[arg(long)]
    dry_run: bool,

    /// Rows in a transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,

    /// A file for all that is not brought, as JSON Lines. It must not exist; only its owner may
    /// read it
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Brings what can be brought.
///
/// # Errors
/// Refused when the key is not the store's: nothing was written then. Skipped when not all could be
/// brought.
pub fn run(args: &Args) -> Result<()> {
    let store_key = key::find(args.source_key_file.as_deref(), "DATABUNKER_SOURCE_KEY")?;
    let password = files::password(args.source_password_file.as_deref(), "SOURCE_PASSWORD")?;
    let access = Access {
        password: password.as_ref().map(|password| password.as_str()),
        ca: args.source_ca.as_deref(),
    };
    let mut source = source::open(&args.source, &access)?;
    let context =
        Context { key: store_key, now: Timestamp::now().as_second(), briefs: Briefs::new() };
    import::check_key(&mut *source, &context)?;
    let import = Import {
        vault: Vault::new(args.vault.connect()?, args.dry_run)?,
        context,
        report: Report::new(args.report.as_deref())?,
        batch: usize::from(args.batch),
    };
    if args.dry_run {
        output::line("dry run: nothing of this lasts")?;
    }
    import.run(&mut *source)
}
