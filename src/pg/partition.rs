//! Which partition a row belongs into, from the descriptor that PostgreSQL itself routes by.
//!
//! For tables that are partitioned by ranges of one `timestamptz` and have a default partition. The
//! descriptor is part of the relation cache: nothing is remembered here that could grow old, and a
//! table that merely has a partition's name is none.

use std::ops::RangeInclusive;

use pgrx::pg_sys::{self, Oid};

use super::relation::OpenTable;
use crate::error::{Error, Result};

/// A stretch of time whose rows all belong into one partition.
#[derive(Clone, PartialEq)]
pub struct Stretch {
    /// The partition.
    pub partition: Oid,
    /// Whether that is the default partition, because none is meant for these times.
    pub is_default: bool,
    /// From when to when, in microseconds since 2000-01-01 UTC. Of a partition's own range it is all,
    /// of the default partition as much as lies between two others.
    pub times: RangeInclusive<i64>,
}

/// The bounds of an open table's partitions, as this transaction sees them.
struct Bounds<'a> {
    partitions: &'a pg_sys::PartitionDescData,
    bounds: &'a pg_sys::PartitionBoundInfoData,
}

impl<'a> Bounds<'a> {
    fn of(parent: &'a OpenTable) -> Result<Self> {
        // SAFETY: the relation is open, so that the descriptor outlives `parent` even if it is
        // replaced meanwhile (RelationBuildPartitionDesc in partdesc.c). Without a single partition
        // it has no bounds.
        let found = unsafe {
            let partitions = pg_sys::RelationGetPartitionDesc(parent.as_ptr(), true).as_ref();
            partitions.zip(partitions.and_then(|partitions| partitions.boundinfo.as_ref()))
        };
        let (partitions, bounds) = found.ok_or_else(no_default)?;
        Ok(Self { partitions, bounds })
    }

    /// How many bounds there are. Bound `n` separates stretch `n` from stretch `n + 1`.
    fn count(&self) -> usize {
        usize::try_from(self.bounds.ndatums).unwrap_or(0)
    }

    /// A bound, in microseconds since 2000-01-01 UTC; MINVALUE and MAXVALUE are the ends of time.
    fn bound(&self, number: usize) -> i64 {
        use pg_sys::PartitionRangeDatumKind as Kind;
        // SAFETY: a range-partitioned table has `ndatums` bounds, of one column each, with a kind.
        unsafe {
            match **self.bounds.kind.add(number) {
                Kind::PARTITION_RANGE_DATUM_MINVALUE => i64::MIN,
                Kind::PARTITION_RANGE_DATUM_MAXVALUE => i64::MAX,
                _ => (**self.bounds.datums.add(number)).value().cast_signed() as i64,
            }
        }
    }

    /// One of the `count() + 1` stretches into which the bounds cut time.
    fn stretch(&self, number: usize) -> Result<Stretch> {
        let from = number.checked_sub(1).map_or(i64::MIN, |below| self.bound(below));
        let to =
            if number < self.count() { self.bound(number).saturating_sub(1) } else { i64::MAX };
        // SAFETY: range partitioning has one index more than bounds, -1 where no partition is meant;
        // an index that is not -1 points into the descriptor's oids.
        let own = unsafe {
            let index = usize::try_from(*self.bounds.indexes.add(number)).ok();
            index.map(|index| *self.partitions.oids.add(index))
        };
        let partition = own.map_or_else(|| self.default(), Ok)?;
        Ok(Stretch { partition, is_default: own.is_none(), times: from..=to })
    }

    /// The default partition.
    fn default(&self) -> Result<Oid> {
        let index = usize::try_from(self.bounds.default_index).map_err(|_| no_default())?;
        // SAFETY: an index that is not -1 points into the descriptor's oids.
        Ok(unsafe { *self.partitions.oids.add(index) })
    }

    /// The stretch around a point in time: `partition_range_datum_bsearch` in partbounds.c.
    fn around(&self, at: i64) -> Result<Stretch> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.bound(middle) <= at { low = middle + 1 } else { high = middle }
        }
        self.stretch(low)
    }
}

fn no_default() -> Error {
    Error::Internal("the audit trail has lost its default partition")
}

/// Where rows of a point in time belong.
pub fn find(parent: &OpenTable, at: i64) -> Result<Stretch> {
    Bounds::of(parent)?.around(at)
}

/// The partition of everything that belongs nowhere else.
pub fn default(parent: &OpenTable) -> Result<Oid> {
    Bounds::of(parent)?.default()
}

/// All partitions but the default one, by rising time.
pub fn all(parent: &OpenTable) -> Result<Vec<Stretch>> {
    let bounds = Bounds::of(parent)?;
    let stretches: Result<Vec<_>> = (0..=bounds.count()).map(|n| bounds.stretch(n)).collect();
    Ok(stretches?.into_iter().filter(|stretch| !stretch.is_default).collect())
}

/// Opens the partition where rows of a point in time belong, under `lock`, which must keep ATTACH
/// and DETACH away.
pub fn open(parent: &OpenTable, at: i64, lock: u32) -> Result<(OpenTable, Stretch)> {
    loop {
        let stretch = find(parent, at)?;
        let table = OpenTable::open_oid(stretch.partition, lock);
        // While we waited for the lock, a partition may have been taken out of the default one, as
        // ExecFindPartition (execPartition.c) has to reckon with, too.
        if find(parent, at)? != stretch {
            continue;
        }
        if !table.is_ordinary() {
            return Err(Error::Internal("a partition of the audit trail is no ordinary table"));
        }
        return Ok((table, stretch));
    }
}
