//! The picture of accesses over time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod report_common;

use report_common::{Page, page};
use serde_json::{Value, json};

fn access(at: &str, action: &str, status: &str) -> Value {
    json!({"at": at, "actor": "a", "action": action, "status": status})
}

/// The page of reads at these times.
fn reads(times: &[&str]) -> Page {
    let accesses: Vec<_> = times.iter().map(|at| access(at, "get_user", "ok")).collect();
    page(&json!({"accesses": accesses}))
}

/// What the bars say when they are pointed at; their title is the first `<title>` of each group.
fn bars(page: &Page) -> Vec<String> {
    page.texts_of("g", "bar")
}

/// The labels of the axis.
fn ticks(page: &Page) -> Vec<String> {
    page.texts_of("g", "tick")
}

#[test]
fn one_access_stands_in_half_an_hour_of_minutes() {
    let page = reads(&["2026-11-22T10:00:07.5Z"]);
    assert_eq!(
        bars(&page),
        ["22 Nov 2026, 10:00, 1 minute: 1 read, 0 changes, 0 refused or failed"]
    );
    assert_eq!(ticks(&page), ["09:50", "09:55", "10:00", "10:05", "10:10", "10:15"]);
    assert_eq!(
        page.texts_of("figcaption", ""),
        ["1 access on 22 Nov 2026, 10:00:07. Each bar is 1 minute."]
    );
}

#[test]
fn fifty_thousand_in_one_second_are_one_bar() {
    let accesses = vec![access("2026-11-22T10:00:00.1Z", "get_user", "ok"); 50_000];
    let page = page(&json!({"accesses": accesses}));
    assert_eq!(
        bars(&page),
        ["22 Nov 2026, 10:00, 1 minute: 50,000 reads, 0 changes, 0 refused or failed"]
    );
    assert_eq!(page.texts_of("text", "scale"), ["0", "30,000", "60,000"]);
}

#[test]
fn ten_years_are_bars_of_quarters_and_labelled_by_years() {
    let times: Vec<String> = (2016..=2026).map(|year| format!("{year}-11-22T10:00:00Z")).collect();
    let page = reads(&times.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bars(&page).len(), 11);
    assert_eq!(
        bars(&page)[0],
        "1 Oct 2016, 00:00, 3 months: 1 read, 0 changes, 0 refused or failed"
    );
    assert_eq!(ticks(&page), ["2018", "2020", "2022", "2024", "2026"]);
}

#[test]
fn the_furthest_times_have_an_axis() {
    let page = reads(&["-009999-01-03T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-30T00:00:00Z"]);
    assert_eq!(bars(&page).len(), 3);
    assert!((1..=7).contains(&ticks(&page).len()));
    for far in ["9999-12-30T22:00:00.999Z", "-009999-01-03T00:00:00Z"] {
        assert_eq!(bars(&reads(&[far])).len(), 1);
    }
}

/// Steps of a day from 1 to 4,000: at each length, no bar is lost and labels are few but there.
#[test]
fn every_length_of_time_has_bars_and_labels() {
    let from: jiff::Timestamp = "2019-12-31T23:59:59Z".parse().unwrap();
    for seconds in (0..40).map(|power| 1.6_f64.powi(power)).take_while(|seconds| *seconds < 2e10) {
        let to = from + std::time::Duration::from_secs_f64(seconds);
        let page = reads(&[&from.to_string(), &to.to_string()]);
        let html = page.texts_of("figcaption", "").concat();
        assert!(matches!(bars(&page).len(), 1 | 2), "{html}");
        assert!((2..=7).contains(&ticks(&page).len()), "{html}: {:?}", ticks(&page));
        let counted: usize =
            bars(&page).iter().map(|bar| if bar.contains(": 2 reads") { 2 } else { 1 }).sum();
        assert_eq!(counted, 2, "{html}");
    }
}

#[test]
fn places_are_within_the_picture() {
    let page = reads(&["2024-02-29T12:00:00Z", "2024-03-01T00:00:00Z", "2026-11-22T10:00:00Z"]);
    let percents: Vec<f64> = page
        .attribute_values()
        .iter()
        .filter_map(|value| value.strip_suffix('%')?.parse().ok())
        .collect();
    assert!(percents.len() > 10);
    assert!(percents.iter().all(|percent| (0.0..=100.0).contains(percent)), "{percents:?}");
}

#[test]
fn reads_changes_and_refusals_are_told_apart() {
    let at = "2026-11-22T10:00:00Z";
    let accesses = [
        ("get_user", "ok"),
        ("lookup", "not_found"),
        ("user_report_html", "ok"),
        ("audit", "ok"),
        ("update_user", "ok"),
        ("create_users", "ok"),
        ("delete_user", "not_found"),
        ("made_up", "ok"),
        ("get_user", "denied"),
        ("update_user", "failed"),
    ]
    .map(|(action, status)| access(at, action, status));
    let page = page(&json!({"accesses": accesses}));
    assert_eq!(
        bars(&page),
        ["22 Nov 2026, 10:00, 1 minute: 4 reads, 4 changes, 2 refused or failed"]
    );
    assert_eq!(page.texts_of("ul", "legend"), ["4 reads4 changes2 refused or failed"]);
    for class in ["reads", "changes", "refusals"] {
        assert_eq!(page.count("rect", class), 1);
    }
}

#[test]
fn a_single_refusal_among_thousands_is_drawn() {
    let at = "2026-11-22T10:00:00Z";
    let mut accesses = vec![access(at, "get_user", "ok"); 50_000];
    accesses.push(access(at, "get_user", "denied"));
    let page = page(&json!({"accesses": accesses}));
    assert_eq!(page.count("rect", "refusals"), 1);
    assert!(page.attribute_values().contains(&"2.0".to_owned()), "its height");
}

#[test]
fn the_picture_is_described_in_words() {
    let page = reads(&["2026-11-22T10:00:00Z", "2026-11-22T10:20:00Z", "2026-11-22T10:20:30Z"]);
    assert_eq!(
        page.texts_of("desc", ""),
        [
            "Histogram. 3 accesses from 22 Nov 2026, 10:00 to 22 Nov 2026, 10:20. 3 reads, 0 changes, \
          0 refused or failed. The most within 1 minute: 2, from 22 Nov 2026, 10:20."
        ]
    );
}

#[test]
fn accesses_without_a_readable_time_are_counted_apart() {
    let page = reads(&["2026-11-22T10:00:00Z", "yesterday", ""]);
    assert!(page.texts_of("figcaption", "")[0].ends_with("Without a readable time: 2."));
    assert_eq!(bars(&page).len(), 1);
    let page = reads(&["yesterday"]);
    assert!(page.section("accesses").contains("The times of the accesses cannot be read."));
}
