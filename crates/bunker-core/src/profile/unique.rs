//! The JSON Schema keyword `uniqueItems`, in time linear in the array's text.
//!
//! The validator's own version hashes numbers by their `f64`. Long numbers that round to one `f64`
//! all collide there, and an array of them takes quadratic time: minutes for one megabyte.

use std::collections::HashSet;

use jsonschema::{Keyword, ValidationError, paths::Location};
use serde_json::{Map, Value};

use super::equality::write_canonical;

/// The keyword's name.
pub(super) const UNIQUE_ITEMS: &str = "uniqueItems";

struct UniqueItems {
    asserted: bool,
}

/// Makes the keyword for a schema; a value that is no boolean was refused by the meta-schema.
pub(super) fn unique_items<'a>(
    _parent: &'a Map<String, Value>,
    value: &'a Value,
    _location: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(UniqueItems { asserted: value.as_bool().unwrap_or(false) }))
}

impl<'i> Keyword<'i> for UniqueItems {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if Keyword::<'i>::is_valid(self, instance) {
            Ok(())
        } else {
            Err(ValidationError::custom("items are not unique"))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            Value::Array(items) if self.asserted => all_differ(items),
            _ => true,
        }
    }
}

fn all_differ(items: &[Value]) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().all(|item| {
        let mut text = String::new();
        write_canonical(item, &mut text);
        seen.insert(text)
    })
}
