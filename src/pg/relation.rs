//! The vault's own tables, found by name once and remembered until PostgreSQL says they changed.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use pgrx::pg_sys::{self, Oid};

use crate::error::{Error, Result};

/// The schema of all tables.
pub const SCHEMA: &CStr = c"bunker";

/// A table of the schema `bunker` and the index of its primary key, if it has one.
///
/// One `static` exists for each table that is reached without SQL, or whose rows are cached in the
/// backend. The numbers are atomics only because a `static` must be `Sync`: a backend has one
/// thread.
pub struct TableRef {
    name: &'static CStr,
    key: Option<&'static CStr>,
    table_oid: AtomicU32,
    key_oid: AtomicU32,
    changes: AtomicU32,
}

impl TableRef {
    /// A table and its primary key's index, by name.
    pub const fn new(name: &'static CStr, key: &'static CStr) -> Self {
        Self::named(name, Some(key))
    }

    /// A table without a primary key.
    pub const fn without_key(name: &'static CStr) -> Self {
        Self::named(name, None)
    }

    const fn named(name: &'static CStr, key: Option<&'static CStr>) -> Self {
        Self {
            name,
            key,
            table_oid: AtomicU32::new(0),
            key_oid: AtomicU32::new(0),
            changes: AtomicU32::new(0),
        }
    }

    /// How often this backend was told that the table changed; caches of its rows compare it.
    pub fn changes(&self) -> u32 {
        self.changes.load(Relaxed)
    }

    /// The table's oid.
    pub fn oid(&self) -> Result<Oid> {
        let known = self.table_oid.load(Relaxed);
        if known != 0 {
            return Ok(Oid::from(known));
        }
        self.resolve()?;
        Ok(Oid::from(self.table_oid.load(Relaxed)))
    }

    /// The oid of the primary key's index.
    pub fn key_oid(&self) -> Result<Oid> {
        self.oid()?;
        Ok(Oid::from(self.key_oid.load(Relaxed)))
    }

    fn resolve(&self) -> Result<()> {
        // SAFETY: catalog look-ups by constant names, inside a transaction as every function call is.
        let (table, key) = unsafe {
            let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
            (
                pg_sys::get_relname_relid(self.name.as_ptr(), schema),
                self.key.map(|key| pg_sys::get_relname_relid(key.as_ptr(), schema)),
            )
        };
        if table == Oid::INVALID || key == Some(Oid::INVALID) {
            return Err(Error::Internal("a table of the schema bunker is missing"));
        }
        self.table_oid.store(table.to_u32(), Relaxed);
        self.key_oid.store(key.map_or(0, Oid::to_u32), Relaxed);
        Ok(())
    }

    fn forget(&self) {
        self.table_oid.store(0, Relaxed);
        self.key_oid.store(0, Relaxed);
        self.changes.fetch_add(1, Relaxed);
    }

    /// Tells every backend, at commit, that cached rows of this table are out of date; this one
    /// learns it with the next command, and again if the transaction is rolled back.
    pub fn invalidate(&self) -> Result<()> {
        // SAFETY: the oid is that of an existing relation, resolved in this transaction's view.
        unsafe { pg_sys::CacheInvalidateRelcacheByRelid(self.oid()?) };
        Ok(())
    }
}

static WATCHED: std::sync::OnceLock<&'static [&'static TableRef]> = std::sync::OnceLock::new();

/// Keeps `tables` up to date with PostgreSQL's relation-cache invalidations. Called once, when the
/// library is loaded.
pub fn watch(tables: &'static [&'static TableRef]) {
    if WATCHED.set(tables).is_ok() {
        // SAFETY: the callback lives as long as the library, which is never unloaded.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0));
        }
    }
}

/// Takes in what other sessions have changed. PostgreSQL does so at the start of a transaction and
/// with each new lock; one that already has its locks would go on with what it remembers.
pub fn take_in_changes() {
    // SAFETY: allowed at any point of a transaction.
    unsafe { pg_sys::AcceptInvalidationMessages() };
}

/// `relid` 0 means that any relation may have changed (inval.c).
///
/// It may run at any point where PostgreSQL takes in invalidations, so it only sets marks.
extern "C-unwind" fn relation_changed(_: pg_sys::Datum, relid: Oid) {
    for table in WATCHED.get().copied().unwrap_or_default() {
        let known = table.table_oid.load(Relaxed);
        let touched = relid.to_u32() == known || relid.to_u32() == table.key_oid.load(Relaxed);
        if relid == Oid::INVALID || (known != 0 && touched) {
            table.forget();
        }
    }
}

/// A relation that is open and locked; the lock is kept until the transaction ends, as PostgreSQL
/// does for tables.
pub struct OpenTable {
    relation: pg_sys::Relation,
}

impl OpenTable {
    /// Opens a table under `lock`, one of PostgreSQL's lock modes.
    pub fn open(table: &TableRef, lock: u32) -> Result<Self> {
        Ok(Self::open_oid(table.oid()?, lock))
    }

    /// Opens a table by its oid.
    pub fn open_oid(table: Oid, lock: u32) -> Self {
        // SAFETY: table_open raises an error when there is no such table, or not any more.
        Self { relation: unsafe { pg_sys::table_open(table, lock as pg_sys::LOCKMODE) } }
    }

    /// The relation cache's entry, valid as long as `self`.
    pub fn as_ptr(&self) -> pg_sys::Relation {
        self.relation
    }

    /// Whether it is an ordinary table, with rows of its own.
    pub fn is_ordinary(&self) -> bool {
        // SAFETY: an open relation has its pg_class row at hand.
        unsafe { (*(*self.relation).rd_rel).relkind == pg_sys::RELKIND_RELATION as c_char }
    }

    /// Schema and name, quoted where SQL wants it.
    pub fn sql_name(&self) -> String {
        // SAFETY: the schema of an open relation exists; both texts are copies that live in the
        // current memory context.
        unsafe {
            let class = (*self.relation).rd_rel;
            let schema = pg_sys::get_namespace_name((*class).relnamespace);
            let name = pg_sys::quote_qualified_identifier(schema, (*class).relname.data.as_ptr());
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// The role that owns the table, and with it the extension's data.
    pub fn owner(&self) -> Oid {
        // SAFETY: an open relation has its pg_class row at hand.
        unsafe { (*(*self.relation).rd_rel).relowner }
    }
}

impl Drop for OpenTable {
    fn drop(&mut self) {
        // When PostgreSQL unwinds an error its resource owner closes the relation.
        if !std::thread::panicking() {
            // SAFETY: opened in `open`, closed once.
            unsafe { pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE) };
        }
    }
}
