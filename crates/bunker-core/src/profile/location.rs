//! Where something is in a schema, short enough for an error message.

use std::fmt;

use serde_json::Value;

/// The longest location shown, in characters.
const MAX_CHARS: usize = 200;

/// A JSON Pointer into a schema, cut to 200 characters.
///
/// It is made of schema text only, never of anything in a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaLocation {
    text: String,
}

impl SchemaLocation {
    /// The location one step further down.
    pub(super) fn join(&self, token: &str) -> Self {
        let mut text = self.text.clone();
        push_token(&mut text, token);
        Self { text }
    }

    /// As much of `pointer` as leads somewhere in `schema`.
    ///
    /// The validator reports schema locations only. This makes sure of it: a token that is not
    /// in the schema, and so could have come from a profile, is cut off with all that follows.
    pub(super) fn within(schema: &Value, pointer: &str) -> Self {
        let mut location = Self::default();
        let mut value = schema;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let next = match value {
                Value::Object(members) => members.get(&token),
                Value::Array(items) => token.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => None,
            };
            let Some(next) = next else { break };
            push_token(&mut location.text, &token);
            value = next;
        }
        location
    }

    /// The pointer's text; empty for the schema as a whole.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Appends an escaped token, as far as there is room for it.
fn push_token(text: &mut String, token: &str) {
    let room = MAX_CHARS.saturating_sub(text.chars().count());
    let escaped = token.chars().flat_map(|char| match char {
        '~' => ['~', '0'].into_iter().take(2),
        '/' => ['~', '1'].into_iter().take(2),
        other => [other, other].into_iter().take(1),
    });
    text.extend(std::iter::once('/').chain(escaped).take(room));
}

impl fmt::Display for SchemaLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "/" } else { &self.text })
    }
}
