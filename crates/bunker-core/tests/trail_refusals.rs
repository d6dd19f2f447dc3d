//! Texts and bytes that are no anchor and no list of ids, each with the reason it is refused for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use bunker_core::trail::{Anchor, GENESIS, IdsError, ParseAnchorError, ids};

fn anchor_error(text: &str) -> Option<ParseAnchorError> {
    text.parse::<Anchor>().err()
}

#[test]
fn what_does_not_begin_as_an_anchor() {
    for text in ["", "1:2:ab", "databunker-anchor", "DATABUNKER-ANCHOR:1:", " databunker-anchor:1:"]
    {
        assert_eq!(anchor_error(text), Some(ParseAnchorError::NotAnAnchor), "{text}");
    }
}

#[test]
fn anchors_of_other_versions() {
    let rest = format!("1:{}", "ab".repeat(32));
    for version in ["", "0", "2", "01", "1 ", "one"] {
        let text = format!("databunker-anchor:{version}:{rest}");
        assert_eq!(anchor_error(&text), Some(ParseAnchorError::UnknownVersion), "{text}");
    }
    assert_eq!(anchor_error("databunker-anchor:"), Some(ParseAnchorError::UnknownVersion));
}

#[test]
fn anchors_with_a_bad_number() {
    let mac = "ab".repeat(32);
    for number in ["", "-1", "+1", "01", "00", " 1", "1.0", "x", "9223372036854775808"] {
        let text = format!("databunker-anchor:1:{number}:{mac}");
        assert_eq!(anchor_error(&text), Some(ParseAnchorError::BadNumber), "{text}");
    }
    assert_eq!(anchor_error("databunker-anchor:1"), Some(ParseAnchorError::BadNumber));
}

#[test]
fn anchors_with_a_bad_mac() {
    let (long, short) = ("ab".repeat(33), "ab".repeat(31));
    let (odd, upper) = (format!("{short}a"), "AB".repeat(32));
    let (newline, wide) = (format!("{short}ab\n"), format!("{short}é"));
    for mac in ["", &long, &short, &odd, &upper, &newline, &wide, &format!("{short}ab:")] {
        let text = format!("databunker-anchor:1:1:{mac}");
        assert_eq!(anchor_error(&text), Some(ParseAnchorError::BadMac), "{text}");
    }
    assert_eq!(anchor_error("databunker-anchor:1:1"), Some(ParseAnchorError::BadMac));
}

#[test]
fn the_anchor_of_an_empty_chain() {
    let empty = Anchor { number: 0, mac: GENESIS };
    assert_eq!(empty, Anchor::EMPTY);
    assert_eq!(empty.to_string().parse(), Ok(empty));
    let other = Anchor { number: 0, mac: [1; 32] };
    assert_eq!(anchor_error(&other.to_string()), Some(ParseAnchorError::NotEmpty));
}

#[test]
fn bytes_that_are_no_ids() {
    let refused = |bytes: &[u8]| ids::decode(bytes, 10).err();
    assert_eq!(refused(&[0x80]), Some(IdsError::Truncated));
    assert_eq!(refused(&[5, 0x81, 0xff]), Some(IdsError::Truncated));
    assert_eq!(refused(&[0x80, 0]), Some(IdsError::NotCanonical));
    assert_eq!(refused(&[1, 0x81, 0]), Some(IdsError::NotCanonical));
    assert_eq!(refused(&[0, 0]), Some(IdsError::NotRising));
    assert_eq!(refused(&[7, 1, 0]), Some(IdsError::NotRising));
    assert_eq!(refused(&[1; 11]), Some(IdsError::TooMany));
    // 2^63 in ten bytes, nine bytes that are not the end, and a step past the greatest id.
    let beyond = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    assert_eq!(refused(&beyond), Some(IdsError::Overflow));
    assert_eq!(refused(&[0xff; 9]), Some(IdsError::Overflow));
    let greatest = ids::encode(&[i64::MAX]);
    assert_eq!(ids::decode(&greatest, 1), Ok(vec![i64::MAX]));
    assert_eq!(refused(&[&greatest[..], &[1]].concat()), Some(IdsError::Overflow));
}

#[test]
fn few_ids_in_many_bytes_are_refused_early() {
    // A million ids where four are expected: refused at the fifth, without memory for the rest.
    assert_eq!(ids::decode(&[1; 1_000_000], 4), Err(IdsError::TooMany));
    assert_eq!(ids::decode(&[], 0), Ok(Vec::new()));
    assert_eq!(ids::decode(&[1], 0), Err(IdsError::TooMany));
}

#[test]
fn ids_without_gaps_take_a_byte_each() {
    let dense: Vec<i64> = (1_700_000_000_000_000..).take(1000).collect();
    assert_eq!(ids::encode(&dense).len(), 8 + 999);
}
