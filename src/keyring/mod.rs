//! The vault's keys: opened with the master key when first needed, cached in the backend, forgotten
//! when their source or the keyring table changes.

mod imported;
pub mod source;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bunker_core::crypto::{
    BundleKey, EntryError, EntryId, IndexKey, MasterKey, Purpose, TokenKey, WrappingKey,
};
use bunker_core::normalize;
use bunker_core::secret::SecretKey;
use bunker_core::trail::TrailKey;

use crate::error::{Error, Result, SealedReason};
use crate::pg::{background, log_redaction, session, setting};
use crate::storage::keyring as table;
use crate::storage::{lookup_kind, record};
pub use imported::{adopt, merge};

/// The opened keyring.
pub struct Keys {
    data: Vec<WrappingKey>,
    index: IndexKey,
    trail: TrailKey,
    tokens: TokenKey,
    bundle: BundleKey,
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

    /// The key of the audit trail.
    pub fn trail(&self) -> &TrailKey {
        &self.trail
    }

    /// The key of access tokens and login codes.
    pub fn tokens(&self) -> &TokenKey {
        &self.tokens
    }

    /// The key that signs bundles.
    pub fn bundle(&self) -> &BundleKey {
        &self.bundle
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
    log_redaction::note_call();
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

thread_local! {
    /// Why the audit writer found the vault sealed, under which settings, and when.
    static REFUSED: Cell<Option<(SealedReason, u32, Instant)>> = const { Cell::new(None) };
}

/// How long the audit writer believes that the vault is sealed, without a change of the settings: the
/// others wait while he asks again.
const BELIEF: Duration = Duration::from_secs(30);

/// The master key from its source.
fn master_key() -> Result<MasterKey> {
    let generation = setting::key_source_generation();
    if let Some((reason, seen, when)) = REFUSED.get()
        && seen == generation
        && when.elapsed() < BELIEF
    {
        return Err(Error::Sealed(reason));
    }
    source::load().map_err(|reason| {
        if background::is_worker() {
            REFUSED.set(Some((reason, generation, Instant::now())));
        }
        Error::Sealed(reason)
    })
}

/// The keys of a vault that has been used; `None` when there is no keyring yet, and so no data: a
/// read finds nothing then, and must not write a keyring.
///
/// # Errors
/// Sealed when there is no usable master key, or a wrong one; damaged when an entry was altered; in
/// a parallel query.
pub fn existing() -> Result<Option<Rc<Keys>>> {
    session::refuse_parallel()?;
    if let Some(keys) = cached() {
        return Ok(Some(keys));
    }
    let source_generation = setting::key_source_generation();
    let master = master_key()?;
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
        create(&master_key()?)?;
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
    let (mut index, mut trail, mut tokens, mut bundle) = (None, None, None, None);
    let mut version = 0;
    for (id, key) in opened {
        let key = key.map_err(|_| Error::Damaged("a key of the keyring"))?;
        match id.purpose {
            Purpose::Data => {
                version = id.version;
                data.push(WrappingKey::new(id.id, &key));
            }
            Purpose::Index => index = Some(IndexKey::new(&key)),
            Purpose::Audit => trail = Some(TrailKey::new(id.id, &key)),
            Purpose::AccessToken => tokens = Some(TokenKey::new(&key)),
            Purpose::Bundle => bundle = Some(BundleKey::new(&key)),
        }
    }
    let (Some(index), Some(trail), Some(tokens), Some(bundle)) = (index, trail, tokens, bundle)
    else {
        return Err(Error::Damaged("the keyring"));
    };
    if data.is_empty() {
        return Err(Error::Damaged("the keyring"));
    }
    Ok(Keys { data, index, trail, tokens, bundle, version })
}
