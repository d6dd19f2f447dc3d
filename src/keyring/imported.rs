//! Keys of another copy of the vault, as a bundle brings them: still sealed under the master key.

use std::rc::Rc;

use bunker_core::crypto::{EntryError, MasterKey};
use bunker_core::secret::SecretKey;

use super::{Keys, existing, master_key, open};
use crate::error::{Error, Result};
use crate::storage::keyring::{self as table, Entry};

/// Gives a vault without a keyring that of another copy, whose entries come with the times at which
/// they were made; the opened keys.
///
/// # Errors
/// Our master key does not open each of them; or they are no whole keyring.
pub fn adopt(entries: &[(Entry, i64)]) -> Result<Rc<Keys>> {
    let master = master_key()?;
    let mut sealed = Vec::with_capacity(entries.len());
    for (entry, _) in entries {
        opened(&master, entry)?;
        sealed.push(Entry { id: entry.id, sealed: entry.sealed.clone() });
    }
    open(&master, &sealed).map_err(|_| unusable())?;
    entries.iter().try_for_each(|(entry, time)| table::insert_made_at(entry, *time))?;
    existing()?.ok_or(Error::Internal("the keyring could not be stored"))
}

/// Adds the keys of another copy of this vault that this one does not have; how many.
///
/// # Errors
/// Our master key does not open one that is missing here, or a key here is another one.
pub fn merge(entries: &[(Entry, i64)]) -> Result<usize> {
    let master = master_key()?;
    let ours = table::read()?;
    let mut added = 0;
    for (entry, time) in entries {
        let same_place = |it: &&Entry| {
            let (it, id) = (it.id, entry.id);
            it.id == id.id || (it.purpose, it.version) == (id.purpose, id.version)
        };
        match ours.iter().find(same_place) {
            Some(known) => check_same(&master, known, entry)?,
            None => {
                opened(&master, entry)?;
                table::insert_made_at(entry, *time)?;
                added += 1;
            }
        }
    }
    Ok(added)
}

/// That two entries are one key. One that is sealed under another master key, of before a rotation,
/// is believed by its number.
fn check_same(master: &MasterKey, known: &Entry, entry: &Entry) -> Result<()> {
    if known.id != entry.id {
        return Err(another());
    }
    match (open_one(master, known), open_one(master, entry)) {
        (Ok(ours), Ok(theirs)) if !ours.is(&theirs) => Err(another()),
        (_, Err(EntryError::Damaged)) => Err(unusable()),
        _ => Ok(()),
    }
}

fn open_one(master: &MasterKey, entry: &Entry) -> Result<SecretKey, EntryError> {
    master.open_entry(&entry.id, &entry.sealed)
}

fn opened(master: &MasterKey, entry: &Entry) -> Result<SecretKey> {
    open_one(master, entry).map_err(|error| match error {
        EntryError::WrongMasterKey => Error::BadArgument(
            "the bundle's keys are sealed under another master key",
            "Give this server the master key of the vault that the bundle is from.",
        ),
        _ => unusable(),
    })
}

fn unusable() -> Error {
    Error::BadArgument("the bundle's keyring is damaged", "Export the vault again.")
}

fn another() -> Error {
    Error::BadArgument(
        "the bundle has another key under a number of the keyring's",
        "Two copies of the vault have changed their keys independently: they cannot be merged.",
    )
}
