//! The audit writer: takes events out of the channel and commits them, many at a time.

use std::ffi::CString;
use std::time::{Duration, Instant};

use pgrx::pg_sys::Oid;

use super::notifier::Notifier;
use super::sealer::Sealer;
use super::upkeep::Upkeep;
use crate::audit;
use crate::audit::message::{Announced, Committed, Message};
use crate::outbox;
use crate::pg::channel::Channel;
use crate::pg::owner::as_owner;
use crate::pg::ring::Batch;
use crate::pg::tally::Tally;
use crate::pg::{background, latch, relation};
use crate::storage::audit::{self as table, Event};

/// Bytes of messages that are committed together at most.
const BATCH_BYTES: usize = 64 * 1024;
/// How often an idle writer looks whether anybody is still connected to his database. DROP DATABASE
/// waits five seconds for others to leave.
const IDLE: Duration = Duration::from_secs(1);
/// The pauses between attempts to write, while they fail.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Writes events until the process is asked to end, or nobody uses the database any more.
pub fn run(channel: &'static Channel, database: Oid) {
    let mut writer = Writer {
        channel,
        sealer: Sealer::new(channel),
        notifier: Notifier::new(channel),
        pause: FIRST_PAUSE,
    };
    let mut upkeep = Upkeep::new(channel);
    while !background::should_end() {
        background::take_in_settings();
        let progress = writer.write_waiting();
        writer.notifier.work();
        writer.sealer.work();
        upkeep.work(&mut writer.sealer);
        match progress {
            Progress::Done => {}
            // Nobody waits for it, and the next one to come starts another writer.
            Progress::Failed if background::sessions(database) == 0 => {
                writer.clear_up();
                return;
            }
            Progress::Failed => writer.pause(),
            Progress::Idle if writer.may_leave(database) => return,
            Progress::Idle => writer.sleep(),
        }
    }
    writer.finish();
}

/// What an attempt to write has come to.
enum Progress {
    /// There was nothing to write.
    Idle,
    /// Something was written.
    Done,
    /// PostgreSQL did not let us.
    Failed,
}

struct Writer {
    channel: &'static Channel,
    sealer: Sealer,
    notifier: Notifier,
    pause: Duration,
}

impl Writer {
    /// Commits what waits in the channel. Only then is it taken out: an attempt that fails is
    /// repeated with the same events.
    fn write_waiting(&mut self) -> Progress {
        let batch = self.channel.take(BATCH_BYTES);
        if batch.is_empty() {
            return Progress::Idle;
        }
        let Contents { events, committed, payloads } = read(&batch);
        let count = events.len() as u64;
        let written = if events.is_empty() { Ok(Vec::new()) } else { commit(events) };
        let Ok(written) = written else {
            Tally::add(&self.channel.tally.failed_flushes, 1);
            return Progress::Failed;
        };
        // Before those who wait for them go on, and look perhaps.
        if count > 0 {
            self.channel.tally.flushed(count);
        }
        self.channel.release(&batch);
        self.sealer.add(written);
        self.sealer.add(committed);
        self.notifier.add(payloads);
        self.pause = FIRST_PAUSE;
        Progress::Done
    }

    fn pause(&mut self) {
        latch::reset();
        latch::wait(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn sleep(&self) {
        latch::step_aside(|| self.channel.durable() == self.channel.queued());
        latch::reset();
        if self.channel.fall_asleep() {
            let due = [self.sealer.due_in(), self.notifier.due_in()].into_iter().flatten().min();
            latch::wait(due.unwrap_or(IDLE));
            self.channel.wake_up();
        }
    }

    /// Whether nobody is connected any more: the database may be about to be dropped or copied, and
    /// whoever comes next starts a new writer.
    fn may_leave(&mut self, database: Oid) -> bool {
        background::sessions(database) == 0
            && (self.sealer.finish() || !self.sealer.follow_trail())
            && self.channel.fall_asleep()
    }

    /// Nobody is connected, and nothing can be written. If that is because the extension was
    /// dropped, what waits is nobody's any more; another trail must not get it.
    fn clear_up(&mut self) {
        if self.sealer.follow_trail() {
            return;
        }
        loop {
            let batch = self.channel.take(BATCH_BYTES);
            if batch.is_empty() {
                return;
            }
            self.channel.release(&batch);
        }
    }

    /// Asked to end: what has been sent is still written, if PostgreSQL lets us.
    fn finish(&mut self) {
        let deadline = Instant::now() + LONGEST_PAUSE;
        while Instant::now() < deadline {
            match self.write_waiting() {
                Progress::Idle => break,
                Progress::Done => {}
                Progress::Failed => self.pause(),
            }
        }
        self.notifier.finish();
        if !self.sealer.finish() {
            self.sealer.hand_on();
        }
    }
}

/// What is in a batch.
#[derive(Default)]
struct Contents {
    /// Events that have to be written.
    events: Vec<Event>,
    /// Events that are.
    committed: Vec<Committed>,
    /// What listeners have to be told.
    payloads: Vec<CString>,
}

/// A message that cannot be read was garbled in shared memory; nobody can tell what it said.
fn read(batch: &Batch) -> Contents {
    let mut contents = Contents::default();
    for message in batch.messages() {
        match Message::decode(message) {
            Ok(Message::Event(fields)) => contents.events.push(fields.into_event(0)),
            Ok(Message::Committed(event)) => contents.committed.push(event),
            Ok(Message::Announced(Announced { event, token })) => {
                contents.payloads.push(outbox::payload(event, &token));
            }
            Err(_) => background::warn("an audit event was garbled in shared memory"),
        }
    }
    contents
}

/// Writes events in a transaction of their own.
fn commit(mut events: Vec<Event>) -> Result<Vec<Committed>, ()> {
    background::transaction(c"writing audit events", || {
        relation::take_in_changes();
        as_owner(table::owner()?, || {
            audit::number(&mut events)?;
            table::insert(&events)
        })?;
        Ok(events.iter().map(Committed::of).collect())
    })
}
