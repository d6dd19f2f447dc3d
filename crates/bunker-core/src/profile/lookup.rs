//! Finding the value of a lookup field in a profile.

use std::{borrow::Cow, error::Error, fmt};

use serde_json::Value;

use super::ProfileError;

/// The longest pointer, in bytes.
const MAX_POINTER_BYTES: usize = 1024;

/// An RFC 6901 JSON Pointer to a member of a profile, such as `/contact/email`.
///
/// The pointer to the whole document (the empty text) is not one: a profile is no lookup value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    tokens: Vec<Box<str>>,
}

/// Why a text is not a usable [`Pointer`]. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerError {
    /// The text is empty, and so names the whole document.
    WholeDocument,
    /// The text does not begin with `/`.
    NoLeadingSlash,
    /// A `~` is followed by neither `0` nor `1` (RFC 6901, section 3).
    BadEscape,
    /// The text is longer than 1,024 bytes.
    TooLong,
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WholeDocument => "JSON pointer names the whole document",
            Self::NoLeadingSlash => "JSON pointer does not begin with a slash",
            Self::BadEscape => "JSON pointer has a tilde that escapes nothing",
            Self::TooLong => "JSON pointer is too long",
        })
    }
}

impl Error for PointerError {}

impl Pointer {
    /// Reads a pointer from its text form.
    ///
    /// # Errors
    ///
    /// Any [`PointerError`].
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::WholeDocument);
        }
        if text.len() > MAX_POINTER_BYTES {
            return Err(PointerError::TooLong);
        }
        let path = text.strip_prefix('/').ok_or(PointerError::NoLeadingSlash)?;
        let tokens = path.split('/').map(unescape).collect::<Result<_, _>>()?;
        Ok(Self { tokens })
    }

    /// The value that the pointer leads to, if there is one.
    fn resolve<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.tokens.iter().try_fold(document, |value, token| match value {
            Value::Object(members) => members.get(&**token),
            Value::Array(items) => items.get(array_index(token)?),
            _ => None,
        })
    }
}

/// Undoes the escapes of one reference token (RFC 6901, section 4).
fn unescape(token: &str) -> Result<Box<str>, PointerError> {
    let mut plain = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '~' => match chars.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(PointerError::BadEscape),
            },
            other => other,
        });
    }
    Ok(plain.into_boxed_str())
}

/// An array index: digits, without a sign and without leading zeros (RFC 6901, section 4).
pub(super) fn array_index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with(['0', '+']);
    if canonical { token.parse().ok() } else { None }
}

/// The text of the lookup field that `pointer` names, not yet normalised.
///
/// A string gives its text and a number its digits as written. A missing, null or blank field
/// gives `None`: there is nothing to index.
///
/// # Errors
///
/// [`ProfileError::NotALookupValue`] for a boolean, an array or an object.
pub fn value_at<'a>(
    profile: &'a Value,
    pointer: &Pointer,
) -> Result<Option<Cow<'a, str>>, ProfileError> {
    match pointer.resolve(profile) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(Value::Number(number)) => Ok(Some(Cow::Borrowed(number.as_str()))),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err(ProfileError::NotALookupValue)
        }
    }
}
