//! Whatever text comes: no panic, and what is converted prints back as just that text.

#![allow(clippy::unwrap_used, clippy::panic)]

mod jsonb_common;

use std::collections::BTreeMap;

use bunker_core::jsonb::{from_canonical, user};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// A JSON value with PostgreSQL's order of keys: by length, then by bytes.
#[derive(Clone, Debug)]
enum Json {
    /// Printed already: a number or constant.
    Word(String),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<(usize, String), Json>),
}

impl Json {
    fn print(&self, text: &mut String) {
        match self {
            Self::Word(word) => text.push_str(word),
            Self::Text(plain) => jsonb_common::escape(plain, text),
            Self::Array(elements) => {
                text.push('[');
                for (index, element) in elements.iter().enumerate() {
                    text.push_str(if index > 0 { ", " } else { "" });
                    element.print(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (index, ((_, key), value)) in members.iter().enumerate() {
                    text.push_str(if index > 0 { ", " } else { "" });
                    jsonb_common::escape(key, text);
                    text.push_str(": ");
                    value.print(text);
                }
                text.push('}');
            }
        }
    }
}

fn strings() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,12}", "[\\x01-\\x7f]{0,40}", "[^\\x00]{0,12}"]
}

fn numbers() -> impl Strategy<Value = String> {
    // Zeros are frequent, because stripping them is where the stored form is intricate.
    let digits = "(0{0,9}|[0-9]{0,9})(0{60,70}|0{250,260})?([0-9]{0,9}|0{0,9})";
    (any::<bool>(), digits, digits).prop_map(|(negative, whole, fraction)| {
        let whole = whole.trim_start_matches('0');
        let is_zero = whole.is_empty() && fraction.bytes().all(|digit| digit == b'0');
        let sign = if negative && !is_zero { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    })
}

fn values() -> impl Strategy<Value = Json> + Clone {
    let constants = prop_oneof![Just("null"), Just("true"), Just("false")];
    let leaf = prop_oneof![
        constants.prop_map(|word| Json::Word(word.to_owned())),
        numbers().prop_map(Json::Word),
        strings().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| containers(inner, 0..6))
}

fn containers(
    inner: impl Strategy<Value = Json> + Clone,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = Json> {
    let members = vec((strings(), inner.clone()), size.clone());
    prop_oneof![
        vec(inner, size).prop_map(Json::Array),
        members.prop_map(|members| {
            let keyed = |(key, value): (String, Json)| ((key.len(), key), value);
            Json::Object(members.into_iter().map(keyed).collect())
        }),
    ]
}

/// The text of an array or object, as PostgreSQL would print it.
fn canonical() -> impl Strategy<Value = String> {
    containers(values(), 0..12).prop_map(|document| {
        let mut text = String::new();
        document.print(&mut text);
        text
    })
}

/// What is converted prints back unchanged, so that nothing but canonical text can have been.
fn prints_back_if_converted(text: &str) -> bool {
    let mut bytes = Vec::new();
    let converted = from_canonical(text, &mut bytes).is_ok();
    if converted {
        assert_eq!(jsonb_common::print(&bytes), text);
    } else {
        assert!(bytes.is_empty());
    }
    converted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn canonical_text_is_converted(text in canonical()) {
        prop_assert!(prints_back_if_converted(&text), "refused: {text}");
    }

    #[test]
    fn many_children_keep_their_offsets(few in vec(values(), 3..9), count in 28_usize..140) {
        // The same few over and over: generating so many different ones would take minutes.
        let elements = few.iter().cycle().take(count).cloned();
        let keyed = |(number, value)| ((4, format!("{number:04}")), value);
        let members = elements.clone().enumerate().map(keyed).collect();
        let mut text = String::new();
        Json::Array(vec![Json::Array(elements.collect()), Json::Object(members)]).print(&mut text);
        prop_assert!(prints_back_if_converted(&text), "refused: {text}");
    }

    #[test]
    fn a_user_is_the_same_as_his_text(profile in canonical(), version: i32, token in "[a-f0-9-]{0,40}") {
        let mut bytes = Vec::new();
        user(&token, &profile, version, "then", "now", &mut bytes).unwrap();
        let text = format!(
            r#"{{"token": "{token}", "profile": {profile}, "version": {version}, "created_at": "then", "updated_at": "now"}}"#
        );
        prop_assert_eq!(jsonb_common::print(&bytes), text);
    }

    #[test]
    fn arbitrary_text_is_harmless(text in any::<String>()) {
        prints_back_if_converted(&text);
        prints_back_if_converted(&format!("[{text}]"));
        prints_back_if_converted(&format!(r#"{{"{text}": 1}}"#));
    }

    #[test]
    fn text_of_json_pieces_is_harmless(
        text in r#"(\{|\}|\[|\]|"|"a"|: |, |:|,| |\\|\\n|\\u001|0|-|\.|1|12|true|null|é){0,24}"#,
    ) {
        prints_back_if_converted(&text);
        prints_back_if_converted(&format!("[{text}]"));
        prints_back_if_converted(&format!(r#"{{"a": {text}}}"#));
    }

    #[test]
    fn mutated_text_is_harmless(
        text in canonical(),
        edits in vec((any::<Index>(), any::<Index>(), r#"[\[\]{}",:.\\ 0-9a-fu\n-]{0,2}"#), 1..4),
    ) {
        let mut letters: Vec<char> = text.chars().collect();
        for (at, length, piece) in edits {
            let at = at.index(letters.len() + 1);
            let end = (at + length.index(3)).min(letters.len());
            letters.splice(at..end, piece.chars());
        }
        prints_back_if_converted(&letters.into_iter().collect::<String>());
    }

    #[test]
    fn truncated_text_is_refused(text in canonical(), end in any::<Index>()) {
        let letters: Vec<char> = text.chars().collect();
        let shorter: String = letters[..end.index(letters.len())].iter().collect();
        prop_assert!(!prints_back_if_converted(&shorter));
    }
}
