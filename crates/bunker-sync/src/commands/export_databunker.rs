//! The vault into a store that a Databunker server opens.

use std::path::PathBuf;

use crate::databunker::export::{self, Export, RootToken};
use crate::databunker::key;
use crate::databunker::report::Report;
use crate::error::Result;
use crate::files;
use crate::key::KeySource;
use crate::vault::VaultArgs;

/// Writes a store that a Databunker server opens.
///
/// Users, app data, sessions and shared records that live, agreements, requests, legal bases, processing
/// activities and expirations are written, encrypted under the given key. A store has no former versions
/// and no user schema, and its audit trail begins anew. What cannot be written is reported row by row.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    vault: VaultArgs,

    #[command(flatten)]
    master_key: KeySource,

    /// The store, which must not be there yet: "sqlite:PATH", where PATH ends with .db, or
    /// "mysql://USER@HOST:PORT/DATABASE[?socket=PATH][&ssl-mode=MODE]", without a password
    #[arg(long, value_name = "TARGET")]
    target: String,

    /// A file with the key of the store, 48 hex digits; else the variable DATABUNKER_TARGET_KEY
    #[arg(long, value_name = "FILE")]
    target_key_file: Option<PathBuf>,

    /// A file with the password of the target's MySQL user; else the variable MYSQL_PWD
    #[arg(long, value_name = "FILE")]
    target_password_file: Option<PathBuf>,

    /// A file with the certificates, in PEM, of those who sign the certificate of the target's server
    #[arg(long, value_name = "FILE")]
    target_ca: Option<PathBuf>,

    /// A new file for the root token of the store: whoever has it may do anything there
    #[arg(long, value_name = "FILE")]
    root_token_file: PathBuf,

    /// A file for all that is not written, as JSON Lines. It must not exist; only its owner may
    /// read it
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Writes the store.
///
/// # Errors
/// Refused when there is one already, or the master key is not the vault's. Skipped when not all could be
/// written.
pub fn run(args: &Args) -> Result<()> {
    let store_key = key::find(args.target_key_file.as_deref(), "DATABUNKER_TARGET_KEY")?;
    let password = files::password(args.target_password_file.as_deref(), "MYSQL_PWD")?;
    let master = args.master_key.require()?;
    let mut vault = args.vault.connect()?;
    let export = Export {
        root_token: RootToken::new(&args.root_token_file)?,
        report: Report::new(args.report.as_deref())?,
        sink: export::create(
            &args.target,
            password.as_ref().map(|password| password.as_str()),
            args.target_ca.as_deref(),
        )?,
        key: store_key,
        master,
    };
    export.run(&mut vault)
}
