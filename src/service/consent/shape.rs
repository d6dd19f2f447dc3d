//! JSON objects in which only known members may stand, each of its form.

use bunker_core::profile::{self, Limits, ProfileError};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;

/// Room for the longest texts that any shape allows, escaped.
const MAX_BYTES: usize = 1 << 20;

/// What a member is.
pub enum Form {
    /// A text of at most so many bytes; empty unless given.
    Text(usize),
    /// True or false; false unless given.
    Flag,
    /// One of these; the first unless given.
    Word(&'static [&'static str]),
}

impl Form {
    /// Whether a value is of this form.
    ///
    /// # Errors
    /// A text that is too long.
    fn admits(&self, value: &Value) -> Result<bool> {
        match (self, value) {
            (Self::Text(most), Value::String(text)) if text.len() > *most => {
                Err(Error::TooMany("Texts have at most 1,000 bytes, the longest 100,000."))
            }
            (Self::Text(_), Value::String(_)) | (Self::Flag, Value::Bool(_)) => Ok(true),
            (Self::Word(words), Value::String(word)) => Ok(words.contains(&word.as_str())),
            _ => Ok(false),
        }
    }

    fn default(&self) -> Value {
        match self {
            Self::Text(_) => Value::from(""),
            Self::Flag => Value::from(false),
            Self::Word(words) => words.first().copied().map_or(Value::Null, Value::from),
        }
    }
}

/// The members that an object may have.
pub struct Shape {
    /// Names and forms.
    pub members: &'static [(&'static str, Form)],
    /// How to mend an object that is of another shape.
    pub hint: &'static str,
}

impl Shape {
    /// Reads an object; NULL is an empty one. Its members are looked at when they are merged.
    pub fn read(&self, json: Option<&Jsonb>) -> Result<Map<String, Value>> {
        let Some(json) = json else {
            return Ok(Map::new());
        };
        let limits = Limits { max_bytes: MAX_BYTES, ..Limits::default() };
        match profile::parse(json.as_str(), &limits) {
            Ok(Value::Object(members)) => Ok(members),
            Err(ProfileError::TooBig | ProfileError::TooDeep) => {
                Err(Error::TooMany("Texts have at most 1,000 bytes, the longest 100,000."))
            }
            _ => Err(Error::BadArgument("an argument is not a JSON object", self.hint)),
        }
    }

    /// Puts the members of `given` into `object`; null takes one out. The names of those that are others
    /// now.
    ///
    /// # Errors
    /// A member that is unknown, or of another form.
    pub fn merge(
        &self,
        object: &mut Map<String, Value>,
        given: Map<String, Value>,
    ) -> Result<Vec<&'static str>> {
        let mut changed = Vec::new();
        for (name, value) in given {
            let known = self.members.iter().find(|(known, _)| *known == name);
            let (name, form) = known.ok_or_else(|| self.misshapen())?;
            if value.is_null() {
                changed.extend(object.remove(*name).map(|_| *name));
            } else if form.admits(&value)? {
                let former = object.insert((*name).to_owned(), value);
                changed.extend((former.as_ref() != object.get(*name)).then_some(*name));
            } else {
                return Err(self.misshapen());
            }
        }
        Ok(changed)
    }

    /// The object with all members that it can have.
    pub fn complete(&self, mut object: Map<String, Value>) -> Map<String, Value> {
        for (name, form) in self.members {
            object.entry(*name).or_insert_with(|| form.default());
        }
        object
    }

    /// The object has another shape.
    pub fn misshapen(&self) -> Error {
        Error::BadArgument("an object has a member that it cannot have", self.hint)
    }
}

/// An object as it is stored.
///
/// # Errors
/// Damaged, called by `name`, when it is none.
pub fn stored(text: &str, name: &'static str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|_| Error::Damaged(name))
}
