//! Properties of the audit trail's formats over inputs nobody thought of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use bunker_core::secret::SecretKey;
use bunker_core::trail::{
    Anchor, Content, Digest, Entry, Event, IdsError, Seal, TrailKey, digest, ids, same,
};
use proptest::prelude::*;

/// Id, time, token, version, the texts that are always there, and those that may be missing.
type Fields = (i64, i64, Option<[u8; 16]>, Option<i32>, [String; 3], [Option<String>; 4]);

/// Few letters and small numbers, so that two events often differ in one respect only.
fn fields() -> impl Strategy<Value = Fields> {
    let text = || "[a\0\u{1}]{0,2}";
    let token = prop::option::of((0_u8..2).prop_map(|byte| [byte; 16]));
    let may_be_missing = std::array::from_fn::<_, 4, _>(|_| prop::option::of(text()));
    let version = prop::option::of(0_i32..2);
    (0_i64..2, 0_i64..2, token, version, [text(), text(), text()], may_be_missing)
}

fn event(fields: &Fields) -> Event<'_> {
    let (id, at, token, version, [action, status, actor], [kind, app, reason, message]) = fields;
    Event {
        id: *id,
        at: *at,
        token: *token,
        version: *version,
        action,
        status,
        actor,
        kind: kind.as_deref(),
        app: app.as_deref(),
        reason: reason.as_deref(),
        message: message.as_deref(),
    }
}

fn key(byte: u8) -> TrailKey {
    TrailKey::new(1, &SecretKey::from_bytes([byte; 32]))
}

/// The event with each of its fields altered in turn: put in if it was missing, taken out or
/// changed if it was there.
fn neighbours(fields: &Fields) -> Vec<Fields> {
    let mut neighbours = vec![fields.clone(); 11];
    neighbours[0].0 ^= 1;
    neighbours[1].1 ^= 1;
    neighbours[2].2 = if fields.2.is_none() { Some([0; 16]) } else { None };
    neighbours[3].3 = if fields.3.is_none() { Some(0) } else { None };
    for (index, neighbour) in neighbours[4..7].iter_mut().enumerate() {
        neighbour.4[index].push('a');
    }
    for (index, neighbour) in neighbours[7..].iter_mut().enumerate() {
        neighbour.5[index] = if fields.5[index].is_none() { Some(String::new()) } else { None };
    }
    neighbours
}

/// Ids that are not negative and strictly rising, some far apart.
fn rising() -> impl Strategy<Value = Vec<i64>> {
    let id = prop_oneof![0..300_i64, 0..=i64::MAX, Just(i64::MAX)];
    prop::collection::btree_set(id, 0..60).prop_map(|ids| ids.into_iter().collect())
}

proptest! {
    #[test]
    fn event_macs_are_equal_exactly_when_the_events_are(one in fields(), other in fields()) {
        let equal = key(1).event_mac(&event(&one)) == key(1).event_mac(&event(&other));
        prop_assert_eq!(equal, one == other);
    }

    #[test]
    fn every_field_of_an_event_counts(fields in fields()) {
        let mac = key(1).event_mac(&event(&fields));
        for neighbour in neighbours(&fields) {
            prop_assert_ne!(key(1).event_mac(&event(&neighbour)), mac);
        }
        prop_assert_ne!(key(2).event_mac(&event(&fields)), mac);
    }

    #[test]
    fn text_cannot_move_from_a_field_to_the_next(text in "[a-c]{1,8}", cut in 0_usize..8) {
        let (head, tail) = text.split_at(cut.min(text.len()));
        let split = |action: &str, status: &str| {
            let texts = [action, status, ""].map(str::to_owned);
            let fields = (1, 1, None, None, texts, [const { None }; 4]);
            key(1).event_mac(&event(&fields))
        };
        prop_assert_eq!(split(head, tail) == split(&text, ""), tail.is_empty());
    }

    #[test]
    fn every_number_of_a_seal_counts(
        numbers in prop::array::uniform6(0_i64..3),
        changed in 0_usize..6,
        retention in any::<bool>(),
    ) {
        let mac = |[number, sealed_at, previous, a, b, c]: [i64; 6], retention: bool| {
            let month = i32::try_from(a).unwrap();
            let bytes = |value: i64| [u8::try_from(value).unwrap(); 32];
            let (previous, digest) = (bytes(previous), bytes(b));
            let content = if retention {
                Content::Retention { kept_month: month, first_kept: b, dropped_events: c }
            } else {
                Content::Events { month, count: c, digest: &digest, floor: c ^ 1 }
            };
            key(1).seal_mac(&Seal { number, sealed_at, previous: &previous, content })
        };
        let mut other = numbers;
        other[changed] += 1;
        prop_assert_ne!(mac(numbers, retention), mac(other, retention));
        prop_assert_ne!(mac(numbers, retention), mac(numbers, !retention));
    }

    #[test]
    fn digests_are_equal_exactly_when_the_entries_are(
        one in prop::collection::vec((0_i64..3, 0_u8..2), 0..4),
        other in prop::collection::vec((0_i64..3, 0_u8..2), 0..4),
    ) {
        let entries = |list: &[(i64, u8)]| -> Vec<Entry> {
            list.iter().map(|&(id, byte)| Entry { id, mac: [byte; 16] }).collect()
        };
        let mut stepwise = Digest::new();
        for entry in entries(&one) {
            stepwise.add(&entry);
        }
        let whole = digest(&entries(&one));
        prop_assert_eq!(stepwise.finish(), whole);
        prop_assert_eq!(whole == digest(&entries(&other)), one == other);
    }

    #[test]
    fn packed_ids_unpack(ids in rising()) {
        let bytes = ids::encode(&ids);
        prop_assert_eq!(ids::decode(&bytes, ids.len()), Ok(ids.clone()));
        if !ids.is_empty() {
            prop_assert_eq!(ids::decode(&bytes, ids.len() - 1), Err(IdsError::TooMany));
        }
    }

    #[test]
    fn what_unpacks_is_rising_and_packs_to_the_same_bytes(
        bytes in prop::collection::vec(prop_oneof![0_u8..4, 0x7e..0x83_u8, any::<u8>()], 0..24),
    ) {
        if let Ok(ids) = ids::decode(&bytes, bytes.len()) {
            prop_assert!(ids.iter().all(|&id| id >= 0) && ids.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(ids::encode(&ids), bytes);
        }
    }

    #[test]
    fn no_list_that_is_not_rising_survives_packing(
        ids in prop::collection::vec(
            prop_oneof![-3..3_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)],
            1..6,
        ),
    ) {
        let good = ids[0] >= 0 && ids.is_sorted_by(|a, b| a < b);
        prop_assert_eq!(ids::decode(&ids::encode(&ids), ids.len()).is_ok(), good);
    }

    #[test]
    fn anchors_are_read_as_they_were_written(number in 1..=i64::MAX, mac in any::<[u8; 32]>()) {
        let anchor = Anchor { number, mac };
        prop_assert_eq!(anchor.to_string().parse(), Ok(anchor));
    }

    #[test]
    fn an_anchor_has_one_spelling(
        text in "databunker-anchor:1:[0-9+ ]{1,3}:[0-9a-fA-F]{64}",
    ) {
        if let Ok(anchor) = text.parse::<Anchor>() {
            prop_assert_eq!(anchor.to_string(), text);
        }
    }

    #[test]
    fn macs_are_compared_as_a_whole(
        one in prop::collection::vec(0_u8..2, 0..4),
        other in prop::collection::vec(0_u8..2, 0..4),
    ) {
        prop_assert_eq!(same(&one, &other), one == other);
    }
}
