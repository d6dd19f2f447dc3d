//! The partitions of the trail: made before they are needed, dropped when they are too old.

use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;

use super::sealer::Sealer;
use crate::audit::unreported;
use crate::guc;
use crate::pg::channel::{Channel, Request};
use crate::pg::owner::as_owner;
use crate::pg::{background, time};
use crate::storage::{audit, partition};

/// How often it is looked whether there is something to do.
const INTERVAL: Duration = Duration::from_secs(600);
/// The same, after something could not be done because somebody held a lock.
const RETRY: Duration = Duration::from_secs(10);
/// The same, after maintenance has asked: it is in a transaction that may itself have the trail locked,
/// and is about to end.
const SOON: Duration = Duration::from_secs(1);

/// When to look again.
pub struct Upkeep {
    channel: &'static Channel,
    due: Instant,
    trail: Option<Oid>,
}

impl Upkeep {
    /// Due at once.
    pub fn new(channel: &'static Channel) -> Self {
        Self { channel, due: Instant::now(), trail: None }
    }

    /// Makes this month's partition and the next one's, and drops those beyond the retention, when it
    /// is time to or maintenance has asked for it.
    pub fn work(&mut self, sealer: &mut Sealer) {
        // Made again by CREATE EXTENSION, the trail has no partitions.
        let is_new = self.trail.is_some() && sealer.trail() != self.trail;
        self.trail = sealer.trail();
        let asked = self.channel.asked(Request::Upkeep);
        if Instant::now() < self.due && !is_new && asked.is_none() {
            return;
        }
        let done = make_partitions() && drop_partitions(sealer);
        let pause = match (done, asked) {
            (true, _) => INTERVAL,
            (false, Some(_)) => SOON,
            (false, None) => RETRY,
        };
        self.due = Instant::now() + pause;
        if let Some(number) = asked {
            self.channel.fulfilled(Request::Upkeep, number);
        }
    }
}

fn make_partitions() -> bool {
    let this_month = partition::month_of(time::now());
    [this_month, this_month + 1].into_iter().all(|month| {
        let made = background::transaction(c"making a partition of the audit trail", || {
            as_owner(audit::owner()?, || unreported(|| partition::ensure(month)))
        });
        made.is_ok_and(|made| made)
    })
}

/// One transaction takes the events, their seals and the partition, and adds a seal that says so.
fn drop_partitions(sealer: &mut Sealer) -> bool {
    let too_old = background::transaction(c"looking for old audit events", || {
        let kept_month = guc::oldest_audit_month(time::now())?;
        Ok(partition::oldest()?.is_some_and(|oldest| oldest < kept_month).then_some(kept_month))
    });
    match too_old {
        Ok(Some(kept_month)) => sealer.drop_before(kept_month),
        Ok(None) => true,
        Err(()) => false,
    }
}
