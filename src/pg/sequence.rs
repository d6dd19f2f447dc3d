//! Numbers from a sequence of ours.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use pgrx::pg_sys::{self, Datum, Oid};

use super::owner::as_role;
use super::relation::{OpenTable, SCHEMA, TableRef};
use crate::error::{Error, Result};

/// A sequence of the schema `bunker`.
pub struct SequenceRef {
    name: &'static CStr,
    oid: AtomicU32,
    /// The changes of the owning table under which the oid was looked up.
    seen: AtomicU32,
}

impl SequenceRef {
    /// A sequence by name.
    pub const fn new(name: &'static CStr) -> Self {
        Self { name, oid: AtomicU32::new(0), seen: AtomicU32::new(0) }
    }

    /// The oid, looked up again when `table`, which comes and goes with the sequence, has changed.
    pub fn oid(&self, table: &TableRef) -> Result<Oid> {
        if self.oid.load(Relaxed) == 0 || self.seen.load(Relaxed) != table.changes() {
            // SAFETY: catalog look-ups by constant names.
            let oid = unsafe {
                let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
                pg_sys::get_relname_relid(self.name.as_ptr(), schema)
            };
            self.oid.store(oid.to_u32(), Relaxed);
            self.seen.store(table.changes(), Relaxed);
        }
        let oid = Oid::from(self.oid.load(Relaxed));
        if oid == Oid::INVALID {
            return Err(Error::Internal("a sequence of the schema bunker is missing"));
        }
        Ok(oid)
    }
}

/// The next number, taken as the owner of `table`.
pub fn next_value(sequence: &SequenceRef, table: &TableRef) -> Result<i64> {
    let owner = OpenTable::open(table, pg_sys::AccessShareLock)?.owner();
    let oid = sequence.oid(table)?;
    let number = as_role(owner, || {
        // SAFETY: nextval(regclass) by its C name; it raises an error when there is no sequence.
        unsafe { pgrx::direct_function_call(pg_sys::nextval_oid, &[Some(Datum::from(oid))]) }
    });
    number.ok_or(Error::Internal("a sequence gave no number"))
}
