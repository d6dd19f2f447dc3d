//! Walking along the chain, seal by seal, and looking up the events of each.

use bunker_core::trail::{Anchor, Chain, Content, Digest, Entry, Seal, same};
use roaring::RoaringTreemap;

use super::Finding;
use crate::error::Result;
use crate::keyring::Keys;
use crate::pg::session;
use crate::storage::audit;
use crate::storage::audit_seal::{self, SealRow, fixed};

/// A walk along the chain.
pub struct Walk<'a> {
    keys: &'a Keys,
    anchor: Option<Anchor>,
    /// Whether the walk has come past the seal that the anchor names.
    anchored: bool,
    chain: Chain,
    /// Months before this one have been dropped.
    kept_month: i32,
    /// The numbers of all events under a seal.
    pub sealed: RoaringTreemap,
    /// By the last seal, no event up to this number is without a seal.
    pub floor: i64,
    /// Events that were checked.
    pub events: i64,
    /// Those of them that were recorded while the vault was sealed, and authenticated afterwards.
    pub without_mac: i64,
    /// Seals that were checked.
    pub seals: i64,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun.
    pub fn new(keys: &'a Keys, anchor: Option<Anchor>) -> Self {
        Self {
            keys,
            anchored: anchor.is_none_or(|anchor| anchor == Anchor::EMPTY),
            anchor,
            chain: Chain::from_start(),
            kept_month: i32::MIN,
            sealed: RoaringTreemap::new(),
            floor: i64::MIN,
            events: 0,
            without_mac: 0,
            seals: 0,
        }
    }

    /// Walks the whole chain; the first thing that is wrong.
    pub fn all(&mut self) -> Result<Option<Finding>> {
        if let Some(retention) = audit_seal::last_of(audit_seal::RETENTION)? {
            self.kept_month = retention.month;
        }
        // From the lowest number there is: a row below 1 is no seal of ours.
        for (position, seal) in audit_seal::since(i64::MIN).enumerate() {
            session::check_for_interrupts();
            let seal = seal?;
            if position == 0 {
                self.begin(&seal)?;
            }
            if let Some(finding) = self.seal(&seal)? {
                return Ok(Some(finding));
            }
        }
        Ok(None)
    }

    /// Retention may have taken the beginning of the chain away.
    fn begin(&mut self, first: &SealRow) -> Result<()> {
        if first.number > 1 {
            self.chain = Chain::from_kept(first.number, fixed(&first.previous)?);
            self.anchored |= self.anchor == Some(self.chain.head());
        }
        Ok(())
    }

    fn seal(&mut self, row: &SealRow) -> Result<Option<Finding>> {
        if let Err(broken) = check_link(&mut self.chain, self.keys, row) {
            return Ok(Some(Finding {
                event: first_event(row),
                what: format!("seal {}: {broken}", row.number),
            }));
        }
        self.seals += 1;
        self.anchored |= self.anchor == Some(self.chain.head());
        self.floor = row.floor.unwrap_or(self.floor);
        if row.kind == audit_seal::EVENTS && row.month >= self.kept_month {
            return self.check_events(row);
        }
        Ok(None)
    }

    /// Compares the events with what the seal says they were.
    fn check_events(&mut self, row: &SealRow) -> Result<Option<Finding>> {
        let number = row.number;
        let Some(numbers) = row.numbers() else {
            let what = format!("seal {number}: its list of events is damaged");
            return Ok(Some(Finding { event: None, what }));
        };
        let (mut digest, mut first_without_mac) = (Digest::new(), None);
        let mut stored = audit::with_numbers(&numbers)?.into_iter().peekable();
        for &id in &numbers {
            let bad =
                |what: &str| Some(Finding { event: Some(id), what: format!("event {id} {what}") });
            if !self.sealed.insert(id.cast_unsigned()) {
                return Ok(bad("is under two seals"));
            }
            let Some(event) = stored.next_if(|event| event.id == id) else {
                return Ok(bad("is missing"));
            };
            if stored.next_if(|event| event.id == id).is_some() {
                return Ok(bad("is there twice"));
            }
            let mac = self.keys.trail().event_mac(&event.fields());
            if event.mac.is_some_and(|stored| !same(&stored, &mac)) {
                return Ok(bad("was altered"));
            }
            digest.add(&Entry { id, mac });
            self.events += 1;
            if event.mac.is_none() {
                self.without_mac += 1;
                first_without_mac.get_or_insert(id);
            }
        }
        if row.digest.as_deref().is_some_and(|stored| same(stored, &digest.finish())) {
            return Ok(None);
        }
        let what = format!("the events of seal {number} are not those that were sealed");
        // The MACs of all others are right.
        Ok(Some(Finding { event: first_without_mac.or_else(|| numbers.first().copied()), what }))
    }

    /// Whether the chain begins where it may, goes as far as the server remembers (`known`), and as
    /// far as the anchor says.
    pub fn end_of_chain(&self, known: i64) -> Option<Finding> {
        let finding = |what: &str| Some(Finding { event: None, what: what.to_owned() });
        if let Err(broken) = self.chain.finish() {
            return finding(&format!("the beginning of the chain: {broken}"));
        }
        if known > self.chain.head().number {
            return finding("the end of the chain is missing");
        }
        if !self.anchored {
            return finding(match self.anchor {
                Some(anchor) if anchor.number > self.chain.head().number => {
                    "the chain does not reach as far as the anchor: its end was cut off, or an \
                     older copy was restored"
                }
                _ => {
                    "the chain does not hold the anchor's seal: another chain is in its place, or \
                     retention has dropped it"
                }
            });
        }
        None
    }
}

/// Whether a seal was made with the vault's key and not altered since; where it stands is not judged.
pub fn is_authentic(keys: &Keys, row: &SealRow) -> bool {
    let previous = fixed(&row.previous);
    previous.is_ok_and(|previous| {
        check_link(&mut Chain::from_kept(row.number, previous), keys, row).is_ok()
    })
}

fn check_link(chain: &mut Chain, keys: &Keys, row: &SealRow) -> Result<(), String> {
    let unreadable = |_| String::from("its row is damaged");
    if row.key_id != keys.trail().id().cast_signed() {
        return Err(String::from("its key is not in the keyring"));
    }
    let previous = fixed(&row.previous).map_err(unreadable)?;
    let digest = fixed(row.digest.as_deref().unwrap_or(&[0; 32])).map_err(unreadable)?;
    let content = match row.kind {
        audit_seal::EVENTS => Content::Events {
            month: row.month,
            count: row.count,
            digest: &digest,
            floor: row.floor.unwrap_or_default(),
        },
        _ => Content::Retention {
            kept_month: row.month,
            first_kept: row.first_seal.unwrap_or_default(),
            dropped_events: row.count,
        },
    };
    let (number, sealed_at) = (row.number, row.sealed_at);
    let seal = Seal { number, sealed_at, previous: &previous, content };
    chain.check(keys.trail(), &seal, &row.mac).map_err(|broken| broken.to_string())
}

/// The first event of a seal, if its list can be read.
fn first_event(row: &SealRow) -> Option<i64> {
    row.numbers()?.first().copied()
}
