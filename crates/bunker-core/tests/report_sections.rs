//! What the page of a report says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod report_common;

use report_common::{page, sample};
use serde_json::{Value, json};

const SECTIONS: [&str; 10] = [
    "profile",
    "history",
    "apps",
    "sessions",
    "shares",
    "consents",
    "activities",
    "requests",
    "expiry",
    "accesses",
];

/// Every text and number of a value that is not a point in time, with the names of its members.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(members) => members.values().for_each(|item| leaves(item, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[test]
fn everything_that_is_held_is_on_the_page() {
    // These stand on the page in other words.
    let translated = ["change-profile", "agreement-withdraw", "consent", "legal-requirement"];
    let text = page(&sample()).text();
    let mut all = Vec::new();
    leaves(&sample(), &mut all);
    assert!(all.len() > 150);
    for leaf in all {
        let time = leaf.ends_with('Z') && leaf.contains('T');
        if !time && !leaf.is_empty() && !translated.contains(&leaf.as_str()) {
            assert!(text.contains(&leaf), "{leaf} is missing");
        }
    }
}

#[test]
fn times_are_for_people_and_for_machines() {
    let page = page(&sample());
    assert!(page.section("history").contains("3 Oct 2026, 16:42"));
    assert!(page.section("accesses").contains("22 Nov 2026, 09:59:30"));
    assert!(page.attribute_values().contains(&"2026-10-03T16:42:10.5Z".to_owned()));
    // As PostgreSQL writes them into jsonb, and what is no time.
    let odd = self::page(&json!({"expiration": {"expires_at": "2027-02-28T01:00:00+02:00"}}));
    assert!(odd.section("expiry").contains("27 Feb 2027, 23:00"));
    let odd = self::page(&json!({"expiration": {"expires_at": "infinity"}}));
    assert!(odd.section("expiry").contains("infinity"));
}

#[test]
fn the_summary_counts_and_leads_to_every_section() {
    let page = page(&sample());
    let summary = page.texts_of("nav", "").concat();
    for part in [
        "14 fields in the profile",
        "2 of 3 consents given",
        "2 requests, 1 open",
        "28 Feb 2027",
        "6 accesses",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    for section in SECTIONS {
        assert!(page.attribute_values().contains(&format!("#{section}")));
        assert!(!page.section(section).is_empty(), "{section}");
    }
}

#[test]
fn only_what_changed_is_shown_of_a_version() {
    let history = page(&sample()).section("history");
    for part in [
        "address › street",
        "Parkveien 1",
        "children › item 2",
        "Östergård".trim_start_matches('Ö'),
    ] {
        assert!(history.contains(part), "{part}");
    }
    // Once in the first version; never again, because it stayed as it was.
    assert_eq!(history.matches("zoe@example.org").count(), 1);
    assert!(history.find("Version 3").unwrap() < history.find("Version 1").unwrap());
}

/// The rows of the table of changes from one profile to another.
fn changes(before: Value, after: Value) -> Vec<String> {
    let report =
        json!({"versions": [{"version": 1, "profile": before}, {"version": 2, "profile": after}]});
    page(&report).texts_of("tr", "").split_off(1)
}

#[test]
fn changes_are_found_where_they_are() {
    assert_eq!(changes(json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3})), ["b23"]);
    assert_eq!(changes(json!({"a": 1}), json!({"b": 1})), ["a1–", "b–1"]);
    assert_eq!(
        changes(json!({"a": {"b": {"c": 1}}}), json!({"a": {"b": {"c": 2}}})),
        ["a › b › c12"]
    );
    assert_eq!(changes(json!({"a": [1, 2, 3]}), json!({"a": [0, 1, 2, 3]})), ["a › item 1–0"]);
    assert_eq!(changes(json!({"a": [1, 2, 3]}), json!({"a": [1, 3]})), ["a › item 22–"]);
    assert_eq!(changes(json!({"a": [1, 1]}), json!({"a": [1, 1, 1]})), ["a › item 3–1"]);
    assert_eq!(changes(json!({"a": [1, 5, 3]}), json!({"a": [1, 6, 3]})), ["a › item 256"]);
    assert_eq!(changes(json!({"a": null}), json!({"a": ""})), ["anothingempty text"]);
    assert_eq!(changes(json!({"a": {}}), json!({"a": []})), ["aemptyempty list"]);
}

#[test]
fn versions_need_not_come_in_order_nor_with_content() {
    let report = json!({"versions": [
        {"version": 10, "profile": {"a": "ten"}}, {"version": 9, "profile": {"a": "nine"}},
        {"version": 11}, {"version": 12, "profile": {"a": "ten"}},
    ]});
    let history = page(&report).section("history");
    assert!(history.contains("aninetenVersion 9"), "{history}");
    assert!(history.contains("Version 11Its content is not part of this report."));
    // What cannot be compared is shown whole.
    assert!(history.contains("Version 12The whole profile of this version"));
    let same = json!({"versions": [{"version": 1, "profile": {}}, {"version": 2, "profile": {}}]});
    assert!(page(&same).section("history").contains("Nothing differs"));
}

#[test]
fn a_report_without_anything_has_every_section_and_says_so() {
    for nothing in [json!({}), json!(null), json!([]), json!("x"), all_null(), all_empty()] {
        let page = page(&nothing);
        for (section, words) in SECTIONS.into_iter().zip([
            "The profile is empty.",
            "No version",
            "No application",
            "no session",
            "Nothing is shared",
            "No consent",
            "No processing activity",
            "No request",
            "No expiry",
            "No access",
        ]) {
            assert!(page.section(section).contains(words), "{section} of {nothing}");
        }
        assert_eq!(page.count("svg", ""), 0);
    }
}

fn all_null() -> Value {
    sample().as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect()
}

fn all_empty() -> Value {
    SECTIONS
        .into_iter()
        .chain(["versions", "agreements"])
        .map(|name| (name.to_owned(), json!([])))
        .collect()
}

#[test]
fn every_member_may_be_missing_or_null() {
    for_each_path(&sample(), &mut Vec::new(), &mut |path| {
        for value in [None, Some(Value::Null)] {
            let mut report = sample();
            replace(&mut report, path, value);
            page(&report);
        }
    });
}

/// Calls for the path of every member and item.
fn for_each_path(value: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&[String])) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, item)| (name.clone(), item)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    for (name, item) in inner {
        path.push(name);
        visit(path);
        for_each_path(item, path, visit);
        path.pop();
    }
}

fn replace(report: &mut Value, path: &[String], value: Option<Value>) {
    let (last, parents) = path.split_last().unwrap();
    let parent = report
        .pointer_mut(&parents.iter().map(|name| format!("/{name}")).collect::<String>())
        .unwrap();
    match (parent, value) {
        (Value::Object(members), Some(value)) => {
            members.insert(last.clone(), value);
        }
        (Value::Object(members), None) => {
            members.remove(last);
        }
        (Value::Array(items), Some(value)) => items[last.parse::<usize>().unwrap()] = value,
        (Value::Array(items), None) => {
            items.remove(last.parse().unwrap());
        }
        _ => unreachable!("a parent is a container"),
    }
}

#[test]
fn a_consent_shows_the_whole_text_it_rests_on_and_the_uses_link_to_it() {
    let page = page(&sample());
    let consents = page.section("consents");
    assert!(consents.contains("You may withdraw this at any time; it costs nothing"));
    assert!(consents.contains("Legal obligation (GDPR article 6(1)(c))"));
    assert!(page.attribute_values().contains(&"#consent-1".to_owned()));
    assert!(page.section("activities").contains("Rests onnewslettercontract"));
}

#[test]
fn a_share_of_all_fields_says_so() {
    let shares = page(&sample()).section("shares");
    assert!(shares.contains("firstlastaddress"));
    assert!(shares.contains("All fieldsof the application shop"));
}
