//! Files that are named on the command line.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::output;

/// What is in the file of a key or a password. Says so if others than its owner may read it: it is taken
/// all the same, because where secrets are mounted they often may.
///
/// # Errors
/// With the name of the file, and nothing of what is in it.
pub fn secret(path: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut file = open(path)?;
    let mode = file.metadata().map_err(|error| named(path, error))?.permissions().mode();
    if mode & OTHERS != 0 {
        let path = path.display();
        output::complain(&format!("others may read {path}; chmod 600 would be better"));
    }
    file.read_to_string(&mut text).map_err(|error| named(path, error))?;
    Ok(text)
}

/// The rights of group and others.
const OTHERS: u32 = 0o077;

/// The same, or without a file what is in a variable, if there is one.
///
/// # Errors
/// As for [`secret`].
pub fn secret_or(file: Option<&Path>, variable: &str) -> Result<Option<Zeroizing<String>>> {
    match file {
        Some(path) => secret(path).map(Some),
        None => Ok(env::var(variable).ok().map(Zeroizing::new)),
    }
}

/// A password in a file, without the end of its line, else in a variable, if there is one.
///
/// # Errors
/// As for [`secret`].
pub fn password(file: Option<&Path>, variable: &str) -> Result<Option<Zeroizing<String>>> {
    let text = secret_or(file, variable)?;
    if file.is_none() {
        return Ok(text);
    }
    Ok(text.map(|text| Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
}

/// Makes a file that is not there yet, for its owner only.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file to read.
///
/// # Errors
/// With the name of the file.
pub fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| named(path, error))
}

/// A new file of JSON Lines, for its owner only.
pub struct PrivateLines(BufWriter<File>);

impl PrivateLines {
    /// Makes it; it must not be there yet.
    pub fn create(path: &Path) -> Result<Self> {
        let file = create_private(path).map_err(|error| named(path, error))?;
        Ok(Self(BufWriter::new(file)))
    }

    /// Adds a line.
    pub fn add(&mut self, line: &Value) -> Result<()> {
        Ok(writeln!(self.0, "{line}")?)
    }

    /// Writes out what is not in the file yet.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

/// An error over a file that was named on the command line.
pub fn named(path: &Path, error: io::Error) -> Error {
    Error::File(path.display().to_string(), error)
}
