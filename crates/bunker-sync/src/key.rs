//! Where the master key comes from: a file, or the environment. Never the command line.

use std::path::PathBuf;

use bunker_core::crypto::MasterKey;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files;

/// Where the master key of the vault is.
#[derive(clap::Args)]
pub struct KeySource {
    /// A file with the vault's master key, 64 hex digits or base64; else the variable
    /// DATABUNKER_MASTER_KEY
    #[arg(long, value_name = "FILE", env = "DATABUNKER_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
}

/// The variable that holds the key itself.
const VARIABLE: &str = "DATABUNKER_MASTER_KEY";

impl KeySource {
    /// The key, if one is given.
    pub fn find(&self) -> Result<Option<MasterKey>> {
        let text = match &self.master_key_file {
            Some(path) => files::secret(path)?,
            None => match std::env::var(VARIABLE) {
                Ok(text) => Zeroizing::new(text),
                Err(_) => return Ok(None),
            },
        };
        MasterKey::parse(text.trim_end_matches('\n').as_bytes()).map(Some).map_err(|_| {
            Error::Refused("the master key is not 64 hex digits or base64 of 32 bytes")
        })
    }

    /// The key.
    pub fn require(&self) -> Result<MasterKey> {
        self.find()?.ok_or(Error::Usage(
            "no master key: give --master-key-file, or set DATABUNKER_MASTER_KEY",
        ))
    }
}
