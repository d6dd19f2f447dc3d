//! The chain of seals: what is committed is gathered here, and sealed once a second or sooner.
//!
//! A seal is made of the numbers and MACs that the writers of the events have told, not of what the
//! table holds by then: an event that somebody alters or removes in between is missed by its seal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bunker_core::trail::{Anchor, Content, Entry, EventMac, Seal, digest, ids};
use pgrx::pg_sys::Oid;
use roaring::RoaringTreemap;

use super::floor::Floor;
use super::retention;
use crate::audit::message::{Committed, Message};
use crate::audit::{put_at_once, unreported};
use crate::error::Result;
use crate::keyring::{self, Keys};
use crate::pg::channel::{Channel, Request};
use crate::pg::owner::as_owner;
use crate::pg::tally::Tally;
use crate::pg::{background, session, time};
use crate::storage::audit_seal::{self, SealRow};
use crate::storage::{audit, partition};

/// How long a committed event waits for its seal.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most events under one seal.
const MAX_EVENTS: usize = 2_048;
/// How often the writer looks for events that prepared transactions have left behind.
const SCAN_INTERVAL: Duration = Duration::from_secs(60);
/// How often he tries to begin with, while the vault is sealed.
const FIRST_SCAN_INTERVAL: Duration = Duration::from_secs(5);
/// The most events that are kept in mind while the vault is sealed; what is more he looks for later.
const MAX_WAITING: usize = 100_000;

/// Events that are committed and not sealed yet, and the end of the chain.
pub struct Sealer {
    channel: &'static Channel,
    /// The extension that the trail belongs to, once there was something to do with it. Not the table
    /// of the seals: a copy put in its place is no new trail.
    trail: Option<Oid>,
    /// The last seal, once it is known.
    end: Option<Anchor>,
    /// By number and MAC: an event that is told of twice is sealed once; of two events under one
    /// number neither takes the other's place, and the seal that holds both fails its verification.
    waiting: BTreeMap<(i64, Option<EventMac>), Committed>,
    /// What a scan has found in the table, or under a seal: sealed, or waiting. Its writer may tell
    /// of it later, for the scan sees what is committed before the writer of it has told.
    scanned_in: RoaringTreemap,
    since: Option<Instant>,
    /// Whether the last attempt to seal has failed.
    is_held_up: bool,
    floor: Floor,
    scanned: Option<Instant>,
    /// Whether the last scan took in events without MACs.
    took_unauthenticated: bool,
}

impl Sealer {
    /// A sealer that knows nothing yet.
    pub fn new(channel: &'static Channel) -> Self {
        Self {
            channel,
            trail: None,
            end: None,
            waiting: BTreeMap::new(),
            scanned_in: RoaringTreemap::new(),
            since: None,
            is_held_up: false,
            floor: Floor::default(),
            scanned: None,
            took_unauthenticated: false,
        }
    }

    /// Takes in committed events.
    pub fn add(&mut self, events: Vec<Committed>) {
        if !events.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            if self.waiting.len() > MAX_WAITING {
                self.waiting.clear();
                self.end = None;
            }
            let news =
                events.into_iter().filter(|e| !self.scanned_in.contains(e.id.cast_unsigned()));
            self.waiting.extend(news.map(|event| ((event.id, event.mac), event)));
        }
    }

    /// Takes in events that a scan has found. What their writers have told of them counts for more
    /// than what the table holds by now. Whether there are some of which nobody has told.
    fn add_found(&mut self, events: Vec<Committed>) -> bool {
        if !events.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
        let mut untold = false;
        for event in events {
            self.scanned_in.insert(event.id.cast_unsigned());
            let told = self.waiting.range((event.id, None)..(event.id + 1, None)).next().is_some();
            if !told {
                self.waiting.insert((event.id, event.mac), event);
                untold = true;
            }
        }
        untold
    }

    /// How long the writer may sleep before the next seal is due.
    pub fn due_in(&self) -> Option<Duration> {
        self.since.map(|since| INTERVAL.saturating_sub(since.elapsed()))
    }

    /// Seals what is due, or asked for. What fails is tried again later.
    pub fn work(&mut self) {
        let scan = self.channel.asked(Request::Scan);
        let scanned = (scan.is_some() || self.may_have_missed_some()) && self.scan();
        if let Some(number) = scan.filter(|_| scanned) {
            self.channel.fulfilled(Request::Scan, number);
        }
        let asked = self.channel.asked(Request::Seal);
        let due = self.due_in().is_some_and(|left| left.is_zero());
        // Not again and again while somebody keeps the seals locked: each attempt takes a while.
        let full = self.waiting.len() >= MAX_EVENTS && !self.is_held_up;
        let sealed = (asked.is_some() || due || full) && self.seal_all();
        if let Some(number) = asked.filter(|_| sealed) {
            self.channel.fulfilled(Request::Seal, number);
        }
    }

    /// Before the first scan, and while there are prepared transactions now and then.
    fn may_have_missed_some(&self) -> bool {
        let interval = if self.end.is_none() { FIRST_SCAN_INTERVAL } else { SCAN_INTERVAL };
        (self.end.is_none() || self.channel.has_prepared())
            && self.scanned.is_none_or(|scanned| scanned.elapsed() >= interval)
    }

    /// Seals what is left, before the writer ends. False when that has failed.
    pub fn finish(&mut self) -> bool {
        self.waiting.is_empty() || self.seal_all()
    }

    /// Leaves what could not be sealed to the next writer: he must not learn it from the table, where
    /// it may be gone by then.
    pub fn hand_on(&mut self) {
        for event in std::mem::take(&mut self.waiting).into_values() {
            if !put_at_once(&Message::Committed(event)) {
                background::warn("audit events could not be sealed before the audit writer ended");
                self.channel.request(Request::Scan);
                return;
            }
        }
    }

    /// Looks where the trail is; false when there is none, because somebody has dropped the extension.
    /// If he has made it again since, that is another trail, with which everything begins anew.
    pub fn follow_trail(&mut self) -> bool {
        let trail = background::transaction(c"looking for the audit trail", || {
            audit_seal::TABLE.oid().map(|_| session::extension())
        });
        let Ok(trail) = trail else {
            return false;
        };
        if self.trail.is_some_and(|known| known != trail) {
            *self = Self::new(self.channel);
        }
        self.trail = Some(trail);
        true
    }

    /// The extension that the trail belongs to, once there was something to do with it.
    pub fn trail(&self) -> Option<Oid> {
        self.trail
    }

    /// Whether everything is sealed afterwards, or cannot be because the vault itself is sealed.
    fn seal_all(&mut self) -> bool {
        // The floor must not pass what nobody has looked for yet.
        if !self.follow_trail() || (self.end.is_none() && !self.scan()) {
            self.since = Some(Instant::now());
            return false;
        }
        let done = background::transaction(c"sealing audit events", || {
            let Some(keys) = keyring::existing().ok().flatten() else {
                return Ok(None);
            };
            as_owner(audit::owner()?, || self.write_seals(&keys)).map(Some)
        });
        self.since = None;
        self.is_held_up = done.is_err();
        match done {
            Ok(Some(end)) => {
                self.waiting.clear();
                self.remember_end(end);
                if std::mem::take(&mut self.took_unauthenticated) {
                    self.channel.unauthenticated_are_sealed();
                }
                true
            }
            Ok(None) => true,
            Err(()) => {
                self.since = Some(Instant::now());
                false
            }
        }
    }

    /// Writes the seals of all waiting events, month by month; the new end of the chain.
    fn write_seals(&mut self, keys: &Keys) -> Result<Anchor> {
        let mut end = self.end()?;
        // Of the events of prepared transactions nobody tells: they are known after a scan.
        if !self.channel.has_prepared() {
            self.floor.raise(background::oldest_running_transaction());
        }
        self.floor.sample(end.number)?;
        let mut months: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
        for event in self.waiting.values() {
            if let Some(mac) = authenticate(keys, event)? {
                let month = partition::month_of(event.at);
                months.entry(month).or_default().push(Entry { id: event.id, mac });
            }
        }
        for (month, entries) in &months {
            for entries in entries.chunks(MAX_EVENTS) {
                end = self.write_seal(keys, &end, *month, entries)?;
                Tally::add(&self.channel.tally.seals, 1);
            }
        }
        Ok(end)
    }

    fn write_seal(
        &self,
        keys: &Keys,
        end: &Anchor,
        month: i32,
        entries: &[Entry],
    ) -> Result<Anchor> {
        let (count, digest) = (entries.len() as i64, digest(entries));
        let content = Content::Events { month, count, digest: &digest, floor: self.floor.event };
        let numbers: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let row = SealRow {
            kind: audit_seal::EVENTS,
            month,
            count,
            floor: Some(self.floor.event),
            first_seal: Some(self.floor.seal),
            ids: Some(ids::encode(&numbers)),
            digest: Some(digest.to_vec()),
            ..SealRow::default()
        };
        append(keys, end, content, row)
    }

    /// Drops the months before `kept_month`, and says so in the chain; false when that has failed.
    pub fn drop_before(&mut self, kept_month: i32) -> bool {
        if !self.follow_trail() {
            return false;
        }
        let done = background::transaction(c"dropping old audit events", || {
            let Some(keys) = keyring::existing()? else {
                return Ok(None);
            };
            as_owner(audit::owner()?, || {
                unreported(|| retention::retire(&keys, self.end()?, kept_month))
            })
            .map(Some)
        });
        if let Ok(Some(end)) = done {
            self.remember_end(end);
        }
        done.is_ok()
    }

    fn remember_end(&mut self, end: Anchor) {
        self.end = Some(end);
        if let Some(trail) = self.trail {
            self.channel.set_chain_end(trail, end.number, &end.mac);
        }
    }

    /// The end of the chain: as this server knows it, or as the table has it after a start.
    fn end(&self) -> Result<Anchor> {
        if let Some(end) = self.end {
            return Ok(end);
        }
        let known = self.trail.and_then(|trail| self.channel.chain_end(trail));
        if let Some((number, mac)) = known {
            return Ok(Anchor { number, mac });
        }
        match audit_seal::last()? {
            Some(last) => last.anchor(),
            None => Ok(Anchor::EMPTY),
        }
    }

    /// Looks for committed events that have no seal: after a start, because the server may have
    /// stopped between their commit and their seal, and when a backend could not tell of all of its
    /// own. One whose MAC is wrong stays without: it is for the verification to find. So does one
    /// without a MAC, unless the vault may have been sealed meanwhile.
    fn scan(&mut self) -> bool {
        let is_there = self.follow_trail();
        self.scanned = Some(Instant::now());
        if !is_there {
            return false;
        }
        let unauthenticated = self.channel.has_unauthenticated();
        let were_prepared = self.end.is_some() && self.channel.has_prepared();
        self.look_for_prepared();
        let oldest_running = background::oldest_running_transaction();
        let found = background::transaction(c"looking for unsealed audit events", || {
            as_owner(audit::owner()?, || {
                let end = self.end()?;
                let Some(keys) = keyring::existing().ok().flatten() else {
                    return Ok(None);
                };
                if self.end.is_none() {
                    self.floor.restore()?;
                }
                let sealed = self.sealed_above_floor()?;
                let events = unsealed(&keys, self.floor.event, &sealed, unauthenticated)?;
                Ok(Some((end, events, sealed)))
            })
        });
        match found {
            Ok(Some((end, events, sealed))) => {
                self.remember_end(end);
                self.scanned_in = sealed;
                self.took_unauthenticated = unauthenticated;
                self.floor.raise(oldest_running);
                if self.add_found(events) && were_prepared {
                    // Nor has anybody told the listeners what those transactions announced.
                    self.channel.request(Request::Hint);
                }
                true
            }
            // A sealed vault, or an empty one: there is nothing to seal with.
            Ok(None) => true,
            Err(()) => false,
        }
    }

    /// Notes whether there are prepared transactions. First that there are none, and then what is found:
    /// one that is prepared meanwhile is noted by whoever does so, and one that is committed meanwhile
    /// is found by the scan.
    fn look_for_prepared(&self) {
        self.channel.none_is_prepared();
        let any =
            background::transaction(c"looking for prepared transactions", audit::any_prepared);
        if any != Ok(false) {
            self.channel.expect_prepared();
        }
    }

    fn sealed_above_floor(&self) -> Result<RoaringTreemap> {
        let mut sealed = RoaringTreemap::new();
        for seal in audit_seal::since(self.floor.seal - 1) {
            let seal = seal?;
            if seal.kind == audit_seal::EVENTS {
                let numbers = seal.numbers().unwrap_or_default();
                sealed.extend(numbers.into_iter().map(i64::cast_unsigned));
            }
        }
        Ok(sealed)
    }
}

/// Adds a seal to the chain; its new end. `row` lacks what every seal has.
pub(super) fn append(
    keys: &Keys,
    end: &Anchor,
    content: Content<'_>,
    row: SealRow,
) -> Result<Anchor> {
    let (number, sealed_at) = (end.number + 1, time::now());
    let mac = keys.trail().seal_mac(&Seal { number, sealed_at, previous: &end.mac, content });
    let key_id = keys.trail().id().cast_signed();
    let (previous, stored_mac) = (end.mac.to_vec(), mac.to_vec());
    audit_seal::insert(&SealRow { number, sealed_at, key_id, previous, mac: stored_mac, ..row })?;
    Ok(Anchor { number, mac })
}

/// The MAC of an event: as it was told, or made now when the vault was sealed at the time. `None` when
/// the event has gone.
fn authenticate(keys: &Keys, event: &Committed) -> Result<Option<EventMac>> {
    if event.mac.is_some() {
        return Ok(event.mac);
    }
    let found = audit::find(event.id)?;
    Ok(found.map(|event| keys.trail().event_mac(&event.fields())))
}

fn unsealed(
    keys: &Keys,
    floor: i64,
    sealed: &RoaringTreemap,
    unauthenticated: bool,
) -> Result<Vec<Committed>> {
    let mut found = Vec::new();
    for event in audit::since(floor) {
        let event = event?;
        if sealed.contains(event.id.cast_unsigned()) {
            continue;
        }
        let mac = keys.trail().event_mac(&event.fields());
        if event.mac.map_or(unauthenticated, |stored| stored == mac) {
            found.push(Committed { id: event.id, at: event.at, mac: Some(mac) });
        }
    }
    Ok(found)
}
