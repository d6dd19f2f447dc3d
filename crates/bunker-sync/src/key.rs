//! Where the master key comes from: a file, or the environment. Never the command line.

use std::path::PathBuf;

use bunker_core::crypto::MasterKey;

use crate::error::{Error, Result};
use crate::files;
use crate::output;

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
    fn find(&self) -> Result<Option<MasterKey>> {
        let Some(text) = files::secret_or(self.master_key_file.as_deref(), VARIABLE)? else {
            return Ok(None);
        };
        MasterKey::parse(text.trim_end_matches('\n').as_bytes()).map(Some).map_err(|_| {
            Error::Refused("the master key is not 64 hex digits or base64 of 32 bytes")
        })
    }

    /// The key, if one is given; else says what is `unchecked` without it.
    pub fn find_or_say(&self, unchecked: &str) -> Result<Option<MasterKey>> {
        let key = self.find()?;
        if key.is_none() {
            output::complain(&format!("without the master key {unchecked}"));
        }
        Ok(key)
    }

    /// The key.
    pub fn require(&self) -> Result<MasterKey> {
        self.find()?.ok_or(Error::Usage(
            "no master key: give --master-key-file, or set DATABUNKER_MASTER_KEY",
        ))
    }
}
