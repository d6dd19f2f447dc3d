//! Parts of a document by dotted paths, as shares name them: `first`, `address.city`, `phones.0`.
//!
//! A step is the name of an object's member, or the position of an array's item, from 0. A dot in a
//! member's name is written `\.` and a backslash `\\`. A path only ever goes down, and what it leads
//! to is part of the document, or nothing.

use std::{error::Error, fmt};

use serde_json::Value;

use super::lookup::array_index;

/// The longest path, in bytes.
const MAX_BYTES: usize = 1024;

/// A path to a part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    text: Box<str>,
    steps: Vec<String>,
}

/// Why a text is not a usable [`Field`]. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// There is nothing but white space.
    Blank,
    /// The text is longer than 1,024 bytes.
    TooLong,
    /// There is nothing before a dot or after it.
    EmptyStep,
    /// A backslash is followed by neither a dot nor a backslash.
    BadEscape,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "field is blank",
            Self::TooLong => "field is too long",
            Self::EmptyStep => "field has an empty step",
            Self::BadEscape => "field has a backslash that escapes nothing",
        })
    }
}

impl Error for FieldError {}

impl Field {
    /// Reads a path; white space around it does not belong to it.
    ///
    /// # Errors
    ///
    /// Any [`FieldError`].
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FieldError::Blank);
        }
        if text.len() > MAX_BYTES {
            return Err(FieldError::TooLong);
        }
        Ok(Self { text: text.into(), steps: steps(text)? })
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part of `document` that the path leads to, if there is one.
    #[must_use]
    pub fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(document, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(items) => items.get(array_index(step)?),
            _ => None,
        })
    }
}

fn steps(text: &str) -> Result<Vec<String>, FieldError> {
    let mut steps = vec![String::new()];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let plain = match char {
            '.' => {
                steps.push(String::new());
                continue;
            }
            '\\' => match chars.next() {
                Some(escaped @ ('.' | '\\')) => escaped,
                _ => return Err(FieldError::BadEscape),
            },
            other => other,
        };
        if let Some(step) = steps.last_mut() {
            step.push(plain);
        }
    }
    if steps.iter().any(String::is_empty) { Err(FieldError::EmptyStep) } else { Ok(steps) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(document: &Value, path: &str) -> Option<Value> {
        Field::parse(path).ok()?.find(document).cloned()
    }

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        let document = json!({"first": "S", "k": {"f3": {"a": "b"}}, "list": [10, [20]]});
        assert_eq!(found(&document, "first"), Some(json!("S")));
        assert_eq!(found(&document, "k.f3"), Some(json!({"a": "b"})));
        assert_eq!(found(&document, "k.f3.a"), Some(json!("b")));
        assert_eq!(found(&document, "list.0"), Some(json!(10)));
        assert_eq!(found(&document, " list.1.0 "), Some(json!(20)));
        for missing in ["x", "k.x", "first.x", "first.0", "list.2", "k.f3.a.b", "FIRST"] {
            assert_eq!(found(&document, missing), None, "{missing}");
        }
    }

    #[test]
    fn a_position_has_one_spelling() {
        let document = json!({"list": [10], "object": {"0": "zero", "00": "both", "-": "dash"}});
        for odd in ["list.00", "list.-1", "list.+0", "list.-", "list.0x", "list.1e0", "list.٠"] {
            assert_eq!(found(&document, odd), None, "{odd}");
        }
        assert_eq!(found(&document, "list.99999999999999999999999"), None);
        for (name, value) in [("0", "zero"), ("00", "both"), ("-", "dash")] {
            assert_eq!(found(&document, &format!("object.{name}")), Some(json!(value)));
        }
    }

    #[test]
    fn dots_and_backslashes_in_names_are_escaped() {
        let document = json!({"a.b": 1, "a": {"b": 2}, "c\\": 3, "/a/b": 4, "a~1b": 5, "*": 6});
        assert_eq!(found(&document, r"a\.b"), Some(json!(1)));
        assert_eq!(found(&document, "a.b"), Some(json!(2)));
        assert_eq!(found(&document, r"c\\"), Some(json!(3)));
        assert_eq!(found(&document, "/a/b"), Some(json!(4)));
        assert_eq!(found(&document, "a~1b"), Some(json!(5)));
        assert_eq!(found(&document, "*"), Some(json!(6)));
    }

    #[test]
    fn names_of_other_languages_mean_nothing() {
        let document = json!({"first": "S", "list": [1]});
        for odd in ["__proto__", "constructor", "first.length", "list.length", "$", "@", "list.*"] {
            assert_eq!(found(&document, odd), None, "{odd}");
        }
        assert_eq!(found(&json!({"__proto__": {"x": 1}}), "__proto__.x"), Some(json!(1)));
    }

    #[test]
    fn malformed_paths_are_refused() {
        for (text, error) in [
            ("", FieldError::Blank),
            (" \t\n", FieldError::Blank),
            (".", FieldError::EmptyStep),
            ("a.", FieldError::EmptyStep),
            (".a", FieldError::EmptyStep),
            ("a..b", FieldError::EmptyStep),
            ("a\\", FieldError::BadEscape),
            ("\\n", FieldError::BadEscape),
        ] {
            assert_eq!(Field::parse(text), Err(error), "{text:?}");
        }
        assert!(Field::parse(&"x".repeat(MAX_BYTES)).is_ok());
        assert_eq!(Field::parse(&"x".repeat(MAX_BYTES + 1)), Err(FieldError::TooLong));
    }

    #[test]
    fn the_text_is_kept_as_written() {
        let field = Field::parse(r" a\.b.c ");
        assert_eq!(field.as_ref().map(Field::as_str), Ok(r"a\.b.c"));
    }
}
