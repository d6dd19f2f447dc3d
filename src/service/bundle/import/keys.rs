//! Whether a bundle is of this vault, and its keyring.

use std::rc::Rc;

use bunker_bundle::{BundleError, Header};
use bunker_core::crypto::EntryId;

use super::fields::Fields;
use super::malformed;
use crate::error::{Error, Result};
use crate::keyring::{self, Keys};
use crate::storage::bundle::BundleRow;
use crate::storage::keyring::{self as table, Entry};

/// The vault into which a bundle comes.
pub enum Vault {
    /// It has keys, and the bundle is its.
    Known(Rc<Keys>),
    /// It was never used: it becomes that of the bundle, which has this name.
    Empty([u8; 16]),
}

impl Vault {
    /// Looks whether a bundle is of this vault. One without keys is kept from getting some.
    ///
    /// # Errors
    /// It is of another one, or it does not stand for itself and this one is empty.
    pub fn open(header: &Header) -> Result<Self> {
        let name = *header.vault.as_bytes();
        if let Some(keys) = keyring::existing()? {
            return Self::known(keys, &name);
        }
        table::lock()?;
        if let Some(keys) = keyring::existing()? {
            return Self::known(keys, &name);
        }
        if !header.is_whole() {
            return Err(Error::BadArgument(
                "the bundle tells only what has changed, and this vault is empty",
                "Begin with a bundle of the whole vault.",
            ));
        }
        Ok(Self::Empty(name))
    }

    fn known(keys: Rc<Keys>, name: &[u8; 16]) -> Result<Self> {
        if keys.bundle().vault() != *name {
            return Err(BundleError::WrongVault.into());
        }
        Ok(Self::Known(keys))
    }

    /// The opened keys.
    ///
    /// # Errors
    /// They have not come yet, though something did that needs them.
    pub fn keys(&self) -> Result<Rc<Keys>> {
        match self {
            Self::Known(keys) => Ok(Rc::clone(keys)),
            Self::Empty(_) => Err(malformed()),
        }
    }

    /// Takes the keys of the bundle that are missing here; how many.
    pub fn take_keyring(&mut self, rows: Vec<BundleRow>) -> Result<usize> {
        let entries = rows.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
        match self {
            Self::Empty(name) => {
                let keys = keyring::adopt(&entries)?;
                *self = Self::known(keys, name)?;
                Ok(entries.len())
            }
            Self::Known(keys) => {
                let added = keyring::merge(&entries)?;
                if added > 0 {
                    *keys = keyring::existing()?.ok_or_else(malformed)?;
                }
                Ok(added)
            }
        }
    }
}

fn entry(row: BundleRow) -> Result<(Entry, i64)> {
    let mut fields = Fields::of(row);
    let id = fields.int::<i32>()?.cast_unsigned();
    let purpose = fields.text()?.parse().map_err(|_| malformed())?;
    let version = fields.int::<i32>()?.cast_unsigned();
    let entry = Entry { id: EntryId { id, purpose, version }, sealed: fields.bytes()? };
    Ok((entry, fields.time()?))
}
