//! How many records each role has read in the last minute.
//!
//! The window slides in steps: it is the current five seconds and the twelve times five before
//! them. So no 60 seconds, wherever they begin, see more than the limit, and what a role took comes
//! back after 60 to 65 seconds. A token bucket, and a previous minute that is weighted by what is
//! left of it, need less memory; but both let nearly twice the limit through within 60 seconds, to
//! whoever uses it up at once and then takes whatever is free again.

/// Roles that can read in the same minute.
pub const ROLES: usize = 1_024;
/// Length of a slot, in seconds.
const SLOT: u64 = 5;
/// Slots of the window: 60 seconds and the slot that has begun.
const SLOTS: usize = 13;
/// InvalidOid: the meter was never used.
const NOBODY: u32 = 0;

/// Why a role may not read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The role would be over its limit.
    OverLimit,
    /// As many roles as the table holds have read within the last minute.
    TableFull,
}

/// What one role has read; a cache line.
#[derive(Clone, Copy)]
struct Meter {
    /// The latest slot in which anything was taken, counted from the clock's zero.
    newest: u64,
    role: u32,
    /// Records by slot; a slot's place is its number modulo [`SLOTS`].
    counts: [u32; SLOTS],
}

impl Meter {
    const fn new(role: u32, slot: u64) -> Self {
        Self { newest: slot, role, counts: [0; SLOTS] }
    }

    /// Whether nothing that it holds is in the window any more.
    fn is_free(&self, slot: u64) -> bool {
        self.role == NOBODY || slot.saturating_sub(self.newest) >= SLOTS as u64
    }

    /// Empties the slots that have begun since. A clock that went back changes nothing.
    fn advance(&mut self, slot: u64) {
        for begun in (self.newest + 1..=slot).take(SLOTS) {
            self.counts[place(begun)] = 0;
        }
        self.newest = self.newest.max(slot);
    }

    fn take(&mut self, records: u64, limit: u32) -> Result<(), Refused> {
        let taken: u64 = self.counts.iter().copied().map(u64::from).sum();
        if taken.saturating_add(records) > u64::from(limit) {
            return Err(Refused::OverLimit);
        }
        // Not more than the limit, as was just checked.
        self.counts[place(self.newest)] += records as u32;
        Ok(())
    }
}

fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

/// The meters of all roles: a hash table of fixed size with open addressing. It holds no pointer,
/// so that it can lie in memory that processes share.
///
/// A meter is never emptied for good, only handed on to another role; therefore a search may end
/// at the first that was never used.
pub struct RateTable {
    meters: [Meter; ROLES],
}

impl RateTable {
    /// A table in which nobody has read anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { meters: [Meter::new(NOBODY, 0); ROLES] }
    }

    /// Takes `records` from what `role` may read in a minute. `now` is in seconds, of a clock that
    /// nobody can set.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing is taken then.
    pub fn take(&mut self, role: u32, records: u64, limit: u32, now: u64) -> Result<(), Refused> {
        let slot = now / SLOT;
        let meter = self.meter(role, slot).ok_or(Refused::TableFull)?;
        meter.advance(slot);
        meter.take(records, limit)
    }

    /// The role's meter, if need be one that is free.
    fn meter(&mut self, role: u32, slot: u64) -> Option<&mut Meter> {
        let mut free = None;
        for step in 0..ROLES {
            let at = (home(role) + step) % ROLES;
            let meter = &self.meters[at];
            if meter.role == role {
                return Some(&mut self.meters[at]);
            }
            if free.is_none() && meter.is_free(slot) {
                free = Some(at);
            }
            if meter.role == NOBODY {
                break;
            }
        }
        let meter = &mut self.meters[free?];
        *meter = Meter::new(role, slot);
        Some(meter)
    }
}

impl Default for RateTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a role is looked for first. Role oids follow each other: a multiplication by 2^32 over the
/// golden ratio spreads them (Knuth, TAOCP 6.4).
fn home(role: u32) -> usize {
    role.wrapping_mul(0x9e37_79b9) as usize % ROLES
}
