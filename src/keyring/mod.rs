//! The vault's keys: opened with the master key when first needed, cached in the backend, forgotten
//! when their source or the keyring table changes.

pub mod source;

use std::cell::RefCell;
use std::rc::Rc;

use bunker_core::crypto::{EntryError, EntryId, IndexKey, MasterKey, Purpose, WrappingKey};
use bunker_core::normalize;
use bunker_core::secret::SecretKey;

use crate::error::{Error, Result, SealedReason};
use crate::pg::setting;
use crate::storage::keyring as table;
use crate::storage::{lookup_kind, record};

/// The opened keyring.
pub struct Keys {
    data: Vec<WrappingKey>,
    index: IndexKey,
    version: u32,
}

impl Keys {
    /// The key that wraps the data keys of new records.
    pub fn current_data_key(&self) -> Result<&WrappingKey> {
        self.data.last().ok_or(Error::Damaged("the keyring"))
    }

    /// The key that a stored record names in its header.
    pub fn data_key(&self, sealed: &[u8]) -> Result<&WrappingKey> {
        let id = bunker_core::crypto::envelope::key_id(sealed)?;
        self.data.iter().find(|key| key.id() == id).ok_or(Error::Damaged("a stored record"))
    }

    /// The key of the blind index.
    pub fn index(&self) -> &IndexKey {
        &self.index
    }

    /// The version of the current data-wrapping key.
    pub fn version(&self) -> u32 {
        self.version
    }
}

struct Cached {
    keys: Rc<Keys>,
    source_generation: u32,
    table_changes: u32,
}

thread_local! {
    static CACHE: RefCell<Option<Cached>> = const { RefCell::new(None) };
}

fn cached() -> Option<Rc<Keys>> {
    CACHE.with_borrow_mut(|cache| {
        let fresh = cache.as_ref().is_some_and(|cached| {
            cached.source_generation == setting::key_source_generation()
                && cached.table_changes == table::changes()
        });
        if !fresh {
            *cache = None;
        }
        cache.as_ref().map(|cached| Rc::clone(&cached.keys))
    })
}

/// The keys of a vault that has been used; `None` when there is no keyring yet, and so no data: a
/// read finds nothing then, and must not write a keyring.
///
/// # Errors
/// Sealed when there is no usable master key, or a wrong one; damaged when an entry was altered.
pub fn existing() -> Result<Option<Rc<Keys>>> {
    if let Some(keys) = cached() {
        return Ok(Some(keys));
    }
    let source_generation = setting::key_source_generation();
    let master = source::load().map_err(Error::Sealed)?;
    let mut entries = table::read()?;
    if entries.is_empty() {
        if !record::any()? {
            return Ok(None);
        }
        // The first users may have been committed since, and their keys with them. Users without
        // keys are not a new vault: new keys would let each of them be created a second time.
        entries = table::read()?;
        if entries.is_empty() {
            return Err(Error::Damaged("the keyring"));
        }
    }
    // Taken after the read, which may itself have brought in changes.
    let table_changes = table::changes();
    let keys = Rc::new(open(&master, &entries)?);
    CACHE.set(Some(Cached { keys: Rc::clone(&keys), source_generation, table_changes }));
    Ok(Some(keys))
}

/// The keys, made now if this is the vault's first use.
pub fn for_writing() -> Result<Rc<Keys>> {
    if let Some(keys) = existing()? {
        return Ok(keys);
    }
    // Whoever comes second waits here, then finds the first one's keyring.
    table::lock()?;
    if table::read()?.is_empty() {
        create(&source::load().map_err(Error::Sealed)?)?;
    }
    existing()?.ok_or(Error::Internal("the keyring could not be created"))
}

fn create(master: &MasterKey) -> Result<()> {
    let mut entries = Vec::with_capacity(Purpose::ALL.len());
    for (position, purpose) in Purpose::ALL.into_iter().enumerate() {
        let entry = EntryId { id: position as u32 + 1, purpose, version: 1 };
        let sealed = master.seal_entry(&entry, &SecretKey::random()?)?;
        entries.push(table::Entry { id: entry, sealed });
    }
    lookup_kind::insert_built_in(i32::from(normalize::VERSION))?;
    table::insert(&entries)
}

/// Opens every entry.
///
/// All entries are sealed under the same master key. If the key fits none of them it is the wrong
/// key; if it fits some, the others were tampered with.
fn open(master: &MasterKey, entries: &[table::Entry]) -> Result<Keys> {
    let opened: Vec<_> = entries
        .iter()
        .map(|entry| (entry.id, master.open_entry(&entry.id, &entry.sealed)))
        .collect();
    if opened.iter().all(|(_, key)| matches!(key, Err(EntryError::WrongMasterKey))) {
        return Err(Error::Sealed(SealedReason::WrongMasterKey));
    }
    let mut data = Vec::new();
    let mut index = None;
    let mut version = 0;
    for (id, key) in opened {
        let key = key.map_err(|_| Error::Damaged("a key of the keyring"))?;
        match id.purpose {
            Purpose::Data => {
                version = id.version;
                data.push(WrappingKey::new(id.id, &key));
            }
            Purpose::Index => index = Some(IndexKey::new(&key)),
            // Opened all the same, so that damage shows now; used by their own features.
            Purpose::Audit | Purpose::AccessToken | Purpose::Bundle => {}
        }
    }
    let index = index.ok_or(Error::Damaged("the keyring"))?;
    if data.is_empty() {
        return Err(Error::Damaged("the keyring"));
    }
    Ok(Keys { data, index, version })
}
