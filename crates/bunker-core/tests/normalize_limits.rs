//! Names, limits, and what an error may say.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bunker_core::normalize::{MAX_VALUE_BYTES, NormalizeError, Normalizer, Region};

const RULES: [Normalizer; 5] = [
    Normalizer::Exact,
    Normalizer::Email,
    Normalizer::Phone,
    Normalizer::Login,
    Normalizer::Custom,
];

const ERRORS: [NormalizeError; 7] = [
    NormalizeError::Blank,
    NormalizeError::TooLong,
    NormalizeError::BadEmail,
    NormalizeError::BadPhone,
    NormalizeError::BadLogin,
    NormalizeError::UnknownRegion,
    NormalizeError::UnknownNormalizer,
];

fn britain() -> Region {
    Region::parse("GB").unwrap_or_else(|error| unreachable!("{error}"))
}

#[test]
fn rules_are_known_by_their_names() {
    for rule in RULES {
        assert_eq!(rule.as_str().parse(), Ok(rule));
    }
    for name in ["", "Email", "email ", "sms"] {
        assert_eq!(name.parse::<Normalizer>(), Err(NormalizeError::UnknownNormalizer), "{name:?}");
    }
}

#[test]
fn regions_are_alpha_2_codes_in_either_case() {
    assert_eq!(Region::parse("gb"), Ok(britain()));
    assert_eq!(britain().to_string(), "GB");
    for code in ["", "G", "GBR", "ZZ", "AQ", "001", "44", "G\u{e9}", "\u{e9}", " GB"] {
        assert_eq!(Region::parse(code), Err(NormalizeError::UnknownRegion), "{code:?}");
    }
}

#[test]
fn a_value_may_be_so_long_and_no_longer() {
    let longest = "x".repeat(MAX_VALUE_BYTES);
    let longer = "x".repeat(MAX_VALUE_BYTES + 1);
    for rule in [Normalizer::Exact, Normalizer::Login, Normalizer::Custom] {
        assert_eq!(rule.normalize(&longest, britain()).as_deref(), Ok(longest.as_str()));
        assert_eq!(rule.normalize(&longer, britain()), Err(NormalizeError::TooLong));
    }
}

#[test]
fn an_address_may_have_254_octets() {
    let label = "d".repeat(63);
    let domain = format!("{label}.{label}.{}", "d".repeat(62));
    let longest = format!("{}@{domain}", "l".repeat(254 - 1 - domain.len()));
    assert_eq!(longest.len(), 254);
    let normal = Normalizer::Email.normalize(&longest, britain());
    assert_eq!(normal.as_deref(), Ok(longest.as_str()));
    let longer = Normalizer::Email.normalize(&longest.replacen('l', "ll", 1), britain()).err();
    assert_eq!(longer, Some(NormalizeError::TooLong));
}

#[test]
fn a_phone_number_may_have_250_bytes() {
    let number = |spaces: usize| format!("+44{}2079460002", " ".repeat(spaces));
    let normal = Normalizer::Phone.normalize(&number(237), britain()).map(String::from);
    assert_eq!(normal.as_deref(), Ok("+442079460002"));
    let longer = Normalizer::Phone.normalize(&number(238), britain()).err();
    assert_eq!(longer, Some(NormalizeError::TooLong));
}

#[test]
fn a_megabyte_is_refused_at_once() {
    let start = Instant::now();
    for piece in ["a", "+1", " ", "(", "\u{301}", "a@", "\"", "..", "xn--", ";ext="] {
        let huge = piece.repeat(1024 * 1024 / piece.len());
        for rule in RULES {
            assert_eq!(rule.normalize(&huge, britain()), Err(NormalizeError::TooLong));
        }
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// The longest values that are worked on at all, made of what regular expressions dislike.
#[test]
fn the_longest_hostile_values_take_no_time() {
    let region = britain();
    for piece in ["1", "1-", "(", "x", "x1", "ext", ",1", ";", "\u{301}", "\u{ff11}", "a.", "\\"] {
        let hostile = piece.repeat(MAX_VALUE_BYTES / piece.len());
        let start = Instant::now();
        for length in [100, 200, 249, 253, 1000] {
            let value = &hostile[..hostile.floor_char_boundary(length)];
            for rule in RULES {
                let _ = rule.normalize(value, region);
                let _ = rule.normalize(&format!("a@{value}.com"), region);
            }
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{piece:?}: {:?}", start.elapsed());
    }
}

#[test]
fn a_normal_form_is_not_copied() {
    let normal_forms = [
        (Normalizer::Exact, " as it is "),
        (Normalizer::Email, "user+tag@example.com"),
        (Normalizer::Phone, "+442079460002"),
        (Normalizer::Login, "john"),
        (Normalizer::Login, "jos\u{e9}"),
        (Normalizer::Custom, "A-17"),
    ];
    for (rule, value) in normal_forms {
        let normal = rule.normalize(value, britain());
        assert!(matches!(normal, Ok(Cow::Borrowed(same)) if same == value), "{}", rule.as_str());
    }
}

#[test]
fn errors_say_what_is_wrong_and_nothing_of_the_value() {
    let mut texts = Vec::new();
    for error in ERRORS {
        texts.extend([error.to_string(), error.hint().to_owned(), format!("{error:?}")]);
    }
    assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('\n')));
    let distinct: std::collections::HashSet<_> = texts.iter().collect();
    assert_eq!(distinct.len(), texts.len());
    // No field, so no room for a value: one byte tells the variants apart.
    assert_eq!(size_of::<NormalizeError>(), 1);
}

/// The telephone library logs what it parses; no logger may ever be handed it.
#[test]
fn the_libraries_cannot_log() {
    assert_eq!(log::STATIC_MAX_LEVEL, log::LevelFilter::Off);
}
