//! How much one report may hold.
//!
//! What is held of a person grows without a bound: versions of his profile, accesses to it. He may do
//! that himself, and ask for the report himself; it must not take the server's memory.

use std::cell::Cell;

use serde_json::Value;

use crate::error::{Error, Result};

/// The most memory that a report may take, in bytes, as [`weight`] reckons.
const MAX_WEIGHT: usize = 512 << 20;
/// What a value takes besides its texts.
const VALUE: usize = 64;
/// What an object takes besides its members, and an array besides its elements. It is jsonb_in that
/// takes so much.
const OBJECT: usize = 700;
const ARRAY: usize = 350;
/// What a member takes besides its name and its value.
const MEMBER: usize = 64;

/// The longest page in bytes: a client gets at most 1 GB, in whatever encoding.
pub const MAX_PAGE: usize = 512 << 20;

/// What is left of a report's share of memory.
pub struct Budget(Cell<usize>);

impl Budget {
    /// All of it.
    pub fn new() -> Self {
        Self(Cell::new(MAX_WEIGHT))
    }

    /// Takes a part of the report in.
    ///
    /// # Errors
    /// The report is too big by that.
    pub fn admit(&self, part: &Value) -> Result<()> {
        let left = self.0.get().checked_sub(weight(part)).ok_or_else(too_big)?;
        self.0.set(left);
        Ok(())
    }
}

/// That there is more than one report can hold.
pub fn too_big() -> Error {
    Error::TooMany(
        "The report is too big for one call. Read it in parts, with bunker_user_versions, \
         bunker_user_version, bunker_get_app, bunker_list_sessions, bunker_audit and their like.",
    )
}

/// The length of a text, as long as a page may spell it: `"` is `&quot;` there.
fn spelled(text: &str) -> usize {
    const MORE: usize = 5;
    let special = text.bytes().filter(|byte| b"<>&\"'".contains(byte)).count();
    text.len() + MORE * special
}

/// About how many bytes of memory a value takes on its way into a report. It is at most as deep as
/// profiles are.
fn weight(value: &Value) -> usize {
    VALUE
        + match value {
            Value::Null | Value::Bool(_) => 0,
            // Of any number of digits.
            Value::Number(number) => number.as_str().len(),
            Value::String(text) => spelled(text),
            Value::Array(items) => ARRAY + items.iter().map(weight).sum::<usize>(),
            Value::Object(members) => {
                let of = |(name, value): (&String, &Value)| MEMBER + spelled(name) + weight(value);
                OBJECT + members.iter().map(of).sum::<usize>()
            }
        }
}
