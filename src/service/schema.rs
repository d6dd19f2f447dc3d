//! The user schema: compiled once per backend, checked at every write.

use std::cell::RefCell;
use std::rc::Rc;

use bunker_core::profile::{self, Limits, UserSchema};

use crate::audit;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::relation;
use crate::storage::user_schema as table;

type Compiled = Option<Rc<UserSchema>>;

thread_local! {
    static CACHE: RefCell<Option<(u32, Compiled)>> = const { RefCell::new(None) };
}

/// The schema in force, if there is one.
pub fn current() -> Result<Compiled> {
    relation::take_in_changes();
    let known = CACHE.with_borrow(|cache| {
        cache
            .as_ref()
            .filter(|(changes, _)| *changes == table::changes())
            .map(|(_, schema)| schema.clone())
    });
    if let Some(schema) = known {
        return Ok(schema);
    }
    let text = table::current()?;
    let changes = table::changes();
    let schema = match text {
        Some(text) => Some(Rc::new(compile(&text).map_err(|_| Error::Damaged("the user schema"))?)),
        None => None,
    };
    CACHE.set(Some((changes, schema.clone())));
    Ok(schema)
}

fn compile(text: &str) -> Result<UserSchema> {
    // Bounded by the compiler itself, which knows how big a schema may be.
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    Ok(UserSchema::compile(&profile::parse_json(text, &limits)?)?)
}

/// Whether a schema can be put into force.
///
/// # Errors
/// Why it cannot.
pub fn check(text: &str) -> Result<()> {
    compile(text).map(drop)
}

/// Puts a schema into force, or none; its version.
pub fn set(schema: Option<Jsonb>) -> Result<i32> {
    audit::operation("set_user_schema", None, &table::TABLE, || {
        if let Some(schema) = &schema {
            compile(schema.as_str())?;
        }
        table::insert(schema, &audit::author())
    })
}

/// The schema in force, as it was given.
pub fn text() -> Result<Option<String>> {
    audit::admit("user_schema")?;
    table::current()
}
