//! Personal profiles as JSON: reading, looking into, patching and checking them.
//!
//! A profile is one JSON object. Its text comes from PostgreSQL's `jsonb` output, and its numbers
//! keep every digit they were written with. Nothing in this module puts a value, a member name or
//! a path of a profile into an error: errors name operations by index and schemas by location.

mod annotations;
mod change;
mod cost;
mod equality;
mod field;
mod graph;
mod graph_builder;
mod limits;
mod location;
mod lookup;
mod patch;
mod schema;
mod unique;

use std::{error::Error, fmt};

use serde::Deserialize as _;
use serde_json::{Deserializer, Value};

pub use equality::same_json;
pub use field::{Field, FieldError};
pub use limits::{Limits, MAX_BYTES, check_text};
pub use location::SchemaLocation;
pub use lookup::{Pointer, PointerError, value_at};
pub use patch::{PatchError, apply, parse_patch, tests_values};
pub use schema::{SchemaError, UserSchema, Violation};

/// The member name by which `serde_json` marks a number that keeps its digits.
///
/// An object whose first member has this name would be read back as a number, or not at all.
const NUMBER_MARKER: &str = "\"$serde_json::private::Number\"";

/// Why a text is not a usable profile. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileError {
    /// The text is longer than [`Limits::max_bytes`].
    TooBig,
    /// Objects and arrays are nested deeper than [`Limits::max_depth`].
    TooDeep,
    /// The text is not JSON (RFC 8259).
    NotJson,
    /// The text is JSON, but not an object.
    NotAnObject,
    /// A member has the one name that the JSON reader keeps for itself.
    ReservedName,
    /// A lookup field holds a boolean, an array or an object.
    NotALookupValue,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooBig => "profile is too big",
            Self::TooDeep => "profile is nested too deeply",
            Self::NotJson => "profile is not valid JSON",
            Self::NotAnObject => "profile is not a JSON object",
            Self::ReservedName => "profile has a member with a reserved name",
            Self::NotALookupValue => "lookup field is neither a string nor a number",
        })
    }
}

impl Error for ProfileError {}

/// Reads a profile: one JSON object within `limits`, its numbers digit for digit.
///
/// # Errors
///
/// Any [`ProfileError`] but `NotALookupValue`.
pub fn parse(text: &str, limits: &Limits) -> Result<Value, ProfileError> {
    let profile = parse_json(text, limits)?;
    if profile.is_object() { Ok(profile) } else { Err(ProfileError::NotAnObject) }
}

/// Reads any JSON value within `limits`, such as app data, a schema or a request's change.
///
/// # Errors
///
/// Any [`ProfileError`] but `NotAnObject` and `NotALookupValue`.
pub fn parse_json(text: &str, limits: &Limits) -> Result<Value, ProfileError> {
    check_text(text, limits)?;
    if names_the_number_marker(text) {
        return Err(ProfileError::ReservedName);
    }
    let mut reader = Deserializer::from_str(text);
    // The reader's own limit stops one level short of 128, and `check_text` has just counted.
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader).map_err(|_| ProfileError::NotJson)?;
    reader.end().map_err(|_| ProfileError::NotJson)?;
    Ok(value)
}

/// Whether a member is named [`NUMBER_MARKER`].
///
/// Inside a string the closing quote would be escaped, so only a whole string can match, and only
/// a member name is followed by a colon. `jsonb` never writes `$` or `:` as an escape.
fn names_the_number_marker(text: &str) -> bool {
    text.match_indices(NUMBER_MARKER)
        .any(|(start, marker)| text[start + marker.len()..].trim_start().starts_with(':'))
}

/// The same of a document that was put together here: what it has could be stored, but not read.
fn has_reserved_name(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| {
            name == NUMBER_MARKER.trim_matches('"') || has_reserved_name(value)
        }),
        Value::Array(items) => items.iter().any(has_reserved_name),
        _ => false,
    }
}
