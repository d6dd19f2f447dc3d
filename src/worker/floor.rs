//! Up to where the trail is settled.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::pg::background;
use crate::storage::{audit, audit_seal};

/// Below which number there is nothing left to seal.
///
/// Events get their numbers before they are committed, so one with a low number may turn up after one
/// with a high number is sealed. A number is a floor once every transaction has ended that ran when
/// it was the highest.
#[derive(Default)]
pub struct Floor {
    /// No event at or below this number is still to come.
    pub event: i64,
    /// The first seal that may hold events above it.
    pub seal: i64,
    samples: VecDeque<Sample>,
}

struct Sample {
    highest_event: i64,
    last_seal: i64,
    next_transaction: u64,
    taken: Instant,
}

impl Floor {
    /// How long a sample is kept beyond the end of its transactions: their backends may not have told
    /// of their events yet.
    const GRACE: Duration = Duration::from_secs(2);

    /// Takes up what the last seal says.
    pub fn restore(&mut self) -> Result<()> {
        if let Some(last) = audit_seal::last_of(audit_seal::EVENTS)? {
            self.event = last.floor.unwrap_or_default();
            self.seal = last.first_seal.unwrap_or_default();
        }
        Ok(())
    }

    /// Raises the floor to the newest sample all of whose transactions have ended, which are those below
    /// `oldest_running`. Whoever calls this knows the events of these.
    pub fn raise(&mut self, oldest_running: u64) {
        while let Some(sample) = self.samples.front()
            && sample.next_transaction <= oldest_running
            && sample.taken.elapsed() >= Self::GRACE
        {
            (self.event, self.seal) = (sample.highest_event, sample.last_seal + 1);
            self.samples.pop_front();
        }
    }

    /// Takes a sample.
    pub fn sample(&mut self, last_seal: i64) -> Result<()> {
        // In this order: whoever has drawn a number so far has had his transaction's number before.
        let highest_event = audit::last_number()?;
        let next_transaction = background::next_transaction();
        self.samples.push_back(Sample {
            highest_event,
            last_seal,
            next_transaction,
            taken: Instant::now(),
        });
        Ok(())
    }
}
