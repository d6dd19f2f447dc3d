//! Files that are named on the command line.

use std::env;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};

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
        eprintln!("bunker-sync: others may read {}; chmod 600 would be better", path.display());
    }
    file.read_to_string(&mut text).map_err(|error| named(path, error))?;
    Ok(text)
}

/// The rights of group and others.
const OTHERS: u32 = 0o077;

/// A password in a file, else in a variable, if there is one.
///
/// # Errors
/// As for [`secret`].
pub fn password(file: Option<&Path>, variable: &str) -> Result<Option<Zeroizing<String>>> {
    match file {
        Some(path) => {
            let text = secret(path)?;
            Ok(Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
        }
        None => Ok(env::var(variable).ok().map(Zeroizing::new)),
    }
}

/// Opens a file to read.
///
/// # Errors
/// With the name of the file.
pub fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| named(path, error))
}

fn named(path: &Path, error: std::io::Error) -> Error {
    Error::File(path.display().to_string(), error)
}
