//! Lookup kinds, cached in the backend, and the way from a value to its digest.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use bunker_core::crypto::IndexKey;
use bunker_core::normalize::{self, Normalizer};
use bunker_core::profile::Pointer;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::guc;
use crate::storage::lookup::Entry;
use crate::storage::lookup_kind as table;

/// A way to find a user.
pub struct Kind {
    /// Number in the blind index.
    pub id: i16,
    /// Name in the SQL functions.
    pub name: String,
    /// Where in the profile the value stands.
    pub pointer: Pointer,
    /// What makes all spellings of it one.
    pub normalizer: Normalizer,
    /// Which version of the normaliser made the stored digests.
    normalizer_version: i32,
}

impl Kind {
    fn from_row(row: table::Row) -> Result<Self> {
        let damaged = || Error::Damaged("a lookup kind");
        Ok(Self {
            id: row.id,
            pointer: Pointer::parse(&row.path).map_err(|_| damaged())?,
            normalizer: row.normalizer.parse().map_err(|_| damaged())?,
            name: row.name,
            normalizer_version: row.normalizer_version,
        })
    }

    /// The entry of a value in the blind index.
    ///
    /// Digests of another version of the normaliser cannot be compared with: two spellings of one
    /// address could pass as two people.
    pub fn entry(&self, key: &IndexKey, value: &str) -> Result<Entry> {
        if self.normalizer_version != i32::from(normalize::VERSION) {
            return Err(Error::StaleNormalizer);
        }
        self.fresh_entry(key, value)
    }

    /// The same, for making the digests anew.
    pub fn fresh_entry(&self, key: &IndexKey, value: &str) -> Result<Entry> {
        Ok(Entry::new(self.id, &key.digest(&self.name, &self.normalize(value)?)))
    }

    /// The one spelling of a value.
    pub fn normalize<'a>(&self, value: &'a str) -> Result<Cow<'a, str>> {
        Ok(self.normalizer.normalize(value, guc::default_region()?)?)
    }
}

/// All kinds.
pub struct Kinds(Vec<Kind>);

impl Kinds {
    /// The kind of that name.
    pub fn named(&self, name: &str) -> Result<&Kind> {
        self.0.iter().find(|kind| kind.name == name).ok_or(Error::UnknownKind)
    }

    /// The name of a kind.
    pub fn name_of(&self, id: i16) -> &str {
        self.0.iter().find(|kind| kind.id == id).map_or("lookup value", |kind| &kind.name)
    }

    /// The entries of a profile, sorted.
    ///
    /// # Errors
    /// A value that has no normal form, or no value at all.
    pub fn entries(&self, key: &IndexKey, profile: &Value) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(self.0.len());
        for kind in &self.0 {
            if let Some(value) = bunker_core::profile::value_at(profile, &kind.pointer)? {
                entries.push(kind.entry(key, &value)?);
            }
        }
        if entries.is_empty() {
            return Err(Error::NoLookupField);
        }
        entries.sort_unstable();
        Ok(entries)
    }
}

thread_local! {
    static CACHE: RefCell<Option<(u32, Rc<Kinds>)>> = const { RefCell::new(None) };
}

/// All kinds as they stand now.
pub fn all() -> Result<Rc<Kinds>> {
    if let Some(kinds) = CACHE.with_borrow(|cache| {
        cache
            .as_ref()
            .filter(|(changes, _)| *changes == table::changes())
            .map(|(_, kinds)| Rc::clone(kinds))
    }) {
        return Ok(kinds);
    }
    let rows = table::read(i32::from(normalize::VERSION))?;
    let changes = table::changes();
    let kinds = rows.into_iter().map(Kind::from_row).collect::<Result<Vec<_>>>()?;
    let kinds = Rc::new(Kinds(kinds));
    CACHE.set(Some((changes, Rc::clone(&kinds))));
    Ok(kinds)
}
