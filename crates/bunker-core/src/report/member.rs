//! Looking into a record of the report, whose members may be missing or of any type.

use serde_json::Value;

/// A member, unless it is missing or null.
pub fn member<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    record.get(name).filter(|value| !value.is_null())
}

/// The items of a member; none where it is no list.
pub fn items<'a>(record: &'a Value, name: &str) -> &'a [Value] {
    record.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text of a member; empty where it is no text.
pub fn word<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether nothing would be seen of a value.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
