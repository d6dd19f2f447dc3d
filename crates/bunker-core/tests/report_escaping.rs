//! Nothing in a report can act on its page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod report_common;

use proptest::prelude::*;
use report_common::{page, sample};
use serde_json::{Value, json};

const HOSTILE: [&str; 12] = [
    r#""><script>alert(1)</script>"#,
    "</style><style>*{display:none}</style>",
    "</title></head><body onload=alert(1)>",
    "--></svg><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "' onclick='alert(1)",
    "&lt;b&gt;&#x3c;b>&amp;lt;",
    "<![CDATA[<b>]]>",
    "</bdi></dd></dl></section></main><h1>another page</h1>",
    "url(//evil.test) @import 'x' expression(1) \\3c b",
    "<base href=//evil.test><link rel=stylesheet href=x><form action=x>",
    "<template><plaintext><textarea><noscript>",
];

/// A value with another text for each of its texts.
fn map(value: &Value, text: &mut impl FnMut(&str) -> String) -> Value {
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(items) => items.iter().map(|item| map(item, text)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, item)| (name.clone(), map(item, text))).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn hostile_text_in_every_member_adds_no_element_and_no_attribute_and_is_shown() {
    let benign = page(&sample()).vocabulary();
    for hostile in HOSTILE {
        // Each text by itself, so that one that is not shown is found out.
        let mut number = 0;
        let report = map(&sample(), &mut |text| {
            number += 1;
            format!("{text}{hostile}#{number}#")
        });
        let page = page(&report);
        let added: Vec<_> = page.vocabulary().difference(&benign).cloned().collect();
        assert_eq!(added, [], "{hostile}");
        let values = page.attribute_values();
        assert!(!values.iter().any(|value| value.contains(hostile)), "{hostile} in an attribute");
        let text = page.text();
        for number in 1..=number {
            let whole = format!("{hostile}#{number}#");
            assert!(text.contains(&whole), "{whole} is not shown");
        }
    }
}

#[test]
fn hostile_text_in_place_of_every_text_is_shown_too() {
    let benign = page(&sample()).vocabulary();
    for hostile in HOSTILE {
        let page = page(&map(&sample(), &mut |_| hostile.to_owned()));
        assert!(page.vocabulary().is_subset(&benign), "{hostile}");
        assert!(page.section("profile").contains(hostile));
    }
}

#[test]
fn hostile_names_are_shown_as_text() {
    for hostile in HOSTILE {
        let mut report = sample();
        report["profile"] = json!({hostile: {hostile: [{hostile: 1}, 2]}});
        report["versions"][2]["profile"][hostile] = json!(1);
        report["apps"][0]["data"] = json!({hostile: 1});
        let page = page(&report);
        assert!(page.vocabulary().is_subset(&self::page(&sample()).vocabulary()), "{hostile}");
        for section in ["profile", "history", "apps"] {
            assert!(page.section(section).contains(hostile), "{hostile} in {section}");
        }
    }
}

#[test]
fn members_of_another_type_are_shown_and_break_nothing() {
    let benign = page(&sample()).vocabulary();
    for odd in
        [json!(7), json!(true), json!([["<b>"]]), json!({"<i>": "<b>"}), json!([]), json!("<b>")]
    {
        let replaced = map_members(&sample(), &odd, 2);
        assert!(page(&replaced).vocabulary().is_subset(&benign), "{odd}");
        for depth in 0..2 {
            page(&map_members(&sample(), &odd, depth));
        }
    }
}

/// A value with `odd` for everything at that depth.
fn map_members(value: &Value, odd: &Value, depth: usize) -> Value {
    match value {
        _ if depth == 0 => odd.clone(),
        Value::Array(items) => items.iter().map(|item| map_members(item, odd, depth - 1)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, item)| (name.clone(), map_members(item, odd, depth - 1)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn unseen_characters_are_shown_by_their_number() {
    for unseen in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain([
        '\0',
        '\u{1}',
        '\u{8}',
        '\u{b}',
        '\u{c}',
        '\r',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{2060}',
        '\u{feff}',
        '\u{fff9}',
        '\u{ffff}',
        '\u{e0041}',
    ]) {
        let report = map(&sample(), &mut |text| format!("{text}a{unseen}b"));
        let html = bunker_core::report::html(&report);
        assert!(!html.contains(unseen), "{unseen:?} acts");
        let page = page(&report);
        let mark = format!("U+{:04X}", u32::from(unseen));
        assert!(page.section("profile").contains(&format!("a{mark}b")));
        assert!(page.texts_of("span", "unseen").iter().all(|text| *text == mark));
        assert!(page.texts_of("title", "")[0].contains(&format!("a[{mark}]b")));
    }
}

#[test]
fn text_that_looks_like_a_mark_is_not_marked() {
    let page = page(&json!({"profile": {"a": "U+202E [U+202E]"}}));
    assert!(page.section("profile").contains("U+202E [U+202E]"));
    assert_eq!(page.count("span", "unseen"), 0);
}

#[test]
fn line_ends_tabs_and_joiners_stay() {
    let text = "one\ntwo\tthree \u{1f469}\u{200d}\u{1f680} می\u{200c}خواهم";
    let windows = page(&json!({"profile": {"a": text.replace('\n', "\r\n")}}));
    let unix = page(&json!({"profile": {"a": text}}));
    for page in [windows, unix] {
        assert!(page.section("profile").contains(text));
        assert_eq!(page.count("span", "unseen"), 0);
    }
}

#[test]
fn the_page_refers_to_nothing_outside() {
    let html = bunker_core::report::html(&sample()).to_lowercase();
    for outside in [
        "http:", "https:", "//", "url(", "@import", "<script", "<link", "<img", "<base", "<form",
        "<iframe", "<object", "src=", "style=", " on",
    ] {
        // Words such as "on" stand in the text of the page.
        let found = if outside == " on" {
            page(&sample()).vocabulary().iter().any(|(_, attribute)| attribute.starts_with("on"))
        } else {
            html.contains(outside)
        };
        assert!(!found, "{outside}");
    }
    let links: Vec<_> = page(&sample())
        .attribute_values()
        .into_iter()
        .filter(|value| value.starts_with('#'))
        .collect();
    assert!(links.len() >= 10);
    assert!(html.contains(r#"content="default-src 'none'; style-src 'unsafe-inline'""#));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_shown_as_it_is(text in r#"[ -~\n\u{e9}\u{4e00}<>&"'/]{1,80}"#) {
        let page = page(&map(&sample(), &mut |known| format!("{known}{text}")));
        prop_assert!(page.vocabulary().is_subset(&self::page(&sample()).vocabulary()));
        let shown = format!("alice role=bunker_dpo{text}");
        prop_assert!(page.text().contains(&shown));
    }
}
