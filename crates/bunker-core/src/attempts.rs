//! How often something was tried lately that must not be tried often: a table that processes share.

/// What can be tried at the same time. A login takes two places for a quarter of an hour: this is
/// enough for some fifteen logins a second, in half a megabyte.
pub const CAPACITY: usize = 1 << 15;
/// In how many places a key may be. Fewer than all, so that no try is slow however full the table is.
const PROBES: usize = 256;
/// A place that was never used.
const NOTHING: u64 = 0;

/// Too much was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// How many tries there may be within how many seconds of the first.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Tries.
    pub tries: u32,
    /// Seconds.
    pub seconds: u32,
}

#[derive(Clone, Copy)]
struct Count {
    key: u64,
    /// The second in which it is forgotten.
    until: u32,
    tries: u32,
}

/// Counts by key: a hash table of fixed size with open addressing. It holds no pointer, so that it can
/// lie in memory that processes share. A place is never emptied, only handed on once its time is over;
/// therefore a search may end at the first that was never used.
pub struct AttemptTable {
    counts: [Count; CAPACITY],
}

impl AttemptTable {
    /// A table in which nothing was tried.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: [Count { key: NOTHING, until: 0, tries: 0 }; CAPACITY] }
    }

    /// Counts a try at `key`. `now` is in seconds, of a clock that nobody can set.
    ///
    /// # Errors
    ///
    /// There were as many as are allowed, or there is no room for it.
    pub fn count(&mut self, key: u64, allowed: Allowance, now: u32) -> Result<(), Exhausted> {
        let key = key.max(1);
        let at = self.place(key, now).ok_or(Exhausted)?;
        let count = &mut self.counts[at];
        if count.key != key || count.until <= now {
            *count = Count { key, until: now.saturating_add(allowed.seconds), tries: 0 };
        }
        if count.tries >= allowed.tries {
            return Err(Exhausted);
        }
        count.tries += 1;
        Ok(())
    }

    /// Whether as many tries at `key` as are allowed have been counted.
    #[must_use]
    pub fn is_exhausted(&self, key: u64, allowed: Allowance, now: u32) -> bool {
        let key = key.max(1);
        let found = self.place(key, now).map(|at| &self.counts[at]);
        found.is_some_and(|c| c.key == key && c.until > now && c.tries >= allowed.tries)
    }

    /// Where `key` is counted, or could be.
    fn place(&self, key: u64, now: u32) -> Option<usize> {
        let mut free = None;
        for step in 0..PROBES {
            let at = (key as usize).wrapping_add(step) % CAPACITY;
            let count = &self.counts[at];
            if count.key == key {
                return Some(at);
            }
            if free.is_none() && count.until <= now {
                free = Some(at);
            }
            if count.key == NOTHING {
                break;
            }
        }
        free
    }
}

impl Default for AttemptTable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Allowance = Allowance { tries: 3, seconds: 60 };

    #[test]
    fn tries_are_counted_until_their_time_is_over() {
        let mut table = Box::new(AttemptTable::new());
        for _ in 0..3 {
            assert!(!table.is_exhausted(5, THREE, 100));
            assert_eq!(table.count(5, THREE, 100), Ok(()));
        }
        assert!(table.is_exhausted(5, THREE, 159));
        assert_eq!(table.count(5, THREE, 159), Err(Exhausted));
        assert_eq!(table.count(6, THREE, 159), Ok(()));
        assert!(!table.is_exhausted(5, THREE, 160));
        assert_eq!(table.count(5, THREE, 160), Ok(()));
    }

    #[test]
    fn neighbours_do_not_share_a_count() {
        let mut table = Box::new(AttemptTable::new());
        let keys: Vec<u64> = (0..4).map(|n| 9 + n * CAPACITY as u64).collect();
        for key in &keys {
            for _ in 0..3 {
                assert_eq!(table.count(*key, THREE, 0), Ok(()));
            }
        }
        assert!(keys.iter().all(|key| table.is_exhausted(*key, THREE, 59)));
    }

    #[test]
    fn a_full_table_counts_nothing_new_and_recovers() {
        let mut table = Box::new(AttemptTable::new());
        for key in 1..=CAPACITY as u64 {
            assert_eq!(table.count(key, THREE, 0), Ok(()));
        }
        let newcomer = CAPACITY as u64 + 1;
        assert_eq!(table.count(newcomer, THREE, 0), Err(Exhausted));
        assert!(!table.is_exhausted(newcomer, THREE, 0));
        assert_eq!(table.count(newcomer, THREE, 60), Ok(()));
    }

    #[test]
    fn what_was_tried_stays_counted_while_its_neighbours_come_and_go() {
        let mut table = Box::new(AttemptTable::new());
        let neighbour = |n: usize| (7 + n * CAPACITY) as u64;
        for n in 0..PROBES - 1 {
            assert_eq!(table.count(neighbour(n), THREE, 0), Ok(()));
        }
        let last = neighbour(PROBES - 1);
        let longer = Allowance { seconds: 600, ..THREE };
        assert_eq!(table.count(last, longer, 0), Ok(()));
        assert_eq!(table.count(neighbour(PROBES), THREE, 0), Err(Exhausted));
        // By now the places before the last one are free.
        for _ in 0..2 {
            assert_eq!(table.count(last, longer, 300), Ok(()));
        }
        assert_eq!(table.count(last, longer, 300), Err(Exhausted));
        assert!(table.is_exhausted(last, longer, 300));
    }
}
