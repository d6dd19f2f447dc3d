//! The access token of a store's owner.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::files;

/// A new token, and the file into which it goes. The file is gone again unless the token is kept.
pub struct RootToken {
    token: Uuid,
    file: PathBuf,
    is_written: bool,
}

impl RootToken {
    /// A token that nobody has had before.
    ///
    /// # Errors
    /// Refused when the file is there: it may hold the token of another store.
    pub fn new(file: &Path) -> Result<Self> {
        if file.try_exists()? {
            return Err(Error::Refused("the file for the root token is there already"));
        }
        Ok(Self { token: Uuid::new_v4(), file: file.to_owned(), is_written: false })
    }

    /// The token.
    pub fn token(&self) -> &Uuid {
        &self.token
    }

    /// Writes the file, for its owner only.
    pub fn write(&mut self) -> Result<()> {
        let mut file = files::create_private(&self.file)?;
        self.is_written = true;
        writeln!(file, "{}", self.token)?;
        Ok(file.sync_all()?)
    }

    /// The store is there: so the file stays.
    pub fn keep(mut self) {
        self.is_written = false;
    }
}

impl Drop for RootToken {
    fn drop(&mut self) {
        if self.is_written {
            // Nothing opens with it.
            let _ = fs::remove_file(&self.file);
        }
    }
}
