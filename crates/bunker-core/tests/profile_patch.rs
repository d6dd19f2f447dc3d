//! Changing a profile by RFC 7396 merge patch and RFC 6902 JSON Patch.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bunker_core::profile::{Limits, PatchError, apply, parse_json, parse_patch, same_json};
use serde_json::{Value, json};

fn json(text: &str) -> Value {
    parse_json(text, &Limits::default()).unwrap()
}

fn patched(document: &str, patch: &str) -> Result<Value, PatchError> {
    let patch = parse_patch(patch, &Limits::default()).unwrap();
    apply(&json(document), &patch, &Limits::default())
}

/// Applies a JSON Patch that is written for a document of any kind, put under the member `d`.
fn patched_below(document: &str, patch: &str) -> Result<Value, PatchError> {
    let patch = patch.replace(r#""path":""#, r#""path":"/d"#);
    let patch = patch.replace(r#""from":""#, r#""from":"/d"#);
    patched(&format!(r#"{{"d":{document}}}"#), &patch).map(|mut result| result["d"].take())
}

#[test]
fn rfc_7396_appendix_a() {
    for (original, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        assert_eq!(patched(original, patch), Ok(json(result)), "{original} + {patch}");
    }
    // The remaining cases of the table are patches that make no object of a profile.
    for (original, patch) in [(r#"{"a":"foo"}"#, "null"), (r#"{"a":"foo"}"#, r#""bar""#)] {
        assert_eq!(patched(original, patch), Err(PatchError::NotAPatch));
    }
}

#[test]
fn rfc_6902_appendix_a() {
    for (original, patch, result) in [
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux"}]"#,
            r#"{"baz":"qux","foo":"bar"}"#,
        ),
        (
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
        (
            r#"{"foo":["bar","qux","baz"]}"#,
            r#"[{"op":"remove","path":"/foo/1"}]"#,
            r#"{"foo":["bar","baz"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ),
        (
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ),
        (
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            r#"{"foo":"bar","child":{"grandchild":{}}}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
            r#"{"foo":"bar","baz":"qux"}"#,
        ),
        (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
        (
            r#"{"foo":["bar"]}"#,
            r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ),
    ] {
        assert_eq!(patched(original, patch), Ok(json(result)), "{original} + {patch}");
    }
    for (original, patch, error) in [
        (
            r#"{"baz":"qux"}"#,
            r#"[{"op":"test","path":"/baz","value":"bar"}]"#,
            PatchError::TestFailed(0),
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#,
            PatchError::PathNotFound(0),
        ),
        (
            r#"{"/":9,"~1":10}"#,
            r#"[{"op":"test","path":"/~01","value":"10"}]"#,
            PatchError::TestFailed(0),
        ),
    ] {
        assert_eq!(patched(original, patch), Err(error), "{original} + {patch}");
    }
}

#[test]
fn operations_that_succeed() {
    for (original, patch, result) in [
        ("[]", r#"[{"op":"add","path":"/0","value":1}]"#, "[1]"),
        ("[1]", r#"[{"op":"add","path":"/1","value":2}]"#, "[1,2]"),
        ("[1,2]", r#"[{"op":"add","path":"/-","value":{"a":null}}]"#, r#"[1,2,{"a":null}]"#),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/a","value":null}]"#, r#"{"a":null}"#),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"","value":[]}]"#, "[]"),
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":{"b":2}}]"#, r#"{"b":2}"#),
        (r#"{"":1}"#, r#"[{"op":"replace","path":"/","value":2}]"#, r#"{"":2}"#),
        (r#"{"a":null}"#, r#"[{"op":"test","path":"/a","value":null}]"#, r#"{"a":null}"#),
        (r#"{"a":null}"#, r#"[{"op":"remove","path":"/a"}]"#, "{}"),
        (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
        (
            r#"{"a":{"b":1}}"#,
            r#"[{"op":"copy","from":"/a","path":"/a/c"}]"#,
            r#"{"a":{"b":1,"c":{"b":1}}}"#,
        ),
        (
            r#"{"foo":1,"foobar":{}}"#,
            r#"[{"op":"move","from":"/foo","path":"/foobar/x"}]"#,
            r#"{"foobar":{"x":1}}"#,
        ),
        (r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a/b","path":"/a"}]"#, r#"{"a":1}"#),
        (
            r#"{"a":{"x":[1,{"y":2,"z":3}]}}"#,
            r#"[{"op":"test","path":"/a","value":{"x":[1.0,{"z":3e0,"y":2.00}]}}]"#,
            r#"{"a":{"x":[1,{"y":2,"z":3}]}}"#,
        ),
    ] {
        assert_eq!(patched_below(original, patch), Ok(json(result)), "{original} + {patch}");
    }
}

#[test]
fn operations_that_cannot_be_applied() {
    for (original, patch) in [
        ("{}", r#"[{"op":"remove","path":"/a"}]"#),
        ("{}", r#"[{"op":"replace","path":"/a","value":1}]"#),
        ("{}", r#"[{"op":"test","path":"/a","value":null}]"#),
        ("{}", r#"[{"op":"copy","from":"/a","path":"/b"}]"#),
        ("{}", r#"[{"op":"move","from":"/a","path":"/b"}]"#),
        ("[1]", r#"[{"op":"add","path":"/2","value":1}]"#),
        ("[1,2]", r#"[{"op":"add","path":"/01","value":1}]"#),
        ("[1,2]", r#"[{"op":"remove","path":"/+1"}]"#),
        ("[1,2]", r#"[{"op":"remove","path":"/-1"}]"#),
        ("[1,2]", r#"[{"op":"remove","path":"/1e0"}]"#),
        ("[1]", r#"[{"op":"remove","path":"/-"}]"#),
        ("[1]", r#"[{"op":"replace","path":"/-","value":1}]"#),
        ("[1]", r#"[{"op":"test","path":"/-","value":1}]"#),
        ("[1]", r#"[{"op":"copy","from":"/-","path":"/0"}]"#),
        ("[1]", r#"[{"op":"add","path":"/a","value":1}]"#),
        ("1", r#"[{"op":"add","path":"/a","value":1}]"#),
        (r#"{"a":{}}"#, r#"[{"op":"move","from":"/a","path":"/a/b"}]"#),
    ] {
        let result = patched_below(original, patch);
        assert_eq!(result, Err(PatchError::PathNotFound(0)), "{original} + {patch}");
    }
    assert_eq!(patched("{}", r#"[{"op":"remove","path":""}]"#), Err(PatchError::PathNotFound(0)));
}

#[test]
fn malformed_operations() {
    for operation in [
        "1",
        "null",
        "{}",
        r#"{"op":"add","path":"/a"}"#,
        r#"{"op":"add","value":1}"#,
        r#"{"path":"/a","value":1}"#,
        r#"{"op":"spam","path":"/a","value":1}"#,
        r#"{"op":"ADD","path":"/a","value":1}"#,
        r#"{"op":"add","path":"a","value":1}"#,
        r#"{"op":"add","path":"/~2","value":1}"#,
        r#"{"op":"add","path":null,"value":1}"#,
        r#"{"op":"replace","path":"/a"}"#,
        r#"{"op":"test","path":"/a"}"#,
        r#"{"op":"copy","path":"/b"}"#,
        r#"{"op":"move","path":"/b","from":1}"#,
    ] {
        let patch = format!(r#"[{{"op":"test","path":"/a","value":1}},{operation}]"#);
        let result = patched(r#"{"a":1}"#, &patch);
        assert_eq!(result, Err(PatchError::BadOperation(1)), "{operation}");
    }
}

#[test]
fn test_compares_numbers_by_value_and_exactly() {
    let long = "123456789012345678901234567890.5";
    for (held, asked, equal) in [
        ("1", "1.0", true),
        ("1", "1e0", true),
        ("100", "1E+2", true),
        ("0.001", "1e-3", true),
        ("0", "-0.0", true),
        ("0", "0e99", true),
        (long, "123456789012345678901234567890.50", true),
        (long, "123456789012345678901234567890.51", false),
        ("9007199254740993", "9007199254740992", false),
        ("1", "-1", false),
        ("10", "1", false),
        ("1", "\"1\"", false),
        ("1", "true", false),
        (&format!("1{}", "0".repeat(400)), "1e400", true),
        ("1e400", "1e401", false),
        ("1e99999999999999999999", "1e99999999999999999998", false),
    ] {
        let patch = format!(r#"[{{"op":"test","path":"/n","value":{asked}}}]"#);
        let result = patched(&format!(r#"{{"n":{held}}}"#), &patch);
        assert_eq!(result.is_ok(), equal, "{held} and {asked}");
        assert_eq!(same_json(&json(asked), &json(held)), equal, "{asked} and {held}");
    }
}

#[test]
fn a_json_patch_is_applied_as_a_whole_or_not_at_all() {
    let profile = json!({"a": 1, "list": [1, 2, 3]});
    let before = profile.clone();
    let patch = json!([
        {"op": "remove", "path": "/list/0"},
        {"op": "replace", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": 3}
    ]);
    let result = apply(&profile, &patch, &Limits::default());
    assert_eq!(result, Err(PatchError::TestFailed(2)));
    assert_eq!(profile, before);
}

#[test]
fn the_result_must_be_an_object() {
    for value in ["[]", "1", "null", r#""text""#] {
        let patch = format!(r#"[{{"op":"replace","path":"","value":{value}}}]"#);
        assert_eq!(patched("{}", &patch), Err(PatchError::NotAnObject), "{value}");
    }
    for patch in ["1", "true", "null", r#""text""#] {
        assert_eq!(patched("{}", patch), Err(PatchError::NotAPatch), "{patch}");
    }
}

#[test]
fn errors_tell_nothing_of_paths_or_values() {
    let secret = "4111111111111111";
    for patch in [
        format!(r#"[{{"op":"remove","path":"/{secret}"}}]"#),
        format!(r#"[{{"op":"{secret}","path":"/a"}}]"#),
        format!(r#"[{{"op":"test","path":"/a","value":"{secret}"}}]"#),
        format!(r#"[{{"op":"move","from":"/a","path":"/{secret}/x"}}]"#),
        format!(r#""{secret}""#),
    ] {
        let error = patched(r#"{"a":1}"#, &patch).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{patch}");
    }
}

#[test]
fn no_path_makes_a_member_that_could_not_be_read_back() {
    let name = "$serde_json::private::Number";
    for (document, patch) in [
        (r#"{"a":{}}"#, format!(r#"[{{"op":"add","path":"/a/{name}","value":"12"}}]"#)),
        (r#"{"a":[1]}"#, format!(r#"[{{"op":"copy","from":"/a","path":"/{name}"}}]"#)),
        (r#"{"a":[{}]}"#, format!(r#"[{{"op":"move","from":"/a","path":"/{name}"}}]"#)),
    ] {
        assert_eq!(patched(document, &patch), Err(PatchError::ReservedName), "{patch}");
    }
    let removed = format!(
        r#"[{{"op":"add","path":"/{name}","value":1}},{{"op":"remove","path":"/{name}"}}]"#
    );
    assert_eq!(patched("{}", &removed), Ok(json("{}")));
}
