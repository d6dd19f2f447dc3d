//! Sending events to the audit writer, and waiting for him.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::message::Message;
use super::standby;
use crate::error::{Error, Result};
use crate::guc;
use crate::pg::channel::{Channel, Put};
use crate::pg::executor::{self, Gate};
use crate::pg::latch::{self, Deadline};
use crate::pg::ring::MAX_MESSAGE;
use crate::pg::tally::Tally;
use crate::pg::{background, session, setting, time};
use crate::storage::audit::Event;

/// The longest time for which a wait is not looked at, lest the writer has died meanwhile.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// Sends events and waits until they are on disk, or has the executor wait for them.
pub fn durably(events: &[Event]) -> Result<()> {
    let deadline = Deadline::after(guc::audit_timeout());
    let (channel, last) = send(events, deadline)?;
    if executor::may_defer() {
        OUTSTANDING.set(Some((channel, last)));
        return Ok(());
    }
    wait_until_durable(channel, last, deadline)
}

/// Sends events and waits for nothing but room.
pub fn at_some_time(events: &[Event]) -> Result<()> {
    let (channel, _) = send(events, Deadline::after(guc::audit_timeout()))?;
    ensure_writer(channel)
}

/// Delivers the event of a call that fails. It changes nothing about the call: nothing has been told
/// to the caller but that it failed. Without a writer the event is lost with the transaction.
pub fn deliver_failure(event: Event) {
    if session::in_recovery() {
        let _ = standby::log(&[event]);
        return;
    }
    if let Some(channel) = channel() {
        Tally::add(&channel.tally.refusals, 1);
        let deadline = Deadline::after(guc::audit_timeout());
        let _ = send(&[event], deadline)
            .and_then(|(channel, last)| wait_until_durable(channel, last, deadline));
    }
}

/// The same while an error of PostgreSQL's is on its way to the client: nothing may be waited for.
pub fn deliver_failure_at_once(event: &Event) {
    let Some(channel) = channel().filter(|_| !session::in_recovery()) else {
        return;
    };
    Tally::add(&channel.tally.refusals, 1);
    if put_at_once(&Message::of_event(event)) {
        channel.wake_writer();
    }
}

/// The same for a call that was stopped before our code was reached. Only where the vault is in use: the
/// database may have no vault at all.
pub fn deliver_refusal(event: &Event) {
    if let Some(channel) = Channel::in_use_by_this_database() {
        deliver_failure_at_once(event);
        let _ = ensure_writer(channel);
    }
}

thread_local! {
    static CHANNEL: Cell<Option<&'static Channel>> = const { Cell::new(None) };
    /// The last message that this backend has sent and not waited for: through which channel, and
    /// its number.
    static OUTSTANDING: Cell<Option<(&'static Channel, u64)>> = const { Cell::new(None) };
}

/// The channel of this database; `None` when the library was not preloaded.
pub fn channel() -> Option<&'static Channel> {
    if CHANNEL.get().is_none() {
        CHANNEL.set(Channel::of_this_database());
    }
    CHANNEL.get()
}

/// What the executor asks before it lets rows out.
pub static GATE: Gate = Gate {
    outstanding: has_outstanding,
    settle,
    readers: &[
        "bunker_lookup",
        "bunker_get_user",
        "bunker_get_users",
        "bunker_find_token",
        "bunker_user_version",
        "bunker_user_versions",
        "bunker_list_legal_bases",
        "bunker_get_agreement",
        "bunker_list_agreements",
        "bunker_list_activities",
        "bunker_get_app",
        "bunker_list_apps",
        "bunker_app_names",
        "bunker_get_session",
        "bunker_list_sessions",
        "bunker_get_shared",
        "bunker_user_requests",
        "bunker_get_request",
    ],
};

fn has_outstanding() -> bool {
    OUTSTANDING.get().is_some_and(|(channel, last)| channel.durable() < last)
}

fn settle() {
    if let Some((channel, last)) = OUTSTANDING.take() {
        let deadline = Deadline::after(guc::audit_timeout());
        if let Err(error) = wait_until_durable(channel, last, deadline) {
            error.raise();
        }
    }
}

/// The rows that waited for these events have gone.
pub fn forget_outstanding() {
    OUTSTANDING.set(None);
}

/// Puts a message into the channel if there is room; nobody waits for it.
pub fn put_at_once(message: &Message<'_>) -> bool {
    let Ok(message) = message.encode() else {
        return false;
    };
    loop {
        match channel().map(|channel| channel.put(&message, std::ptr::null_mut())) {
            Some(Put::Done(_)) => return true,
            Some(Put::Gone) => CHANNEL.set(None),
            Some(Put::Full) | None => return false,
        }
    }
}

/// Puts events into the channel; the number of the last one.
fn send(events: &[Event], deadline: Deadline) -> Result<(&'static Channel, u64)> {
    let mut channel = own_channel()?;
    let mut last = channel.durable();
    for event in events {
        let message = Message::of_event(event).encode()?;
        if message.len() > MAX_MESSAGE {
            return Err(Error::Internal("an audit event is too long"));
        }
        last = loop {
            match channel.put(&message, latch::own()) {
                Put::Done(number) => break number,
                Put::Full => {
                    ensure_writer(channel)?;
                    channel.wake_writer();
                    let left = deadline.left().ok_or_else(|| gave_up(channel))?;
                    channel.wait_for_room(message.len(), left);
                }
                Put::Gone => {
                    CHANNEL.set(None);
                    channel = own_channel()?;
                }
            }
        };
    }
    channel.wake_writer();
    Ok((channel, last))
}

fn own_channel() -> Result<&'static Channel> {
    if !setting::preloaded() {
        return Err(Error::NoAuditWriter);
    }
    if channel().is_none() {
        Channel::free_orphans();
    }
    channel().ok_or(Error::TooManyDatabases)
}

fn gave_up(channel: &Channel) -> Error {
    Tally::add(&channel.tally.timeouts, 1);
    Error::AuditUnavailable
}

/// Starts an audit writer if there is none.
pub fn ensure_writer(channel: &Channel) -> Result<()> {
    let now = time::now();
    if !channel.has_writer(now) && channel.claim_start(now) && !background::start_writer() {
        channel.start_failed();
        return Err(Error::NoWorkerSlot);
    }
    Ok(())
}

/// Waits until a message's event is on disk.
fn wait_until_durable(channel: &Channel, number: u64, deadline: Deadline) -> Result<()> {
    let start = Instant::now();
    latch::step_aside(|| channel.durable() < number);
    loop {
        if channel.durable() < number {
            latch::reset();
        }
        if channel.durable() >= number {
            Tally::add(&channel.tally.waits, 1);
            Tally::add(&channel.tally.wait_microseconds, start.elapsed().as_micros() as u64);
            return Ok(());
        }
        let writer = ensure_writer(channel);
        channel.wake_writer();
        // A place for a worker may become free meanwhile.
        let left =
            deadline.left().ok_or_else(|| writer.err().unwrap_or_else(|| gave_up(channel)))?;
        latch::wait(left.min(LOOK_AROUND));
    }
}

/// Waits until every event that was sent so far is durable, or the time is over: whoever reads the
/// trail wants to see what has happened.
pub fn catch_up() {
    if let Some(channel) = channel().filter(|_| !session::in_recovery()) {
        let deadline = Deadline::after(guc::audit_timeout());
        let _ = wait_until_durable(channel, channel.queued(), deadline);
    }
}
