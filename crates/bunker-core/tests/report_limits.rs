//! Reports of every size have a page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod report_common;

use report_common::page;
use serde_json::{Value, json};

/// How deep the parsers of browsers nest elements before they flatten them.
const BROWSER_DEPTH: usize = 512;

/// `levels` containers in each other, of which every `nth` is a list.
fn nested(levels: usize, nth: usize) -> Value {
    (1..=levels).rev().fold(json!("the bottom"), |inside, level| {
        if level % nth == 0 { json!([inside]) } else { json!({format!("level_{level}"): inside}) }
    })
}

#[test]
fn profiles_of_128_levels_are_shown_to_the_bottom_on_a_small_stack() {
    let work = || {
        for nth in [1, 2, 5, 1_000] {
            let page = page(&json!({"profile": nested(128, nth)}));
            assert!(page.section("profile").contains("the bottom"), "{nth}");
            assert!(page.depth() < BROWSER_DEPTH, "{nth}: {}", page.depth());
        }
        let changed = json!({"versions": [
            {"version": 1, "profile": nested(128, 5)},
            {"version": 2, "profile": nested(127, 5)},
        ]});
        assert!(page(&changed).section("history").contains("the bottom"));
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn what_is_too_deep_says_so_and_overflows_nothing() {
    let page = page(&json!({"profile": nested(1_000, 3)}));
    assert!(page.section("profile").contains("nested too deep to be shown"));
    assert!(!page.section("profile").contains("the bottom"));
}

#[test]
fn a_deep_container_tells_where_it_is() {
    let profile = page(&json!({"profile": nested(9, 7)})).section("profile");
    assert!(profile.contains("Level 6 · … › level_3 › level_4 › level_5"), "{profile}");
    assert!(!profile.contains("Level 4 ·"));
    assert!(profile.contains("Level 9 · … › level_6 › item 1 › level_8"), "{profile}");
}

#[test]
fn every_digit_is_shown() {
    for number in
        ["12345678901234567890.50", "1.0", "-0.000000000000000000000000001", &"9".repeat(2_000)]
    {
        let report: Value =
            serde_json::from_str(&format!(r#"{{"profile":{{"n":{number}}}}}"#)).unwrap();
        assert!(page(&report).section("profile").contains(&format!("n{number}")));
    }
}

#[test]
fn a_text_of_a_megabyte_is_whole_and_folded() {
    let text = "é<".repeat(500_000);
    let page = page(
        &json!({"profile": {"text": text, "limit": "x".repeat(2_000), "past": "x".repeat(2_001)}}),
    );
    assert!(page.section("profile").contains(&text));
    assert_eq!(
        page.texts_of("summary", ""),
        ["Text of 2,001 characters", "Text of 1,000,000 characters"]
    );
}

#[test]
fn a_list_of_ten_thousand_is_whole_and_folded() {
    let list: Vec<_> = (0..10_000).map(|number| format!("<{number}>")).collect();
    let page = page(&json!({"profile": {"list": list}}));
    assert_eq!(page.count("li", ""), 10_000 + 10);
    assert!(page.section("profile").contains("<9998><9999>"));
    assert_eq!(page.texts_of("summary", ""), ["List of 10,000 items"]);
}

#[test]
fn of_the_accesses_the_newest_500_are_listed_and_the_others_counted() {
    for (count, listed, more) in [
        (1, 1, None),
        (500, 500, None),
        (501, 500, Some("The trail holds 1 older access.")),
        (50_000, 500, Some("The trail holds 49,500 older accesses.")),
    ] {
        let accesses: Vec<_> = (0..count)
            .map(|number| json!({"id": count - number, "at": "2026-11-22T10:00:00Z", "actor": "a", "action": "get_user", "status": "ok"}))
            .collect();
        let page = page(&json!({"accesses": accesses}));
        let tables = page.texts_of("tbody", "");
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[1].matches("get_user").count(), listed);
        assert!(tables[1].contains(&format!("–{count}")), "the newest is listed");
        assert_eq!(
            page.texts_of("p", "more").pop().map(|text| text.contains(more.unwrap_or("?"))),
            more.map(|_| true)
        );
    }
}

#[test]
fn ten_of_those_who_had_access_are_named() {
    let accesses: Vec<_> = (0..25)
        .flat_map(|actor| {
            vec![
                json!({"actor": format!("actor_{actor:02}"), "action": "get_user", "status": "ok"});
                actor + 1
            ]
        })
        .collect();
    let page = page(&json!({"accesses": accesses}));
    let actors = &page.texts_of("tbody", "")[0];
    assert!(actors.starts_with("actor_242500actor_232400"), "{actors}");
    assert_eq!(actors.matches("actor_").count(), 10);
    assert_eq!(page.texts_of("p", "more"), ["And 15 others."]);
}

/// A page grows with its report, not faster: no path or name is repeated for each of many members.
#[test]
fn a_hostile_shape_does_not_blow_up() {
    let shapes = [
        json!({"profile": (0..120).fold(json!(vec![json!([1]); 20_000]), |inside, _| json!({"a": inside}))}),
        json!({"profile": {"n".repeat(100_000): vec![json!({"a": [[[1]]]}); 500]}}),
        json!({"versions": [
            {"version": 1, "profile": {"n".repeat(1_000): vec![1; 100]}},
            {"version": 2, "profile": {"n".repeat(1_000): vec![2; 100]}},
        ]}),
    ];
    for report in shapes {
        let (bytes, page) = (report.to_string().len(), bunker_core::report::html(&report).len());
        assert!(page < 20_000 + 120 * bytes, "{page} of {bytes}");
    }
}
