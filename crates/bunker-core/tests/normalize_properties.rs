//! What must hold for every value, not only for those someone thought of.
//!
//! `PROPTEST_CASES` raises the number of cases, for a longer run.

use std::collections::HashSet;
use std::sync::LazyLock;

use bunker_core::normalize::{Normalizer, Region, warm_up};
use proptest::prelude::*;
use proptest::sample::select;

const RULES: [Normalizer; 5] = [
    Normalizer::Exact,
    Normalizer::Email,
    Normalizer::Phone,
    Normalizer::Login,
    Normalizer::Custom,
];

/// What telephone numbers, and attacks on their parser, are made of.
const PHONE_PARTS: [&str; 34] = [
    "+",
    "\u{ff0b}",
    "0",
    "00",
    "011",
    "1",
    "44",
    "39",
    "52",
    "54",
    "55",
    "7",
    "800",
    "(0)",
    "15",
    "tel:",
    "TEL:",
    ";phone-context=",
    ";isub=",
    ";ext=",
    ";",
    "=",
    "x",
    "ext. ",
    "#",
    ",",
    "*",
    "/",
    " - ",
    "\u{a0}",
    "\u{660}",
    "\u{1d7d8}",
    "FLOWERS",
    "a.example",
];

/// The parts of a `tel:` URI (RFC 3966), which may come in any order but the right one.
const URI_PARTS: [&str; 8] =
    ["tel:", ";phone-context=", ";isub=", ";ext=", ";", "+44", "2079460002", "a.example"];

static REGIONS: LazyLock<Vec<Region>> = LazyLock::new(|| {
    let codes = ('A'..='Z').flat_map(|first| ('A'..='Z').map(move |last| format!("{first}{last}")));
    codes.filter_map(|code| Region::parse(&code).ok()).collect()
});

/// At least so many cases, and as many as `PROPTEST_CASES` asks for.
fn at_least(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig { cases: config.cases.max(cases), ..config }
}

fn any_region() -> impl Strategy<Value = Region> {
    select(REGIONS.as_slice())
}

fn phone_like() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => select(PHONE_PARTS.as_slice()).prop_map(String::from),
        4 => "[0-9]{1,6}",
        2 => "[0-9 ().+/-]{1,5}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 1..9).prop_map(|parts| parts.concat())
}

fn email_like() -> impl Strategy<Value = String> {
    let local =
        prop_oneof!["[a-zA-Z0-9.+_'-]{1,12}", "\"[ -~]{0,10}\"", "\"\\PC{0,8}\"", "\\PC{1,10}",];
    let domain = prop_oneof![
        "[a-zA-Z0-9-]{1,8}(\\.[a-zA-Z]{2,5}){0,2}",
        "(xn--)?[a-z0-9-]{1,10}\\.com",
        "\\PC{1,8}(\\.[a-z]{1,4})?",
    ];
    (local, domain).prop_map(|(local, domain)| format!("{local}@{domain}"))
}

/// Normalising a normal form gives it back, wherever it is done.
fn check_final(
    rule: Normalizer,
    value: &str,
    region: Region,
    elsewhere: Region,
) -> Result<(), TestCaseError> {
    if let Ok(normal) = rule.normalize(value, region) {
        let again = rule.normalize(&normal, elsewhere);
        prop_assert_eq!(again.as_deref(), Ok(&*normal), "{} of {:?}", rule.as_str(), value);
    }
    Ok(())
}

proptest! {
    #![proptest_config(at_least(4_000))]

    #[test]
    fn any_text_is_refused_or_has_a_final_form(
        value in any::<String>(),
        region in any_region(),
        elsewhere in any_region(),
    ) {
        for rule in RULES {
            check_final(rule, &value, region, elsewhere)?;
        }
    }

    #[test]
    fn what_looks_like_a_phone_number_is_refused_or_has_a_final_form(
        value in phone_like(),
        region in any_region(),
        elsewhere in any_region(),
    ) {
        check_final(Normalizer::Phone, &value, region, elsewhere)?;
        if let Ok(normal) = Normalizer::Phone.normalize(&value, region) {
            let digits = normal.strip_prefix('+').unwrap_or_default();
            prop_assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
            // A country code of one to three digits, a national number of two to seventeen.
            prop_assert!((3..=20).contains(&digits.len()) && !digits.starts_with('0'));
        }
    }

    #[test]
    fn a_uri_in_any_order_is_refused_or_has_a_final_form(
        parts in prop::collection::vec(select(URI_PARTS.as_slice()), 1..7),
        region in any_region(),
        elsewhere in any_region(),
    ) {
        check_final(Normalizer::Phone, &parts.concat(), region, elsewhere)?;
    }

    #[test]
    fn what_looks_like_an_address_is_refused_or_has_a_final_form(
        value in email_like(),
        region in any_region(),
    ) {
        check_final(Normalizer::Email, &value, region, region)?;
        if let Ok(normal) = Normalizer::Email.normalize(&value, region) {
            let (local, domain) = normal.rsplit_once('@').unwrap_or_default();
            prop_assert!((1..=64).contains(&local.len()) && normal.len() <= 254);
            prop_assert!(!domain.is_empty() && domain.is_ascii());
        }
    }

    #[test]
    fn case_and_surrounding_space_do_not_tell_addresses_apart(
        address in "[a-zа-яà-öé0-9+_-]{1,12}@[a-z0-9]{1,8}(é[a-z]{1,4})?\\.[a-z]{2,5}",
        before in "[ \t\u{a0}]{0,3}",
        after in "[ \r\n\u{3000}]{0,3}",
        region in any_region(),
    ) {
        let normal = Normalizer::Email.normalize(&address, region);
        let spelling = format!("{before}{}{after}", address.to_uppercase());
        prop_assert!(normal.is_ok(), "{address:?}: {normal:?}");
        prop_assert_eq!(Normalizer::Email.normalize(&spelling, region), normal);
    }

    #[test]
    fn case_and_surrounding_space_do_not_tell_logins_apart(
        login in "[a-zа-яà-öé0-9!-/_]{1,16}",
        space in "[ \t\u{2003}]{0,3}",
        region in any_region(),
    ) {
        let normal = Normalizer::Login.normalize(&login, region);
        let spelling = format!("{space}{}{space}", login.to_uppercase());
        prop_assert!(normal.is_ok(), "{login:?}: {normal:?}");
        prop_assert_eq!(Normalizer::Login.normalize(&spelling, region), normal);
    }

    #[test]
    fn punctuation_does_not_tell_phone_numbers_apart(
        subscriber in "[1-9][0-9]{9}",
        separators in prop::collection::vec(select([" ", "-", ".", "\u{a0}", "\u{2011}"].as_slice()), 9),
        region in any_region(),
    ) {
        let plain = format!("+44{subscriber}");
        let mut spelling = String::from(" +44");
        for (digit, separator) in subscriber.chars().zip(separators.iter().chain(&[""])) {
            spelling.push(digit);
            spelling.push_str(separator);
        }
        for value in [&plain, &spelling] {
            let normal = Normalizer::Phone.normalize(value, region);
            prop_assert_eq!(normal.as_deref(), Ok(plain.as_str()), "{:?}", value);
        }
    }

    #[test]
    fn no_text_upsets_the_reading_of_regions_and_rules(text in "\\PC{0,4}|[a-zA-Z]{2}|001") {
        if let Ok(region) = Region::parse(&text) {
            prop_assert_eq!(region.to_string(), text.to_ascii_uppercase());
            prop_assert_ne!(text.as_str(), "001");
        }
        if let Ok(rule) = text.parse::<Normalizer>() {
            prop_assert_eq!(rule.as_str(), text);
        }
    }
}

/// The library compiles a region's expressions when it first meets it, and panics on a bad one.
#[test]
fn the_expressions_of_every_region_compile() {
    warm_up();
    REGIONS.iter().for_each(|region| region.warm_up());
    let names: HashSet<String> = REGIONS.iter().map(Region::to_string).collect();
    assert!(names.len() > 230, "{} regions", names.len());
    assert!(["GB", "US", "IT", "AR", "MX", "BR"].iter().all(|&name| names.contains(name)));
}
