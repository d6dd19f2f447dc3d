//! Checking profiles against a user schema.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bunker_core::profile::{Limits, SchemaError, UserSchema, Violation, parse_json};
use serde_json::{Value, json};

fn json(text: &str) -> Value {
    parse_json(text, &Limits::default()).unwrap()
}

fn compiled(schema: &Value) -> UserSchema {
    UserSchema::compile(schema).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

fn refusal(schema: &Value) -> SchemaError {
    UserSchema::compile(schema).err().unwrap_or_else(|| panic!("{schema} compiles"))
}

/// Where `profile` breaks `schema`; empty if it does not.
fn broken_at(schema: &Value, profile: &Value) -> String {
    match compiled(schema).check(profile) {
        Ok(()) => String::new(),
        Err(Violation::Keyword(location)) => location.as_str().to_owned(),
        Err(Violation::TooCostly) => panic!("{schema} is too costly"),
    }
}

#[test]
fn violations_name_the_keyword_in_the_schema() {
    let schema = json!({
        "type": "object",
        "required": ["email"],
        "properties": {
            "email": {"type": "string", "format": "email"},
            "age": {"type": "integer", "minimum": 18},
            "plan": {"enum": ["free", "paid"]},
            "a/b~c": {"const": 1},
            "address": {"$ref": "#/$defs/address"},
            "tags": {"items": {"maxLength": 3}, "uniqueItems": true},
            "either": {"anyOf": [{"type": "string"}, {"type": "number"}]}
        },
        "patternProperties": {"^x-": {"type": "string"}},
        "additionalProperties": false,
        "$defs": {"address": {"properties": {"city": {"type": "string"}}}}
    });
    for (member, location) in [
        (r#"{}"#, "/required"),
        (r#"{"email":"a@b.c","age":17}"#, "/properties/age/minimum"),
        (r#"{"email":"a@b.c","age":"x"}"#, "/properties/age/type"),
        (r#"{"email":"nope"}"#, "/properties/email/format"),
        (r#"{"email":"a@b.c","plan":"x"}"#, "/properties/plan/enum"),
        (r#"{"email":"a@b.c","a/b~c":2}"#, "/properties/a~1b~0c/const"),
        (r#"{"email":"a@b.c","address":{"city":1}}"#, "/$defs/address/properties/city/type"),
        (r#"{"email":"a@b.c","tags":["long"]}"#, "/properties/tags/items/maxLength"),
        (r#"{"email":"a@b.c","tags":["a","a"]}"#, "/properties/tags/uniqueItems"),
        (r#"{"email":"a@b.c","either":true}"#, "/properties/either/anyOf"),
        (r#"{"email":"a@b.c","x-1":1}"#, "/patternProperties/^x-/type"),
        (r#"{"email":"a@b.c","other":1}"#, "/additionalProperties"),
        (r#"{"email":"a@b.c","age":18,"plan":"free","tags":["a","b"],"x-1":""}"#, ""),
    ] {
        assert_eq!(broken_at(&schema, &json(member)), location, "{member}");
    }
}

#[test]
fn violations_hold_nothing_of_the_profile() {
    let secret = "4111111111111111";
    let strict = json!({"type": "null"});
    let name = json!({secret: 1});
    let nested = json!({secret: {secret: [{secret: secret}]}});
    for schema in [
        json!({"additionalProperties": false}),
        json!({"additionalProperties": strict}),
        json!({"additionalProperties": {"additionalProperties": {"items": strict}}}),
        json!({"patternProperties": {"^[0-9]+$": strict}}),
        json!({"patternProperties": {".": {"patternProperties": {".": strict}}}}),
        json!({"unevaluatedProperties": false}),
        json!({"unevaluatedProperties": strict}),
        json!({"propertyNames": {"maxLength": 3}}),
        json!({"properties": {"a": {}}, "additionalProperties": false}),
        json!({"anyOf": [{"additionalProperties": strict}, {"required": ["a"]}]}),
        json!({"oneOf": [{"type": "object"}, {"minProperties": 1}]}),
        json!({"not": {"type": "object"}}),
        json!({"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"additionalProperties": strict}}}),
        json!({"if": true, "then": {"additionalProperties": strict}}),
        json!({"maxProperties": 0}),
        json!({"const": {}}),
        json!({"enum": [{}]}),
    ] {
        let schema = compiled(&schema);
        let violations = [&name, &nested].map(|profile| schema.check(profile).err());
        assert!(violations.iter().any(Option::is_some));
        for violation in violations.into_iter().flatten() {
            let shown = format!("{violation} {violation:?}");
            assert!(!shown.contains(&secret[..6]), "{shown}");
            assert!(matches!(violation, Violation::Keyword(at) if !at.as_str().is_empty()));
        }
    }
}

#[test]
fn locations_are_cut_to_200_characters() {
    let name = "é/".repeat(300);
    let schema = json!({"properties": {name.clone(): {"type": "string"}}});
    let location = broken_at(&schema, &json!({name: 1}));
    assert_eq!(location.chars().count(), 200);
    assert!(location.starts_with("/properties/é~1é~1"));
}

#[test]
fn formats_are_asserted_and_unknown_ones_refused() {
    for (format, good, bad) in [
        ("email", "a@example.org", "a@"),
        ("idn-email", "ü@example.org", "ü"),
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-02-29T10:00:00Z", "2024-02-29"),
        ("time", "10:00:00Z", "25:00:00Z"),
        ("duration", "P1D", "1 day"),
        ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08"),
        ("uri", "https://example.org/", "no uri"),
        ("hostname", "example.org", "-example"),
        ("idn-hostname", "bücher.example", "〮한국"),
        ("ipv4", "192.0.2.1", "192.0.2.256"),
        ("ipv6", "2001:db8::1", "2001:db8"),
        ("regex", "^a+$", "^(a$"),
        ("json-pointer", "/a", "a"),
    ] {
        let schema = json!({"properties": {"v": {"format": format}}});
        assert_eq!(broken_at(&schema, &json!({"v": good})), "", "{format}");
        assert_eq!(broken_at(&schema, &json!({"v": bad})), "/properties/v/format", "{format}");
    }
    let misspelt = json!({"properties": {"v": {"format": "emial"}}});
    assert!(matches!(refusal(&misspelt), SchemaError::Invalid(_)));
}

#[test]
fn numbers_are_exact() {
    let limit = "12345678901234567890123.5";
    let schema = json(&format!(r#"{{"properties":{{"n":{{"maximum":{limit}}}}}}}"#));
    for (number, good) in [
        (limit, true),
        ("12345678901234567890123.50000000000000000000", true),
        ("12345678901234567890123.50000000000000000001", false),
        ("-1e400", true),
        ("1e400", false),
    ] {
        let broken = broken_at(&schema, &json(&format!(r#"{{"n":{number}}}"#)));
        assert_eq!(broken.is_empty(), good, "{number}");
    }
    let cents = json(r#"{"properties":{"n":{"multipleOf":0.01}}}"#);
    assert_eq!(broken_at(&cents, &json(r#"{"n":98765432109876543210.07}"#)), "");
    assert_ne!(broken_at(&cents, &json(r#"{"n":98765432109876543210.071}"#)), "");
    let integer = json!({"properties": {"n": {"type": "integer"}}});
    assert_eq!(broken_at(&integer, &json(r#"{"n":98765432109876543210987654321}"#)), "");
    assert_eq!(broken_at(&integer, &json(r#"{"n":1.0}"#)), "");
    assert_ne!(broken_at(&integer, &json(r#"{"n":98765432109876543210987654321.5}"#)), "");
    let one = json(r#"{"properties":{"n":{"const":1.0},"m":{"enum":[10,20]}}}"#);
    assert_eq!(broken_at(&one, &json(r#"{"n":1,"m":20.0}"#)), "");
}

#[test]
fn unique_items_compare_by_value_and_exactly() {
    let schema = json!({"properties": {"l": {"uniqueItems": true}}});
    for (items, unique) in [
        ("[]", true),
        ("[1,2]", true),
        ("[1,1.0]", false),
        ("[1,true]", true),
        ("[0,false,null,\"\",[],{}]", true),
        ("[\"1\",1]", true),
        ("[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", false),
        ("[[1,2],[2,1]]", true),
        ("[[\"a\",\"b\"],[\"a,b\"]]", true),
        ("[9007199254740992,9007199254740993]", true),
        ("[\"\\u0041\",\"A\"]", false),
    ] {
        let broken = broken_at(&schema, &json(&format!(r#"{{"l":{items}}}"#)));
        assert_eq!(broken.is_empty(), unique, "{items}");
    }
    let off = json!({"properties": {"l": {"uniqueItems": false}}});
    assert_eq!(broken_at(&off, &json!({"l": [1, 1]})), "");
    let shaped = json!({"properties": {"l": {
        "type": "array", "items": {"type": "integer"}, "maxItems": 3, "uniqueItems": true
    }}});
    assert_eq!(broken_at(&shaped, &json!({"l": [1, 1]})), "/properties/l/uniqueItems");
}

#[test]
fn invalid_schemas_are_refused_with_the_place() {
    for (schema, location) in [
        (json!({"type": "text"}), "/type"),
        (json!({"minimum": "1"}), "/minimum"),
        (json!({"properties": {"a": {"maxLength": -1}}}), "/properties/a/maxLength"),
        (json!({"properties": {"a": 1}}), "/properties/a"),
        (json!({"properties": []}), "/properties"),
        (json!({"allOf": []}), "/allOf"),
        (json!({"required": ["a", "a"]}), "/required"),
        (json!({"uniqueItems": "yes"}), "/uniqueItems"),
        (json!({"additionalProperties": 5}), "/additionalProperties"),
        (json!({"properties": {"a": {"pattern": "("}}}), "/properties/a/pattern"),
        (json!({"properties": {"a": {"pattern": "(a)\\1"}}}), "/properties/a/pattern"),
        (json!({"properties": {"a": {"pattern": "(?=a)b"}}}), "/properties/a/pattern"),
        (json!({"items": [{"type": "string"}]}), "/items"),
    ] {
        match refusal(&schema) {
            SchemaError::Invalid(at) => assert_eq!(at.as_str(), location, "{schema}"),
            other => panic!("{schema}: {other:?}"),
        }
    }
    for schema in [json!(true), json!([]), json!("x"), json!(null)] {
        assert_eq!(refusal(&schema), SchemaError::NotAnObject);
    }
}

#[test]
fn the_dialect_is_fixed() {
    for schema in [
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema#"}),
        json!({"$id": "https://example.org/user", "properties": {"a": {"$ref": "#/$defs/a"}},
               "$defs": {"a": {"type": "string"}}}),
    ] {
        compiled(&schema);
    }
    for schema in [
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        json!({"$schema": "https://example.org/mine"}),
        json!({"$schema": 1}),
        json!({"$schema": ""}),
    ] {
        assert_eq!(refusal(&schema), SchemaError::OtherDialect, "{schema}");
    }
    for keyword in ["$id", "$schema", "$dynamicRef", "dependencies", "$vocabulary"] {
        let inner = json!({keyword: "https://json-schema.org/draft/2020-12/schema"});
        for schema in [
            json!({"properties": {"a": inner}}),
            json!({"$defs": {"a": {"anyOf": [inner]}}}),
            json!({"x": {"y": inner}, "properties": {"a": {"$ref": "#/x/y"}}}),
        ] {
            assert!(matches!(refusal(&schema), SchemaError::UnsupportedKeyword(_)), "{schema}");
        }
        // As the name of a property, or as data, it is no keyword.
        compiled(&json!({"properties": {keyword: {"type": "string"}}, "const": {keyword: 1}}));
    }
}

#[test]
fn references_stay_in_the_schema() {
    for target in [
        "https://example.org/schema.json",
        "http://localhost/",
        "file:///etc/passwd",
        "other.json",
        "other.json#/a",
        "//host/x",
        "",
        "urn:uuid:2eb8aa08-aa98-11ea-b4aa-73b441d16380",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = json!({"properties": {"a": {"$ref": target}}});
        assert_eq!(refusal(&schema), SchemaError::ExternalReference, "{target}");
        let unused = json!({"$defs": {"a": {"$ref": target}}});
        assert_eq!(refusal(&unused), SchemaError::ExternalReference, "{target}");
    }
    for target in ["#/none", "#none", "#/$defs/a%62", "#/properties/01"] {
        let schema = json!({"properties": {"a": {"$ref": target}}, "$defs": {"ab": {}}});
        assert_eq!(refusal(&schema), SchemaError::UnresolvedReference, "{target}");
    }
}

#[test]
fn local_references_are_followed() {
    let target = json!({"type": "string", "$anchor": "named"});
    for reference in ["#/$defs/t", "#/definitions/a~1b/items", "#named", "#/x/0"] {
        let schema = json!({
            "properties": {"v": {"$ref": reference}},
            "$defs": {"t": target},
            "definitions": {"a/b": {"items": {"type": "string"}}},
            "x": [{"type": "string"}]
        });
        assert_eq!(broken_at(&schema, &json!({"v": "text"})), "", "{reference}");
        let location = broken_at(&schema, &json!({"v": 1}));
        assert!(location.ends_with("/type"), "{reference}: {location}");
    }
}

#[test]
fn recursive_schemas_follow_the_profile() {
    let schema = json!({
        "properties": {"name": {"type": "string"}, "children": {"items": {"$ref": "#"}}}
    });
    let good = json!({"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]});
    assert_eq!(broken_at(&schema, &good), "");
    let bad = json!({"children": [{"children": [{"name": 1}]}]});
    assert_eq!(broken_at(&schema, &bad), "/properties/name/type");
}
