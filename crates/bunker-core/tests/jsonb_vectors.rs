//! Every row of `jsonb_vectors.tsv`: a document, and the bytes that PostgreSQL stores for it.

#![cfg(target_endian = "little")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod jsonb_common;

use bunker_core::jsonb::{NotCanonical, from_canonical, user};
use sha2::{Digest, Sha256};

const VECTORS: &str = include_str!("jsonb_vectors.tsv");

/// Each document's text, and its bytes in hex or their digest.
fn vectors() -> impl Iterator<Item = (String, &'static str)> {
    VECTORS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (text, bytes) = line.split_once('\t').expect("two columns");
        (expand(text), bytes)
    })
}

/// Writes out each `%{N*text}%`.
fn expand(mut text: &str) -> String {
    let mut expanded = String::new();
    while let Some((before, rest)) = text.split_once("%{") {
        let (count, rest) = rest.split_once('*').expect("a count");
        let (piece, rest) = rest.split_once("}%").expect("an end");
        expanded.push_str(before);
        expanded.push_str(&piece.repeat(count.parse().expect("a number")));
        text = rest;
    }
    expanded + text
}

fn convert(text: &str) -> Result<Vec<u8>, NotCanonical> {
    let mut bytes = Vec::new();
    from_canonical(text, &mut bytes).map(|()| bytes)
}

/// The beginning of a text, for messages.
fn head(text: &str) -> String {
    text.chars().take(100).collect()
}

fn as_listed(bytes: &[u8], listed: &str) -> String {
    if listed.starts_with("sha256:") {
        format!("sha256:{}", base16ct::lower::encode_string(&Sha256::digest(bytes)))
    } else {
        base16ct::lower::encode_string(bytes)
    }
}

#[test]
fn the_bytes_are_those_that_postgresql_stores() {
    let mut seen = 0;
    for (text, listed) in vectors() {
        let bytes = convert(&text).unwrap_or_else(|_| panic!("refused: {}", head(&text)));
        assert_eq!(as_listed(&bytes, listed), listed, "{}", head(&text));
        seen += 1;
    }
    assert!(seen >= 150, "only {seen} vectors");
}

/// The property tests rest on this reader, so it is held to the same vectors.
#[test]
fn the_tests_own_reader_prints_them_back() {
    for (text, _) in vectors() {
        assert_eq!(jsonb_common::print(&convert(&text).unwrap()), text);
    }
}

#[test]
fn what_the_buffer_held_before_does_not_matter() {
    for (text, _) in vectors().filter(|(text, _)| text.len() < 2_000) {
        let bytes = convert(&text).unwrap();
        for before in 1..8 {
            let mut out = vec![0xaa; before];
            from_canonical(&text, &mut out).unwrap();
            assert_eq!(&out[..before], &[0xaa; 8][..before]);
            assert_eq!(&out[before..], bytes, "{text} after {before} bytes");
        }
    }
}

const TOKEN: &str = "0198c5a6-7d0e-7cc3-9f00-5c1b0a9a2f11";
const CREATED: &str = "2026-11-22T04:48:42.123456+00:00";
const UPDATED: &str = "2026-11-23T00:00:00+00:00";

fn described(profile: &str, version: i32) -> String {
    format!(
        r#"{{"token": "{TOKEN}", "profile": {profile}, "version": {version}, "created_at": "{CREATED}", "updated_at": "{UPDATED}"}}"#
    )
}

#[test]
fn a_user_is_the_same_as_his_text() {
    for (profile, _) in vectors() {
        // Inside the frame the deepest vector is too deep to be converted as one text.
        if profile.starts_with(&"[".repeat(128)) {
            continue;
        }
        let mut bytes = Vec::new();
        user(TOKEN, &profile, 7, CREATED, UPDATED, &mut bytes).unwrap();
        assert_eq!(bytes, convert(&described(&profile, 7)).unwrap(), "{}", head(&profile));
    }
}

#[test]
fn a_user_may_have_any_version_and_texts_of_any_length() {
    let mut versions = vec![0, 1, -1, i32::MAX, i32::MIN];
    for power in (0..=9).map(|digits| 10_i32.pow(digits)) {
        versions.extend([power - 1, power, power + 1, -power, power.saturating_mul(2)]);
    }
    for version in versions {
        let mut bytes = vec![1, 2, 3];
        user(TOKEN, "{}", version, CREATED, UPDATED, &mut bytes).unwrap();
        assert_eq!(bytes[3..], convert(&described("{}", version)).unwrap(), "{version}");
    }
    for length in (0..20).chain([256]) {
        let text = "t".repeat(length);
        let mut bytes = Vec::new();
        user(&text, r#"{"n": 1}"#, 1, &text, &text, &mut bytes).unwrap();
        let expected = described(r#"{"n": 1}"#, 1);
        let expected =
            [TOKEN, CREATED, UPDATED].iter().fold(expected, |json, old| json.replace(old, &text));
        assert_eq!(bytes, convert(&expected).unwrap(), "{length}");
    }
}
