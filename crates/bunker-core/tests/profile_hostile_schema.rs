//! Schemas and profiles made to take all time, all memory, or all of the stack.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    thread,
    time::{Duration, Instant},
};

use bunker_core::profile::{Limits, SchemaError, UserSchema, Violation, parse_json};
use serde_json::{Map, Value, json};

/// Far more than anything here takes, even in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Runs `task` with the stack of a small thread, and makes sure that it ends soon.
fn soon<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    let start = Instant::now();
    let result = thread::Builder::new().stack_size(4 << 20).spawn(task).unwrap().join().unwrap();
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    result
}

fn compile(schema: Value) -> Result<UserSchema, SchemaError> {
    soon(move || UserSchema::compile(&schema))
}

fn check(schema: Value, profile: Value) -> Result<(), Violation> {
    soon(move || UserSchema::compile(&schema).unwrap().check(&profile))
}

/// Definitions `d0` to `d{count}`; each is made from a reference to the next.
fn chain(count: usize, link: impl Fn(Value) -> Value) -> Value {
    let definitions: Map<_, _> = (0..count)
        .map(|i| (format!("d{i}"), link(json!({"$ref": format!("#/$defs/d{}", i + 1)}))))
        .chain([(format!("d{count}"), json!({"type": "string"}))])
        .collect();
    json!({"$defs": definitions, "properties": {"v": {"$ref": "#/$defs/d0"}}})
}

#[test]
fn endless_references_are_refused() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"$defs": {"a": {"$ref": "#/$defs/a"}}}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"anyOf": [{"type": "object"}, {"not": {"$ref": "#"}}]}),
        json!({"if": {"$ref": "#"}}),
        json!({"if": true, "then": {"$ref": "#"}}),
        json!({"dependentSchemas": {"a": {"$ref": "#"}}}),
        json!({"$anchor": "me", "oneOf": [{"$ref": "#me"}]}),
        json!({"$ref": "#/$defs/a", "$defs": {
            "a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"else": {"$ref": "#/$defs/a"}}
        }}),
        json!({"$ref": "#/x/a", "x": {"a": {"$ref": "#/x/b"}, "b": {"$ref": "#/x/a"}}}),
        json!({"properties": {"p": {"$ref": "#/properties/p/allOf/0", "allOf": [
            {"$ref": "#/properties/p"}
        ]}}}),
    ] {
        let shown = schema.to_string();
        assert_eq!(compile(schema).err(), Some(SchemaError::EndlessReference), "{shown}");
    }
}

#[test]
fn long_chains_of_references_are_refused() {
    for schema in [
        chain(5_000, |next| next),
        chain(5_000, |next| json!({"allOf": [next]})),
        chain(200, |next| json!({"not": next})),
    ] {
        assert_eq!(compile(schema).err(), Some(SchemaError::TooComplex));
    }
    // A chain that goes a step into the profile each time ends with the profile.
    let steps = chain(3_000, |next| json!({"properties": {"v": next}}));
    assert_eq!(check(steps, json!({"v": {"v": {"v": {}}}})), Ok(()));
}

/// A schema that applies `links` definitions in place on each level of the member `v`.
fn recursive_chain(links: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut schema = chain(links, link);
    let end = format!("d{links}");
    schema["$defs"][end] = json!({"type": "object", "properties": {"v": {"$ref": "#/$defs/d0"}}});
    schema
}

fn nested(levels: usize, end: Value) -> Value {
    (0..levels).fold(end, |inner, _| json!({"v": inner}))
}

#[test]
fn the_deepest_recursion_fits_the_stack() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        // Seven subschemas on each of 127 levels.
        let schema = recursive_chain(3, |next| json!({keyword: [next]}));
        assert_eq!(check(schema.clone(), nested(127, json!({}))), Ok(()));
        let violation = check(schema, nested(127, json!(1)));
        assert!(matches!(violation, Err(Violation::Keyword(_))), "{violation:?}");

        // The longest permitted chain, on as many levels as the limit allows, and on one more.
        let schema = recursive_chain(15, |next| json!({keyword: [next]}));
        assert_eq!(check(schema.clone(), nested(31, json!({}))), Ok(()));
        assert!(matches!(check(schema.clone(), nested(31, json!(1))), Err(Violation::Keyword(_))));
        assert_eq!(check(schema, nested(127, json!({}))), Err(Violation::TooCostly));
        let longer = recursive_chain(16, |next| json!({keyword: [next]}));
        assert_eq!(compile(longer).err(), Some(SchemaError::TooComplex));
    }
}

#[test]
fn failures_on_many_levels_are_found_soon() {
    let schema = recursive_chain(
        3,
        |next| json!({"anyOf": [next, {"items": {"type": "string"}, "type": "array"}]}),
    );
    let wide = Value::Array(vec![json!(1); 100_000]);
    assert!(matches!(check(schema, nested(120, wide)), Err(Violation::Keyword(_))));
}

#[test]
fn exponential_references_are_refused_at_once() {
    for schema in [
        chain(30, |next| json!({"anyOf": [next.clone(), next]})),
        chain(30, |next| json!({"allOf": [next.clone(), next]})),
        chain(25, |next| json!({"oneOf": [next.clone(), {"not": next}]})),
        chain(14, |next| json!({"allOf": [next.clone(), {"not": next}, {"if": next}]})),
        chain(20, |next| json!({"allOf": [next], "unevaluatedProperties": false})),
        chain(20, |next| json!({"anyOf": [next], "unevaluatedItems": false})),
    ] {
        assert_eq!(compile(schema).err(), Some(SchemaError::TooComplex));
    }
    // This one compiles, and fails its 2^14 leaves.
    let modest = chain(14, |next| json!({"anyOf": [next.clone(), next]}));
    assert!(check(modest, json!({"v": 1})).is_err());
}

#[test]
fn recursion_that_branches_is_stopped_by_its_cost() {
    // Each level of the profile doubles the work: 2^100 evaluations.
    let schema = json!({"allOf": [
        {"properties": {"v": {"$ref": "#"}}},
        {"additionalProperties": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}
    ]});
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"v": deep});
    }
    assert_eq!(check(schema.clone(), deep), Err(Violation::TooCostly));
    assert_eq!(check(schema, json!({"v": {"v": {"v": {}}}})), Ok(()));

    let steps = chain(60, |next| {
        json!({"allOf": [
            {"properties": {"v": next}}, {"patternProperties": {"v": next}}
        ]})
    });
    let mut deep = json!("end");
    for _ in 0..61 {
        deep = json!({"v": deep});
    }
    assert_eq!(check(steps, deep), Err(Violation::TooCostly));
}

#[test]
fn patterns_run_in_linear_time() {
    let hostile = format!("{}b", "a".repeat(50_000));
    for pattern in ["^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "(.*)*x$", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let schema = json!({"properties": {"v": {"pattern": pattern}}});
        assert!(check(schema, json!({"v": hostile})).is_err(), "{pattern}");
        let names = json!({"patternProperties": {pattern: true}, "additionalProperties": false});
        assert!(check(names, json!({hostile.clone(): 1})).is_err(), "{pattern}");
        let names = json!({"propertyNames": {"pattern": pattern}});
        assert!(check(names, json!({hostile.clone(): 1})).is_err(), "{pattern}");
    }
}

#[test]
fn patterns_that_grow_when_compiled_are_refused() {
    for pattern in ["((a{100}){100}){100}", "\\w{5000}", "(\\p{L}{200}){200}"] {
        let schema = json!({"properties": {"v": {"pattern": pattern}}});
        assert!(matches!(compile(schema).err(), Some(SchemaError::Invalid(_))), "{pattern}");
        let schema = json!({"patternProperties": {pattern: true}});
        assert!(matches!(compile(schema).err(), Some(SchemaError::Invalid(_))), "{pattern}");
    }
    for pattern in
        ["^\\p{L}[\\p{L} '.-]*$", "^\\+?[0-9]{5,15}$", "^[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}$"]
    {
        compile(json!({"properties": {"v": {"pattern": pattern}}})).unwrap();
    }
    let many: Map<_, _> = (0..300).map(|i| (format!("p{i}"), json!(true))).collect();
    let schema = json!({"patternProperties": many});
    assert_eq!(compile(schema).err(), Some(SchemaError::TooComplex));
}

#[test]
fn big_and_deep_schemas_are_refused() {
    let big = json!({"description": "x".repeat(256 * 1024)});
    assert_eq!(compile(big).err(), Some(SchemaError::TooBig));
    let nested = |levels| (1..levels).fold(json!({}), |inner, _| json!({"not": inner}));
    assert_eq!(compile(nested(65)).err(), Some(SchemaError::TooDeep));
    assert_eq!(compile(nested(64)).err(), Some(SchemaError::TooComplex));
    let properties =
        |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"properties": {"v": inner}}));
    assert!(compile(properties(31)).is_ok());

    let many: Map<_, _> = (0..9_000).map(|i| (format!("p{i}"), json!({}))).collect();
    let long_name = "n".repeat(100_000);
    let schema = json!({"properties": {long_name: {"properties": many}}});
    assert_eq!(compile(schema).err(), Some(SchemaError::TooComplex));
}

#[test]
fn unique_items_take_linear_time() {
    // All of these round to the same binary floating point number.
    let items: Vec<String> = (0..50_000).map(|i| format!("1{i:030}")).collect();
    let text = format!(r#"{{"v":[{}]}}"#, items.join(","));
    let limits = Limits { max_bytes: 10 << 20, ..Limits::default() };
    let profile = parse_json(&text, &limits).unwrap();
    let schema = json!({"properties": {"v": {"uniqueItems": true}}});
    assert_eq!(check(schema, profile), Ok(()));
}

#[test]
fn long_values_take_linear_time() {
    let formats = [
        "email",
        "idn-email",
        "date",
        "date-time",
        "time",
        "duration",
        "uuid",
        "uri",
        "uri-template",
        "uri-reference",
        "iri",
        "iri-reference",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "json-pointer",
        "relative-json-pointer",
        "regex",
    ];
    for format in formats {
        for unit in ["a", "a.", "1", "{a}", "(", "ü.", "@", "/~1", "xn--a."] {
            let schema = json!({"properties": {"v": {"format": format}}});
            let profile = json!({"v": unit.repeat(500_000 / unit.len())});
            // Whether it is valid does not matter here, only that the answer comes soon.
            let _ = check(schema, profile);
        }
    }
}

#[test]
fn long_numbers_take_bounded_time() {
    let number = format!("{}.{}7", "9".repeat(130_000), "3".repeat(16_000));
    let text = format!(r#"{{"v":[{}]}}"#, vec![number; 7].join(","));
    let profile = parse_json(&text, &Limits { max_bytes: 2 << 20, ..Limits::default() }).unwrap();
    for items in [
        json!({"multipleOf": 7}),
        parse_json(r#"{"multipleOf": 0.00007}"#, &Limits::default()).unwrap(),
        json!({"maximum": 5}),
        json!({"type": "integer"}),
        json!({"enum": [1, 2, 3]}),
        json!({"const": 1}),
    ] {
        let schema = json!({"properties": {"v": {"items": items}}});
        assert!(check(schema, profile.clone()).is_err());
    }
}
