//! How far a patch may grow a profile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bunker_core::profile::{Limits, PatchError, apply, parse_patch};
use serde_json::{Value, json};

#[test]
fn operations_are_counted() {
    let limits = Limits { max_patch_ops: 3, ..Limits::default() };
    let test = json!({"op": "test", "path": "", "value": {}});
    let three = Value::Array(vec![test.clone(); 3]);
    let four = Value::Array(vec![test; 4]);
    assert!(apply(&json!({}), &three, &limits).is_ok());
    assert_eq!(apply(&json!({}), &four, &limits), Err(PatchError::TooManyOperations));
}

#[test]
fn doubling_copies_are_stopped_while_small() {
    let limits = Limits { max_bytes: 10_000, ..Limits::default() };
    // Unstopped, each operation would double the list: 2^60 items in the end.
    let double = json!({"op": "copy", "from": "/a", "path": "/a/-"});
    let patch = Value::Array(vec![double; 60]);
    assert_eq!(apply(&json!({"a": [1]}), &patch, &limits), Err(PatchError::TooBig));

    let deepen = json!({"op": "copy", "from": "", "path": "/a"});
    let patch = Value::Array(vec![deepen; 900]);
    assert_eq!(apply(&json!({}), &patch, &Limits::default()), Err(PatchError::TooDeep));
}

#[test]
fn copies_that_replace_each_other_are_bounded_too() {
    let big = json!({"big": "x".repeat(5_000), "copy": null});
    let limits = Limits { max_bytes: 12_000, ..Limits::default() };
    let copy = json!({"op": "copy", "from": "/big", "path": "/copy"});
    let few = Value::Array(vec![copy.clone(); 3]);
    assert!(apply(&big, &few, &limits).is_ok());
    let many = Value::Array(vec![copy; 1_000]);
    assert_eq!(apply(&big, &many, &limits), Err(PatchError::TooBig));
}

#[test]
fn results_are_held_to_size_and_depth() {
    let limits = Limits { max_bytes: 20, max_depth: 3, ..Limits::default() };
    assert!(apply(&json!({}), &json!({"a": "x".repeat(12)}), &limits).is_ok());
    let too_big = json!({"a": "x".repeat(13)});
    assert_eq!(apply(&json!({}), &too_big, &limits), Err(PatchError::TooBig));
    assert!(apply(&json!({}), &json!({"a": {"b": {}}}), &limits).is_ok());
    let too_deep = json!({"a": {"b": {"c": {}}}});
    assert_eq!(apply(&json!({}), &too_deep, &limits), Err(PatchError::TooDeep));
    let add = |value| json!([{"op": "add", "path": "/a", "value": value}]);
    assert!(apply(&json!({}), &add(json!([[]])), &limits).is_ok());
    assert_eq!(apply(&json!({}), &add(json!([[[]]])), &limits), Err(PatchError::TooDeep));
    let moved = json!([{"op": "move", "from": "/a", "path": "/b/c"}]);
    let profile = json!({"a": [[]], "b": {}});
    assert_eq!(apply(&profile, &moved, &limits), Err(PatchError::TooDeep));
}

#[test]
fn a_value_of_the_greatest_depth_fits_into_a_patch() {
    let value = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let patch = format!(r#"[{{"op":"add","path":"/a","value":{value}}}]"#);
    let patch = parse_patch(&patch, &Limits::default()).unwrap();
    let result = apply(&json!({}), &patch, &Limits::default()).unwrap();
    assert_eq!(result.to_string(), format!(r#"{{"a":{value}}}"#));
}
