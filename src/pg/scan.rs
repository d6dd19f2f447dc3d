//! Rows by a unique key, straight from the index.
//!
//! No SQL is parsed, planned or executed here, so neither `search_path` nor anybody's operators
//! have a part in it, and a look-up costs a fraction of a prepared SELECT. TimescaleDB reads its
//! catalog in the same way.

use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{FromDatum, Uuid, varlena};

use super::relation::{OpenTable, TableRef};
use super::session;
use super::value::{Place, Value};
use crate::error::{Error, Result};

/// The most columns that a primary key of ours has.
const MAX_KEYS: usize = 2;

/// A row that was found, valid while the closure it was handed to runs.
pub struct Row {
    slot: *mut pg_sys::TupleTableSlot,
}

impl Row {
    /// The column's value (columns count from 1), or `None` for NULL.
    fn datum(&self, column: usize) -> Option<Datum> {
        // SAFETY: the slot holds a tuple of our own table, all of whose columns were deformed;
        // `column` is a constant of the storage layer.
        unsafe {
            let is_null = *(*self.slot).tts_isnull.add(column - 1);
            (!is_null).then(|| *(*self.slot).tts_values.add(column - 1))
        }
    }

    /// A column that the table declares NOT NULL.
    fn required<T: FromDatum>(&self, column: usize) -> Result<T> {
        self.datum(column)
            // SAFETY: the storage layer asks for the type that the table declares.
            .and_then(|datum| unsafe { T::from_datum(datum, false) })
            .ok_or(Error::Damaged("a stored row"))
    }

    /// A column that may be NULL.
    pub fn optional<T: FromDatum>(&self, column: usize) -> Option<T> {
        // SAFETY: as in `required`.
        self.datum(column).and_then(|datum| unsafe { T::from_datum(datum, false) })
    }

    /// A `text`.
    pub fn text(&self, column: usize) -> Result<&str> {
        std::str::from_utf8(self.bytes(column)?).map_err(|_| Error::Damaged("a stored row"))
    }

    /// A `smallint`.
    pub fn int2(&self, column: usize) -> Result<i16> {
        self.required(column)
    }

    /// A `uuid`.
    pub fn uuid(&self, column: usize) -> Result<Uuid> {
        self.required(column)
    }

    /// An `integer`.
    pub fn int4(&self, column: usize) -> Result<i32> {
        self.required(column)
    }

    /// A `bigint`.
    pub fn int8(&self, column: usize) -> Result<i64> {
        self.required(column)
    }

    /// A `timestamptz`, in microseconds since 2000-01-01 UTC.
    pub fn time(&self, column: usize) -> Result<i64> {
        self.required(column)
    }

    /// Where the row stands.
    pub fn place(&self) -> Place {
        // SAFETY: the slot holds a tuple of a table.
        unsafe { (*self.slot).tts_tid }
    }

    /// Whether the column is NULL.
    pub fn is_null(&self, column: usize) -> bool {
        self.datum(column).is_none()
    }

    /// A `bytea` or a `text`'s bytes, fetched from its TOAST table where it lies there.
    pub fn bytes(&self, column: usize) -> Result<&[u8]> {
        let datum = self.datum(column).ok_or(Error::Damaged("a stored row"))?;
        let value: *mut pg_sys::varlena = datum.cast_mut_ptr();
        // SAFETY: a varlena; the copy that de-toasting makes lives in the caller's memory context,
        // longer than this row.
        unsafe {
            let plain = varlena::varatt_is_4b_u(value)
                || (varlena::varatt_is_1b(value) && !varlena::varatt_is_1b_e(value));
            let value = if plain { value } else { pg_sys::pg_detoast_datum_packed(value) };
            Ok(varlena::varlena_to_byte_slice(value))
        }
    }
}

/// What a look-up sees: what the caller's statement sees, and the changes that its own transaction
/// has made since.
pub struct Snapshot {
    snapshot: pg_sys::Snapshot,
    pushed: bool,
}

impl Snapshot {
    /// The caller's snapshot, brought up to date with his own changes if there are any.
    pub fn of_caller() -> Self {
        // SAFETY: an SQL-callable function runs under an active snapshot, which stays active until it
        // returns; without one (a trigger at commit, say) the transaction's own is as good. What is
        // pushed here is popped on drop.
        unsafe {
            let active = pg_sys::ActiveSnapshotSet();
            let current =
                if active { pg_sys::GetActiveSnapshot() } else { pg_sys::GetTransactionSnapshot() };
            if active && (*current).curcid == pg_sys::GetCurrentCommandId(false) {
                return Self { snapshot: current, pushed: false };
            }
            pg_sys::PushCopiedSnapshot(current);
            pg_sys::UpdateActiveSnapshotCommandId();
            Self { snapshot: pg_sys::GetActiveSnapshot(), pushed: true }
        }
    }
}

/// Runs `work` under a snapshot taken now, whatever the caller's transaction sees: for what only grows,
/// and must be told as it stands.
pub fn with_latest_snapshot<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: pushed here and popped below; when an error leaves the scope, the end of the
    // (sub)transaction pops it.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    let result = work();
    // SAFETY: see above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}

/// Whether the transaction sees the past, and `any` finds something as things stand now. What a
/// transaction with one snapshot deletes or counts is what that one sees.
///
/// `any` looks by scans: SPI, in a transaction that has written, takes its snapshot for any other.
pub fn overlooks(any: impl FnOnce(&Snapshot) -> Result<bool>) -> Result<bool> {
    if !session::uses_one_snapshot() {
        return Ok(false);
    }
    with_latest_snapshot(|| any(&Snapshot::of_caller()))
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // When PostgreSQL unwinds an error, the end of the (sub)transaction pops it.
        if self.pushed && !std::thread::panicking() {
            // SAFETY: pushed in `of_caller`; scopes nest, so it is on top again.
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}

/// Finds the row whose primary key has these values and hands it to `read`; with fewer values than the key
/// has columns, the first whose key begins with them.
pub fn find<R>(
    snapshot: &Snapshot,
    table: &TableRef,
    keys: &[Value<'_>],
    read: impl FnOnce(&Row) -> Result<R>,
) -> Result<Option<R>> {
    let open = OpenTable::open(table, pg_sys::AccessShareLock)?;
    let index_oid = table.key_oid()?;
    let mut scan_keys = scan_keys(keys)?;
    // SAFETY: table and index are ours and open while the scan lasts; the keys are of the types
    // that the index has; the slot is dropped after the last use of the row.
    unsafe {
        let index = pg_sys::index_open(index_oid, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let slot = pg_sys::table_slot_create(open.as_ptr(), std::ptr::null_mut());
        let scan = begin_scan(open.as_ptr(), index, snapshot.snapshot, keys.len());
        let (keys_ptr, none) = (scan_keys.as_mut_ptr(), std::ptr::null_mut());
        pg_sys::index_rescan(scan, keys_ptr, keys.len() as i32, none, 0);
        let found =
            pg_sys::index_getnext_slot(scan, pg_sys::ScanDirection::ForwardScanDirection, slot);
        let result = found.then(|| {
            pg_sys::slot_getallattrs(slot);
            read(&Row { slot })
        });
        pg_sys::index_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        result.transpose()
    }
}

/// Hands the row at a place to `read`, if there is one that the snapshot sees.
///
/// Which row stands there may have changed since the place was noted: `read` has to look.
pub fn at_place<R>(
    snapshot: &Snapshot,
    table: &TableRef,
    place: Place,
    read: impl FnOnce(&Row) -> Result<Option<R>>,
) -> Result<Option<R>> {
    let open = OpenTable::open(table, pg_sys::AccessShareLock)?;
    let (relation, mut place) = (open.as_ptr(), place);
    // SAFETY: the table is open; a place behind its end, which reading would complain about, is
    // sorted out first; the slot is dropped after the last use of the row.
    unsafe {
        let block = pgrx::itemptr::item_pointer_get_block_number_no_check(place);
        let main = pg_sys::ForkNumber::MAIN_FORKNUM;
        if place.ip_posid == 0 || block >= pg_sys::RelationGetNumberOfBlocksInFork(relation, main) {
            return Ok(None);
        }
        let slot = pg_sys::table_slot_create(relation, std::ptr::null_mut());
        let found =
            pg_sys::table_tuple_fetch_row_version(relation, &mut place, snapshot.snapshot, slot);
        let result = found.then(|| {
            pg_sys::slot_getallattrs(slot);
            read(&Row { slot })
        });
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        result.transpose().map(Option::flatten)
    }
}

/// Reads the rows whose primary key, one `bigint`, is above a number, in the order of the key and at
/// most so many, as the table stands now: committed by whomever, or the transaction's own.
///
/// Not SQL, because SPI takes the transaction's snapshot once the transaction has written: at REPEATABLE
/// READ that is an old one, whatever snapshot is active.
pub fn after<R>(
    table: &TableRef,
    key: i64,
    limit: usize,
    mut read: impl FnMut(&Row) -> Result<R>,
) -> Result<Vec<R>> {
    let open = OpenTable::open(table, pg_sys::AccessShareLock)?;
    let index_oid = table.key_oid()?;
    let mut scan_key = pg_sys::ScanKeyData::default();
    let mut rows = Vec::new();
    // SAFETY: as in `find`; the key is a `bigint`, passed by value, and so is the index's.
    unsafe {
        let (strategy, above) = (pg_sys::BTGreaterStrategyNumber, Oid::from(pg_sys::F_INT8GT));
        pg_sys::ScanKeyInit(&mut scan_key, 1, strategy as u16, above, Datum::from(key));
        let index = pg_sys::index_open(index_oid, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let slot = pg_sys::table_slot_create(open.as_ptr(), std::ptr::null_mut());
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let scan = begin_scan(open.as_ptr(), index, snapshot, 1);
        pg_sys::index_rescan(scan, &mut scan_key, 1, std::ptr::null_mut(), 0);
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        let mut outcome = Ok(());
        while outcome.is_ok()
            && rows.len() < limit
            && pg_sys::index_getnext_slot(scan, forward, slot)
        {
            pg_sys::slot_getallattrs(slot);
            outcome = read(&Row { slot }).map(|row| rows.push(row));
        }
        pg_sys::index_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        outcome.map(|()| rows)
    }
}

/// Reads every row of a small table as it stands now, committed by whomever: for settings and keys,
/// which must not depend on how old the caller's snapshot is.
pub fn read_all(table: &TableRef, mut read: impl FnMut(&Row) -> Result<()>) -> Result<()> {
    let open = OpenTable::open(table, pg_sys::AccessShareLock)?;
    // SAFETY: as in `find`; the scan ends before the table is closed.
    unsafe {
        let slot = pg_sys::table_slot_create(open.as_ptr(), std::ptr::null_mut());
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let scan = pg_sys::table_beginscan(open.as_ptr(), snapshot, 0, std::ptr::null_mut());
        let mut outcome = Ok(());
        while outcome.is_ok()
            && pg_sys::table_scan_getnextslot(
                scan,
                pg_sys::ScanDirection::ForwardScanDirection,
                slot,
            )
        {
            pg_sys::slot_getallattrs(slot);
            outcome = read(&Row { slot });
        }
        pg_sys::table_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        outcome
    }
}

fn scan_keys(keys: &[Value<'_>]) -> Result<[pg_sys::ScanKeyData; MAX_KEYS]> {
    let mut scan_keys = [pg_sys::ScanKeyData::default(); MAX_KEYS];
    for (position, (entry, key)) in scan_keys.iter_mut().zip(keys).enumerate() {
        let (Some(datum), Some(equality)) = (key.datum(), equality_of(key)) else {
            return Err(Error::Internal("a key of an unsupported type"));
        };
        // SAFETY: `entry` is a valid place, and the function is the equality of the key's type.
        unsafe {
            pg_sys::ScanKeyInit(
                entry,
                (position + 1) as pg_sys::AttrNumber,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                equality,
                datum,
            );
        }
    }
    Ok(scan_keys)
}

/// The function behind `=` of the key's type (pg_proc.dat).
fn equality_of(key: &Value<'_>) -> Option<Oid> {
    let function = match key {
        Value::Uuid(_) => pg_sys::F_UUID_EQ,
        Value::Int2(_) => pg_sys::F_INT2EQ,
        Value::Int4(_) => pg_sys::F_INT4EQ,
        Value::Bytes(_) => pg_sys::F_BYTEAEQ,
        _ => return None,
    };
    Some(Oid::from(function))
}

/// `index_beginscan`, whose parameters grew in PostgreSQL 18.
///
/// # Safety
/// As for `index_beginscan`.
unsafe fn begin_scan(
    table: pg_sys::Relation,
    index: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    keys: usize,
) -> pg_sys::IndexScanDesc {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: the caller's.
    unsafe {
        pg_sys::index_beginscan(table, index, snapshot, keys as i32, 0)
    }
    #[cfg(feature = "pg18")]
    // SAFETY: the caller's; no instrumentation is asked for.
    unsafe {
        pg_sys::index_beginscan(table, index, snapshot, std::ptr::null_mut(), keys as i32, 0)
    }
}
