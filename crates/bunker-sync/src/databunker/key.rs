//! Where a store's key comes from: a file, or the environment.

use std::path::Path;

use super::crypto::StoreKey;
use crate::error::{Error, Result};
use crate::files;

/// The key in a file, else in a variable.
///
/// # Errors
/// There is none, or it is not 48 hex digits.
pub fn find(file: Option<&Path>, variable: &str) -> Result<StoreKey> {
    let text = files::secret_or(file, variable)?
        .ok_or(Error::Usage("the key of the Databunker store is not given"))?;
    StoreKey::parse(&text)
        .ok_or(Error::Refused("the key of the Databunker store is not 48 hex digits"))
}
