//! The annotations `locked`, `admin` and `preserve`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bunker_core::profile::{Limits, SchemaError, UserSchema, parse_json};
use serde_json::{Value, json};

fn compiled(schema: &Value) -> UserSchema {
    UserSchema::compile(schema).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

/// Where `schema` locks what changes between the two; empty if nowhere.
fn locked(schema: &Value, old: &Value, new: &Value) -> String {
    let schema = compiled(schema);
    schema.locked_change(old, new).map(ToString::to_string).unwrap_or_default()
}

fn admin(schema: &Value, old: &Value, new: &Value) -> String {
    let schema = compiled(schema);
    schema.admin_change(old, new).map(ToString::to_string).unwrap_or_default()
}

#[test]
fn a_locked_value_stays_once_set() {
    let schema = json!({"properties": {"id": {"locked": true}, "name": {}}});
    let at = "/properties/id";
    let number = |text: &str| parse_json(text, &Limits::default()).unwrap();
    for (old, new, location) in [
        (json!({}), json!({"id": 1}), ""),
        (json!({"id": null}), json!({"id": 1}), ""),
        (json!({}), json!({}), ""),
        (json!({"id": 1}), json!({"id": 1, "name": "new"}), ""),
        (json!({"id": 1}), json!({"id": 2}), at),
        (json!({"id": 1}), json!({}), at),
        (json!({"id": 1}), json!({"id": null}), at),
        (json!({"id": 1}), json!({"id": "1"}), at),
        (json!({"id": 1}), json!({"ID": 1}), at),
        (json!({"id": 1}), json!({"id2": 1}), at),
        (json!({"id": false}), json!({"id": null}), at),
        (json!({"id": ""}), json!({}), at),
        (json!({"id": {}}), json!({"id": {"a": 1}}), at),
        (json!({"id": [1, 2]}), json!({"id": [2, 1]}), at),
        (json!({"id": {"a": 1, "b": 2}}), json!({"id": {"b": 2, "a": 1}}), ""),
        (number(r#"{"id":1}"#), number(r#"{"id":1.0}"#), ""),
        (number(r#"{"id":9007199254740993}"#), number(r#"{"id":9007199254740992}"#), at),
    ] {
        assert_eq!(locked(&schema, &old, &new), location, "{old} to {new}");
    }
}

#[test]
fn a_lock_holds_at_any_depth() {
    let schema = json!({"properties": {"a": {"properties": {"b": {"properties": {
        "c": {"locked": true}, "d": {}
    }}}}}});
    let old = json!({"a": {"b": {"c": 1, "d": 2}}});
    let at = "/properties/a/properties/b/properties/c";
    for (new, location) in [
        (json!({"a": {"b": {"c": 1}}}), ""),
        (json!({"a": {"b": {"c": 1, "d": 3}, "x": 1}}), ""),
        (json!({"a": {"b": {"d": 2}}}), at),
        (json!({"a": {"b": {}}}), at),
        (json!({"a": {}}), at),
        (json!({}), at),
        (json!({"a": null}), at),
        (json!({"a": {"b": "text"}}), at),
        (json!({"a": [{"b": {"c": 1}}]}), at),
        (json!({"a": {"b": [{"c": 1}]}}), at),
        (json!({"a": {"c": 1}}), at),
    ] {
        assert_eq!(locked(&schema, &old, &new), location, "{new}");
    }
    assert_eq!(locked(&schema, &json!({"a": {"b": {"d": 1}}}), &json!({})), "");
    assert_eq!(locked(&schema, &json!({"a": "text"}), &json!({})), "");
}

#[test]
fn a_whole_object_can_be_locked() {
    let schema = json!({"properties": {"birth": {"locked": true, "properties": {"date": {}}}}});
    let old = json!({"birth": {"date": "2000-01-01"}});
    assert_eq!(locked(&schema, &old, &old), "");
    for new in [
        json!({"birth": {"date": "2000-01-02"}}),
        json!({"birth": {"date": "2000-01-01", "place": "x"}}),
        json!({"birth": {}}),
        json!({}),
    ] {
        assert_eq!(locked(&schema, &old, &new), "/properties/birth", "{new}");
    }
}

#[test]
fn items_are_compared_by_position() {
    let schema =
        json!({"properties": {"ids": {"items": {"properties": {"no": {"locked": true}}}}}});
    let old = json!({"ids": [{"no": 1, "x": 1}, {"no": 2}]});
    let at = "/properties/ids/items/properties/no";
    for (new, location) in [
        (json!({"ids": [{"no": 1, "x": 2}, {"no": 2}]}), ""),
        (json!({"ids": [{"no": 1}, {"no": 2}, {"no": 3}]}), ""),
        (json!({"ids": [{"no": 2}, {"no": 1}]}), at),
        (json!({"ids": [{"no": 0}, {"no": 1}, {"no": 2}]}), at),
        (json!({"ids": [{"no": 1}]}), at),
        (json!({"ids": [{"no": 1}, null]}), at),
        (json!({"ids": []}), at),
        (json!({"ids": {"0": {"no": 1}, "1": {"no": 2}}}), at),
    ] {
        assert_eq!(locked(&schema, &old, &new), location, "{new}");
    }
    let tuple = json!({"properties": {"t": {
        "prefixItems": [{}, {"locked": true}], "items": {"properties": {"k": {"locked": true}}}
    }}});
    let old = json!({"t": [1, 2, {"k": 3}]});
    assert_eq!(locked(&tuple, &old, &json!({"t": [9, 2, {"k": 3}]})), "");
    assert_eq!(
        locked(&tuple, &old, &json!({"t": [1, 9, {"k": 3}]})),
        "/properties/t/prefixItems/1"
    );
    let at = "/properties/t/items/properties/k";
    assert_eq!(locked(&tuple, &old, &json!({"t": [1, 2, {"k": 9}]})), at);
}

#[test]
fn annotations_are_found_behind_every_applicator() {
    let mark = json!({"properties": {"id": {"locked": true}}});
    for schema in [
        json!({"allOf": [{}, mark]}),
        json!({"anyOf": [{"required": ["id"]}, mark]}),
        json!({"oneOf": [mark, {"required": ["none"]}]}),
        json!({"if": {"required": ["x"]}, "then": mark}),
        json!({"if": {"required": ["id"]}, "else": mark}),
        json!({"dependentSchemas": {"x": mark}}),
        json!({"$ref": "#/$defs/m", "$defs": {"m": mark}}),
        json!({"$ref": "#m", "$defs": {"m": {"$anchor": "m", "properties": mark["properties"]}}}),
        json!({"properties": {"id": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"locked": true}}}),
        json!({"properties": {"id": {"$ref": "#/x/y"}}, "x": {"y": {"locked": true}}}),
        json!({"properties": {"id": {"$ref": "#/$defs/x", "locked": true}}, "$defs": {"x": {}}}),
        json!({"properties": {"id": {"allOf": [{"anyOf": [{"locked": true}]}]}}}),
        json!({"additionalProperties": {"locked": true}}),
        json!({"locked": true}),
    ] {
        let old = json!({"id": 1});
        assert_ne!(locked(&schema, &old, &json!({"id": 2})), "", "{schema}");
        assert_ne!(locked(&schema, &old, &json!({})), "", "{schema}");
        assert_eq!(locked(&schema, &old, &old), "", "{schema}");
    }
}

#[test]
fn additional_properties_are_those_not_named() {
    let schema = json!({"properties": {"free": {}}, "additionalProperties": {"locked": true}});
    let old = json!({"free": 1, "other": 1});
    assert_eq!(locked(&schema, &old, &json!({"free": 2, "other": 1})), "");
    assert_eq!(locked(&schema, &old, &json!({"free": 1})), "/additionalProperties");
}

#[test]
fn annotations_follow_recursive_references() {
    let schema = json!({
        "properties": {"no": {"locked": true}, "children": {"items": {"$ref": "#"}}}
    });
    let old = json!({"children": [{"children": [{"no": 7}]}]});
    assert_eq!(locked(&schema, &old, &old), "");
    let new = json!({"children": [{"children": [{"no": 8}]}]});
    assert_eq!(locked(&schema, &old, &new), "/properties/no");
    assert_eq!(locked(&schema, &old, &json!({"children": [{}]})), "/properties/no");
}

#[test]
fn annotations_in_checks_are_refused() {
    for annotation in ["locked", "admin", "preserve"] {
        let mark = json!({"properties": {"id": {annotation: true}}});
        for schema in [
            json!({"not": mark}),
            json!({"if": mark}),
            json!({"contains": mark}),
            json!({"propertyNames": {annotation: true}}),
            json!({"patternProperties": {"^id": {annotation: true}}}),
            json!({"unevaluatedProperties": {annotation: true}}),
            json!({"unevaluatedItems": {annotation: true}}),
            json!({"patternProperties": {"^x": {}}, "additionalProperties": {annotation: true}}),
            json!({"not": {"allOf": [{"$ref": "#/$defs/m"}]}, "$defs": {"m": mark}}),
            json!({"$ref": "#/$defs/m", "if": {"$ref": "#/$defs/m"}, "$defs": {"m": mark}}),
        ] {
            let error = UserSchema::compile(&schema).err();
            let refused = matches!(error, Some(SchemaError::UnsupportedAnnotation(_)));
            assert!(refused, "{schema}: {error:?}");
        }
    }
}

#[test]
fn annotations_are_booleans() {
    for value in [json!(1), json!("true"), json!(null), json!([]), json!({})] {
        let schema = json!({"properties": {"id": {"locked": value}}});
        let error = UserSchema::compile(&schema).err();
        match error {
            Some(SchemaError::BadAnnotation(at)) => {
                assert_eq!(at.as_str(), "/properties/id/locked");
            }
            other => panic!("{schema}: {other:?}"),
        }
    }
    let off = json!({"properties": {"id": {"locked": false}}});
    assert_eq!(locked(&off, &json!({"id": 1}), &json!({})), "");
    // A property may have the annotation's name.
    let named = json!({"properties": {"locked": {"type": "string"}}});
    assert_eq!(locked(&named, &json!({"locked": "a"}), &json!({})), "");
}

#[test]
fn an_admin_value_may_not_even_be_set() {
    let schema = json!({"properties": {
        "role": {"admin": true},
        "groups": {"items": {"properties": {"level": {"admin": true}}}}
    }});
    let role = "/properties/role";
    let level = "/properties/groups/items/properties/level";
    for (old, new, location) in [
        (json!({}), json!({"name": "x"}), ""),
        (json!({}), json!({"role": null}), ""),
        (json!({"role": null}), json!({}), ""),
        (json!({"role": 1}), json!({"role": 1, "x": 1}), ""),
        (json!({}), json!({"role": "root"}), role),
        (json!({"role": null}), json!({"role": "root"}), role),
        (json!({"role": "user"}), json!({"role": "root"}), role),
        (json!({"role": "user"}), json!({}), role),
        (json!({"groups": [{"level": 1}]}), json!({"groups": [{"level": 1}, {"x": 1}]}), ""),
        (json!({"groups": [{"level": 1}]}), json!({"groups": [{"level": 1}, {"level": 9}]}), level),
        (json!({}), json!({"groups": [{"level": 9}]}), level),
        (json!({"groups": "none"}), json!({"groups": [{"level": 9}]}), level),
        (json!({"groups": [{"level": 1}]}), json!({"groups": []}), level),
    ] {
        assert_eq!(admin(&schema, &old, &new), location, "{old} to {new}");
        assert_eq!(locked(&schema, &old, &new), "");
    }
}

#[test]
fn only_preserved_values_survive() {
    let schema = json!({"properties": {
        "invoice": {"preserve": true},
        "name": {},
        "tax": {"properties": {"id": {"preserve": true}, "office": {}}},
        "list": {"items": {"properties": {"keep": {"preserve": true}}}}
    }});
    let schema = compiled(&schema);
    for (profile, kept) in [
        (json!({"name": "John", "invoice": 7}), Some(json!({"invoice": 7}))),
        (json!({"invoice": {"a": [1, null]}}), Some(json!({"invoice": {"a": [1, null]}}))),
        (json!({"tax": {"id": "T1", "office": "X"}}), Some(json!({"tax": {"id": "T1"}}))),
        (json!({"tax": {"office": "X"}, "name": "John"}), None),
        (json!({"invoice": null}), None),
        (json!({"tax": "T1"}), None),
        (json!({}), None),
        (
            json!({"list": [{"x": 1}, {"keep": 2, "x": 3}, {"x": 4}]}),
            Some(json!({"list": [null, {"keep": 2}]})),
        ),
        (json!({"list": [{"x": 1}]}), None),
    ] {
        assert_eq!(schema.preserved(&profile), kept, "{profile}");
    }
    let none = compiled(&json!({"properties": {"name": {}}}));
    assert_eq!(none.preserved(&json!({"name": "John"})), None);
}

#[test]
fn branching_recursion_costs_no_time() {
    // Followed reference by reference, 100 levels would take 2^100 steps.
    let schema = compiled(&json!({"allOf": [
        {"properties": {"v": {"$ref": "#"}, "id": {"locked": true}}},
        {"properties": {"v": {"$ref": "#"}, "id": {"admin": true, "preserve": true}}}
    ]}));
    let nested = |id: u32| (0..100).fold(json!({"id": id}), |inner, _| json!({"v": inner}));
    assert!(schema.locked_change(&nested(1), &nested(2)).is_some());
    assert!(schema.admin_change(&nested(1), &nested(2)).is_some());
    assert_eq!(schema.locked_change(&nested(1), &nested(1)), None);
    assert_eq!(schema.preserved(&nested(1)), Some(nested(1)));
}
