//! Notifying listeners of what transactions have announced, many announcements in one transaction.
//!
//! It must not hold up the audit events, whose writer this is: it waits for no lock, nor for the disk
//! (PostgreSQL flushes nothing for a transaction that does nothing but notify), and what fails becomes
//! one notification later that says that there is something to be looked for.

use std::ffi::CString;
use std::time::{Duration, Instant};

use crate::outbox;
use crate::pg::channel::{Channel, Request};
use crate::pg::{background, notify};

/// The shortest time between two transactions that notify: on a busy server each tells of many.
const INTERVAL: Duration = Duration::from_millis(20);
/// The same when another transaction that notifies was just being committed.
const RETRY: Duration = Duration::from_millis(100);
/// The same after a failure. A full queue stays so until its slowest reader has caught up.
const PAUSE: Duration = Duration::from_secs(1);
/// The most notifications that wait. With more, listeners are told to look for themselves.
const MAX_WAITING: usize = 1_000;

/// Notifications that wait.
pub struct Notifier {
    channel: &'static Channel,
    waiting: Vec<CString>,
    /// Whether listeners have to look for events of which they are not told one by one.
    look: bool,
    not_before: Instant,
}

impl Notifier {
    /// One that has nothing to tell yet.
    pub fn new(channel: &'static Channel) -> Self {
        Self { channel, waiting: Vec::new(), look: false, not_before: Instant::now() }
    }

    /// Takes in notifications.
    pub fn add(&mut self, payloads: Vec<CString>) {
        self.waiting.extend(payloads);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.clear();
            self.look = true;
        }
    }

    /// How long the writer may sleep before the next notifications are due.
    pub fn due_in(&self) -> Option<Duration> {
        let any = self.look || !self.waiting.is_empty();
        any.then(|| self.not_before.saturating_duration_since(Instant::now()))
    }

    /// Notifies of what is due.
    pub fn work(&mut self) {
        if let Some(number) = self.channel.asked(Request::Hint) {
            self.look = true;
            self.channel.fulfilled(Request::Hint, number);
        }
        if self.due_in().is_some_and(|left| left.is_zero()) {
            self.notify();
        }
    }

    /// Notifies of what is left, before the writer ends.
    pub fn finish(&mut self) {
        self.not_before = Instant::now();
        self.work();
    }

    fn notify(&mut self) {
        let told = background::transaction(c"notifying listeners", || {
            let locked = notify::lock_at_once();
            if locked {
                let look = self.look.then_some(outbox::LOOK);
                for payload in self.waiting.iter().map(CString::as_c_str).chain(look) {
                    notify::notify(outbox::CHANNEL, payload);
                }
            }
            Ok(locked)
        });
        let pause = match told {
            Ok(true) => INTERVAL,
            Ok(false) => RETRY,
            Err(()) => PAUSE,
        };
        if told != Ok(false) {
            self.waiting.clear();
            self.look = told.is_err();
        }
        self.not_before = Instant::now() + pause;
    }
}
