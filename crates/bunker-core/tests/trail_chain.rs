//! Whoever can write to the table of seals, but has no key, alters, removes, repeats, swaps and
//! inserts them, and the chain breaks each time, for the right reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use bunker_core::secret::SecretKey;
use bunker_core::trail::{Anchor, Broken, Chain, Content, GENESIS, Seal, TrailKey};

/// A seal as a table would store it.
#[derive(Clone)]
struct Row {
    number: i64,
    previous: [u8; 32],
    /// A count of events, or the first seal that retention kept.
    content: Result<i64, i64>,
    mac: [u8; 32],
}

impl Row {
    fn seal(&self) -> Seal<'_> {
        let content = match self.content {
            Ok(count) => Content::Events { month: 310, count, digest: &[4; 32], floor: 9 },
            Err(first_kept) => {
                Content::Retention { kept_month: 310, first_kept, dropped_events: 7 }
            }
        };
        Seal { number: self.number, sealed_at: 5, previous: &self.previous, content }
    }

    /// The row with the MAC that `key` gives it.
    fn signed(mut self, key: &TrailKey) -> Self {
        self.mac = key.seal_mac(&self.seal());
        self
    }
}

fn key(byte: u8) -> TrailKey {
    TrailKey::new(byte.into(), &SecretKey::from_bytes([byte; 32]))
}

/// An honest chain with these contents.
fn chain_of(contents: &[Result<i64, i64>]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut previous = GENESIS;
    for (number, &content) in (1..).zip(contents) {
        let row = Row { number, previous, content, mac: [0; 32] }.signed(&key(1));
        previous = row.mac;
        rows.push(row);
    }
    rows
}

/// Five seals of events.
fn five() -> Vec<Row> {
    chain_of(&[Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)])
}

fn walk(mut chain: Chain, rows: &[Row]) -> Result<Anchor, Broken> {
    for row in rows {
        chain.check(&key(1), &row.seal(), &row.mac)?;
    }
    chain.finish()
}

fn from_start(rows: &[Row]) -> Result<Anchor, Broken> {
    walk(Chain::from_start(), rows)
}

/// As a verifier does that finds the oldest seal in the table and believes where it stands.
fn from_oldest(rows: &[Row]) -> Result<Anchor, Broken> {
    walk(Chain::from_kept(rows[0].number, rows[0].previous), rows)
}

#[test]
fn an_honest_chain_holds() {
    let rows = five();
    assert_eq!(from_start(&rows), Ok(Anchor { number: 5, mac: rows[4].mac }));
    assert_eq!(from_oldest(&rows), from_start(&rows));
    assert_eq!(from_start(&[]), Ok(Anchor::EMPTY));
}

#[test]
fn an_altered_seal_is_forged() {
    let mut rows = five();
    rows[2].content = Ok(2);
    assert_eq!(from_start(&rows), Err(Broken::Forged));
    rows[2].content = Err(3);
    assert_eq!(from_start(&rows), Err(Broken::Forged));
}

#[test]
fn an_altered_truncated_or_extended_mac_is_forged() {
    let row = &five()[0];
    for bit in 0..256 {
        let mut mac = row.mac;
        mac[bit / 8] ^= 1 << (bit % 8);
        let checked = Chain::from_start().check(&key(1), &row.seal(), &mac);
        assert_eq!(checked, Err(Broken::Forged));
    }
    for mac in [&[][..], &row.mac[..16], &row.mac[..31], &[&row.mac[..], &[0]].concat()] {
        let checked = Chain::from_start().check(&key(1), &row.seal(), mac);
        assert_eq!(checked, Err(Broken::Forged));
    }
}

#[test]
fn a_seal_made_with_another_key_is_forged() {
    let mut rows = five();
    let last = rows[4].clone();
    rows[4] = last.signed(&key(2));
    assert_eq!(from_start(&rows), Err(Broken::Forged));
}

#[test]
fn a_seal_that_is_removed_repeated_or_swapped_leaves_a_gap() {
    let mut removed = five();
    removed.remove(2);
    let mut repeated = five();
    repeated.insert(2, repeated[1].clone());
    let mut swapped = five();
    swapped.swap(1, 2);
    for rows in [removed, repeated, swapped] {
        assert_eq!(from_start(&rows), Err(Broken::Gap));
    }
}

#[test]
fn renumbering_after_a_removal_does_not_help() {
    let mut rows = five();
    rows.remove(2);
    for (number, row) in (1..).zip(&mut rows) {
        row.number = number;
    }
    assert_eq!(from_start(&rows), Err(Broken::Unlinked));
    rows[2].previous = rows[1].mac;
    assert_eq!(from_start(&rows), Err(Broken::Forged));
}

#[test]
fn a_seal_of_another_chain_is_unlinked() {
    let mut rows = five();
    rows[3] = chain_of(&[Ok(9), Ok(9), Ok(9), Ok(9)])[3].clone();
    assert_eq!(from_start(&rows), Err(Broken::Unlinked));
}

#[test]
fn a_refused_seal_changes_nothing() {
    let rows = five();
    let mut chain = Chain::from_start();
    assert_eq!(chain.check(&key(1), &rows[1].seal(), &rows[1].mac), Err(Broken::Gap));
    assert_eq!(chain.check(&key(1), &rows[0].seal(), &[0; 32]), Err(Broken::Forged));
    assert_eq!(chain.head(), Anchor::EMPTY);
    assert_eq!(walk(chain, &rows), from_start(&rows));
}

#[test]
fn a_beginning_that_nobody_dropped_is_missed() {
    let rows = five();
    assert_eq!(from_start(&rows[2..]), Err(Broken::Gap));
    assert_eq!(from_oldest(&rows[2..]), Err(Broken::Gap));
}

#[test]
fn what_retention_has_left_holds() {
    let rows = chain_of(&[Ok(1), Ok(2), Ok(3), Err(3), Ok(5)]);
    assert_eq!(from_oldest(&rows[2..]), from_start(&rows));
    // One seal more is gone than retention has dropped; and one less, which is no harm.
    assert_eq!(from_oldest(&rows[3..]), Err(Broken::Gap));
    assert!(from_oldest(&rows[1..]).is_ok());
    // The retention seal itself is gone, and all before it.
    assert_eq!(from_oldest(&rows[4..]), Err(Broken::Gap));
}

#[test]
fn the_last_retention_counts() {
    let rows = chain_of(&[Ok(1), Ok(2), Err(2), Ok(4), Err(4), Ok(6)]);
    assert!(from_oldest(&rows[3..]).is_ok());
    // The last retention may keep nothing but its own seal.
    let rows = chain_of(&[Ok(1), Err(2)]);
    assert!(from_oldest(&rows[1..]).is_ok());
}

#[test]
fn a_seal_before_the_oldest_cannot_be_made_up() {
    let rows = chain_of(&[Ok(1), Ok(2), Ok(3), Err(3)]);
    let mut first = rows[2].clone();
    first.previous = [7; 32];
    let chain = Chain::from_kept(first.number, first.previous);
    assert_eq!(walk(chain, &[first]), Err(Broken::Forged));
}

#[test]
fn a_cut_off_end_shows_in_the_anchor_only() {
    let rows = five();
    let anchor = from_start(&rows).unwrap();
    let cut = from_start(&rows[..4]).unwrap();
    assert!(cut.number < anchor.number);
    // Cut off and continued by the unsuspecting worker: the same number, another MAC.
    let mut regrown = rows[..4].to_vec();
    let fifth = Row { content: Ok(6), ..rows[4].clone() }.signed(&key(1));
    regrown.push(fifth);
    let head = from_start(&regrown).unwrap();
    assert_eq!(head.number, anchor.number);
    assert_ne!(head, anchor);
}

#[test]
fn numbers_do_not_overflow() {
    let row = Row { number: i64::MIN, previous: GENESIS, content: Ok(1), mac: [0; 32] };
    for first in [i64::MIN, i64::MAX] {
        let mut chain = Chain::from_kept(first, GENESIS);
        assert_eq!(chain.check(&key(1), &row.seal(), &row.mac), Err(Broken::Gap));
    }
    let last = Row { number: i64::MAX, ..row.clone() }.signed(&key(1));
    let mut chain = Chain::from_kept(i64::MAX, GENESIS);
    assert_eq!(chain.check(&key(1), &last.seal(), &last.mac), Ok(()));
    assert_eq!(chain.check(&key(1), &row.seal(), &row.mac), Err(Broken::Gap));
}
