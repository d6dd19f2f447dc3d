//! Lookup kinds of the DBA's own: adding one indexes all users.

use bunker_core::crypto::RandomPool;
use bunker_core::normalize::{self, Normalizer};
use bunker_core::profile::{self, Pointer};

use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::{self, Keys};
use crate::pg::progress::{Progress, Work};
use crate::pg::session;
use crate::service::consent;
use crate::service::digests;
use crate::service::kinds::{self, Kind};
use crate::service::users::{open_record, seal_profile, stored_profile};
use crate::storage::lookup::{self, Target};
use crate::storage::lookup_kind as table;
use crate::storage::record::{self, Record};

/// Users that are read at a time, profiles and all: bounds the memory.
const BATCH: i32 = 100;
/// The most kinds there can be: a record repeats one digest of each, and has to fit into a page.
pub const MAX_KINDS: usize = 64;
/// The longest name of a kind.
const MAX_NAME: usize = 31;
/// Kinds that exist without being added.
const RESERVED: [&str; 5] = ["token", "email", "phone", "login", "custom"];

/// Adds a kind and indexes the users who have a value for it; how many those are.
///
/// Adding the same kind again changes nothing.
pub fn add(name: &str, path: &str, normalizer: &str) -> Result<i64> {
    audit::operation("add_lookup", Some(name), &table::TABLE, || {
        check_name(name)?;
        check_path(path)?;
        let normalizer: Normalizer = normalizer.parse().map_err(|_| {
            Error::BadArgument("unknown normalizer", "Use exact, email, phone, login or custom.")
        })?;
        let keys = keyring::for_writing()?;
        lock()?;
        if let Some(same) = existing(name, path, normalizer)? {
            return Ok(same);
        }
        table::insert(name, path, normalizer.as_str(), i32::from(normalize::VERSION))?;
        index_users(&keys, kinds::all()?.named(name)?)
    })
}

/// Makes a kind's digests anew, after the normaliser has changed; how many there are.
pub fn reindex(name: &str) -> Result<i64> {
    audit::operation("reindex_lookup", Some(name), &table::TABLE, || {
        // Before anything else can fail: a name that is none may be a value in the wrong place, and
        // the event of the failure must not repeat it.
        kinds::all()?.named(name)?;
        let keys = keyring::for_writing()?;
        lock()?;
        let kinds = kinds::all()?;
        let kind = kinds.named(name)?;
        lookup::delete_kind(kind.id)?;
        let indexed = index_users(&keys, kind)?;
        table::set_version(kind.id, i32::from(normalize::VERSION))?;
        Ok(indexed)
    })
}

/// Keeps writers out. An older snapshot would not see users who were added before the lock.
fn lock() -> Result<()> {
    if session::uses_one_snapshot() {
        return Err(Error::IsolationLevel);
    }
    table::lock_writes()
}

fn check_name(name: &str) -> Result<()> {
    let well_formed = name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
    if !well_formed {
        return Err(Error::BadArgument(
            "the name of a lookup kind is not usable",
            "Use 1 to 31 lower-case letters, digits and underscores, a letter first.",
        ));
    }
    if RESERVED.contains(&name) {
        return Err(Error::BadArgument(
            "that lookup kind comes with the extension",
            "Choose another name.",
        ));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<()> {
    Pointer::parse(path).map(drop).map_err(|_| {
        Error::BadArgument(
            "the path is not usable",
            "Give a JSON pointer (RFC 6901) such as /tax/id.",
        )
    })
}

/// `Some(0)` when the kind is there already, as asked for.
fn existing(name: &str, path: &str, normalizer: Normalizer) -> Result<Option<i64>> {
    let kinds = table::read(i32::from(normalize::VERSION))?;
    let Some(row) = kinds.iter().find(|row| row.name == name) else {
        if kinds.len() >= MAX_KINDS {
            return Err(Error::TooMany("At most 64 lookup kinds."));
        }
        return Ok(None);
    };
    if row.path == path && row.normalizer == normalizer.as_str() {
        return Ok(Some(0));
    }
    Err(Error::BadArgument(
        "that lookup kind exists with another path or normalizer",
        "Choose another name.",
    ))
}

fn index_users(keys: &Keys, kind: &Kind) -> Result<i64> {
    let progress = Progress::start(Work::Indexing, lookup::TABLE.oid()?, record::count()?.0);
    let (mut seen, mut indexed) = (0, 0);
    let mut after = None;
    loop {
        session::check_for_interrupts();
        let page = record::page(after.as_ref(), BATCH)?;
        let Some(last) = page.last() else {
            return Ok(indexed);
        };
        after = Some(last.token);
        seen += page.len() as i64;
        for record in page {
            let token = record.token;
            indexed += i64::from(index_user(keys, kind, record).map_err(|e| e.of_user(token))?);
        }
        progress.done(seen);
    }
}

/// Gives a user his entry of a kind; whether he has one.
fn index_user(keys: &Keys, kind: &Kind, record: Record) -> Result<bool> {
    let text = open_record(keys, &record)?;
    let value = stored_profile(&text)?;
    let entry = match profile::value_at(&value, &kind.pointer)? {
        Some(value) => Some(kind.fresh_entry(keys.index(), &value)?),
        None => None,
    };
    let old = digests::decode(&record.digests)?;
    let mut entries: Vec<_> = old.iter().filter(|e| e.kind != kind.id).copied().collect();
    entries.extend(entry);
    entries.sort_unstable();
    if let Some(entry) = entry {
        let target = Target { token: record.token, place: None };
        let row = lookup::Row { entry, target };
        lookup::insert([&row])?.map_err(|_| Error::Duplicate(kind.name.clone()))?;
    }
    if entries != old {
        let gone: Vec<_> = old.iter().filter(|e| !entries.contains(e)).copied().collect();
        consent::release(keys, &record.token, &gone)?;
        let digests = digests::encode(&entries);
        let (token, version) = (&record.token, record.version);
        let mut pool = RandomPool::for_seals(1);
        let sealed = seal_profile(keys, token, version, &digests, &text, &mut pool)?;
        record::update(&Record { digests, sealed: Some(sealed), ..record })?;
    }
    Ok(entry.is_some())
}
