//! How big and how deep a JSON text may be, checked before anything recursive reads it.

use std::io;

use serde_json::Value;

use super::ProfileError;

/// The largest profile that a vault can be set to take, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// The bounds that a JSON document is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in bytes.
    pub max_bytes: usize,
    /// How many objects and arrays may be nested in each other; a scalar has depth 0, `{}` 1.
    pub max_depth: usize,
    /// The most operations in one JSON Patch.
    pub max_patch_ops: usize,
}

impl Default for Limits {
    /// One mebibyte, 128 levels and 1,000 operations.
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_depth: 128, max_patch_ops: 1_000 }
    }
}

/// Checks the size and the nesting of a JSON text in one pass, without recursion.
///
/// The text is not otherwise validated: a malformed one is refused by the reader that follows.
///
/// # Errors
///
/// [`ProfileError::TooBig`] or [`ProfileError::TooDeep`].
pub fn check_text(text: &str, limits: &Limits) -> Result<(), ProfileError> {
    if text.len() > limits.max_bytes {
        return Err(ProfileError::TooBig);
    }
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => {
                depth += 1;
                if depth > limits.max_depth {
                    return Err(ProfileError::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Moves past the closing quote of a string whose opening quote was just read.
fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            // Whatever is escaped, it is not the closing quote.
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// How many objects and arrays are nested in `value`.
pub(super) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The length in bytes of `value` written without white space, or `None` when above `max_bytes`.
pub(super) fn size_within(value: &Value, max_bytes: usize) -> Option<usize> {
    let mut counter = Counter { left: max_bytes };
    serde_json::to_writer(&mut counter, value).ok()?;
    Some(max_bytes - counter.left)
}

/// A sink that counts down, and fails at the first byte too many.
struct Counter {
    left: usize,
}

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::from(io::ErrorKind::Other))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
