//! Reading a profile and looking into it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bunker_core::profile::{
    Limits, Pointer, PointerError, ProfileError, apply, check_text, parse, parse_json, parse_patch,
    value_at,
};
use serde_json::{Value, json};

fn limits() -> Limits {
    Limits::default()
}

/// `levels` objects in each other.
fn nested_objects(levels: usize) -> String {
    let inside = levels - 1;
    format!("{}{{}}{}", r#"{"a":"#.repeat(inside), "}".repeat(inside))
}

#[test]
fn every_digit_survives() {
    for number in [
        "12345678901234567890.123",
        "0.1000000000000000055511151231257827",
        "-0.00000000000000000000000000000000000001",
        "1.0",
        &format!("1{}", "0".repeat(400)),
    ] {
        let text = format!(r#"{{"n":{number},"list":[{number}]}}"#);
        let profile = parse(&text, &limits()).unwrap();
        let patch = parse_patch(r#"[{"op":"copy","from":"/n","path":"/m"}]"#, &limits()).unwrap();
        let patched = apply(&profile, &patch, &limits()).unwrap();
        for member in ["n", "m"] {
            assert_eq!(patched[member].to_string(), number);
        }
        assert_eq!(patched["list"][0].to_string(), number);
    }
}

#[test]
fn a_patch_keeps_the_digits_of_its_own_values() {
    let number = "98765432109876543210.000000000000000000001";
    for patch in [
        format!(r#"{{"n":{number}}}"#),
        format!(r#"[{{"op":"add","path":"/n","value":{number}}}]"#),
        format!(r#"[{{"op":"add","path":"","value":{{"n":{number}}}}}]"#),
    ] {
        let patch = parse_patch(&patch, &limits()).unwrap();
        let patched = apply(&json!({}), &patch, &limits()).unwrap();
        assert_eq!(patched["n"].to_string(), number);
    }
}

#[test]
fn depth_128_passes_everywhere_and_129_nowhere() {
    let deepest = nested_objects(128);
    let profile = parse(&deepest, &limits()).unwrap();
    assert_eq!(profile.to_string(), deepest);
    assert_eq!(apply(&profile, &json!({}), &limits()).unwrap(), profile);
    assert_eq!(parse(&nested_objects(129), &limits()), Err(ProfileError::TooDeep));

    let arrays = format!(r#"{{"a":{}{}}}"#, "[".repeat(127), "]".repeat(127));
    assert!(parse(&arrays, &limits()).is_ok());
    let arrays = format!(r#"{{"a":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    assert_eq!(parse(&arrays, &limits()), Err(ProfileError::TooDeep));
}

#[test]
fn depth_is_checked_without_recursion() {
    let big = Limits { max_bytes: usize::MAX, ..limits() };
    let hostile = "[".repeat(10_000_000);
    assert_eq!(check_text(&hostile, &big), Err(ProfileError::TooDeep));
    assert_eq!(parse(&hostile, &big), Err(ProfileError::TooDeep));
    // Wide is not deep.
    let wide = format!("[{}[]]", "[],".repeat(100_000));
    assert_eq!(check_text(&wide, &big), Ok(()));
}

#[test]
fn brackets_in_strings_are_text() {
    let brackets = "[{".repeat(500);
    for text in [
        format!(r#"{{"a":"{brackets}"}}"#),
        format!(r#"{{"a\"{brackets}":1}}"#),
        format!(r#"{{"a":"\\","b":"{brackets}"}}"#),
        format!(r#"{{"a":"\\\"{brackets}"}}"#),
    ] {
        parse(&text, &limits()).unwrap();
    }
    let after_escape = format!(r#"{{"a":"\\","b":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(parse(&after_escape, &limits()), Err(ProfileError::TooDeep));
}

#[test]
fn size_is_counted_in_bytes() {
    let text = r#"{"a":"é"}"#;
    let exact = Limits { max_bytes: text.len(), ..limits() };
    assert!(parse(text, &exact).is_ok());
    let less = Limits { max_bytes: text.len() - 1, ..limits() };
    assert_eq!(parse(text, &less), Err(ProfileError::TooBig));
}

#[test]
fn only_an_object_is_a_profile() {
    for text in ["[]", "1", "null", r#""text""#, "true"] {
        assert_eq!(parse(text, &limits()), Err(ProfileError::NotAnObject), "{text}");
        assert!(parse_json(text, &limits()).is_ok(), "{text}");
    }
    for text in ["", "{", "{} {}", r#"{"a":}"#, "nul"] {
        assert_eq!(parse(text, &limits()), Err(ProfileError::NotJson), "{text}");
    }
}

#[test]
fn the_readers_own_number_marker_is_refused() {
    // Unrefused, the inner object would come back as the number 7.
    for text in [
        r#"{"a": {"$serde_json::private::Number": "7"}}"#,
        r#"{"$serde_json::private::Number": "7"}"#,
        r#"{"a": [{"$serde_json::private::Number" : 7}]}"#,
    ] {
        assert_eq!(parse(text, &limits()), Err(ProfileError::ReservedName), "{text}");
    }
    for text in [
        r#"{"a": "$serde_json::private::Number"}"#,
        r#"{"a": "\"$serde_json::private::Number\": 7"}"#,
    ] {
        assert!(parse(text, &limits()).is_ok(), "{text}");
    }
}

fn look_up(profile: &Value, pointer: &str) -> Result<Option<String>, ProfileError> {
    let pointer = Pointer::parse(pointer).unwrap();
    Ok(value_at(profile, &pointer)?.map(|text| text.into_owned()))
}

#[test]
fn lookup_values_are_texts_and_numbers() {
    let text = r#"{
        "email": " John@Example.org ", "id": 42, "big": 12345678901234567890123, "dec": 1.0,
        "null": null, "empty": "", "blank": " \t\n\u00a0", "yes": true, "list": [1, "two"],
        "deep": {"er": "x"}, "a/b": "slash", "m~n": "tilde", "~1": "literal", "": "no name"
    }"#;
    let profile = parse(text, &limits()).unwrap();
    for (pointer, value) in [
        ("/email", " John@Example.org "),
        ("/id", "42"),
        ("/big", "12345678901234567890123"),
        ("/dec", "1.0"),
        ("/list/0", "1"),
        ("/list/1", "two"),
        ("/deep/er", "x"),
        ("/a~1b", "slash"),
        ("/m~0n", "tilde"),
        ("/~01", "literal"),
        ("/", "no name"),
    ] {
        assert_eq!(look_up(&profile, pointer), Ok(Some(value.to_owned())), "{pointer}");
    }
    for pointer in [
        "/null",
        "/empty",
        "/blank",
        "/none",
        "/deep/none",
        "/email/x",
        "/list/2",
        "/list/-",
        "/list/01",
        "/list/+1",
        "/list/x",
    ] {
        assert_eq!(look_up(&profile, pointer), Ok(None), "{pointer}");
    }
    for pointer in ["/yes", "/list", "/deep"] {
        assert_eq!(look_up(&profile, pointer), Err(ProfileError::NotALookupValue), "{pointer}");
    }
}

#[test]
fn malformed_pointers_are_refused() {
    for (text, error) in [
        ("", PointerError::WholeDocument),
        ("email", PointerError::NoLeadingSlash),
        ("#/email", PointerError::NoLeadingSlash),
        ("/a~", PointerError::BadEscape),
        ("/a~2b", PointerError::BadEscape),
        ("/a~/b", PointerError::BadEscape),
        (&"/a".repeat(600), PointerError::TooLong),
    ] {
        assert_eq!(Pointer::parse(text), Err(error), "{text}");
    }
}

#[test]
fn errors_tell_nothing_of_the_text() {
    let secret = "4111111111111111";
    for text in [
        format!(r#"{{"{secret}": {secret}x}}"#),
        format!(r#"["{secret}"]"#),
        format!(r#"{{"a":{{"$serde_json::private::Number":"{secret}"}}}}"#),
    ] {
        let error = parse(&text, &limits()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret));
    }
}
