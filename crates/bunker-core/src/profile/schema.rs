//! The user schema: JSON Schema draft 2020-12 with three annotations of our own.

use std::{error::Error, fmt};

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::{
    annotations::{self, Marks},
    change::{self, Guard},
    cost,
    graph::{Node, SchemaGraph},
    graph_builder,
    limits::{depth, size_within},
    location::SchemaLocation,
    unique::{UNIQUE_ITEMS, unique_items},
};

/// The longest schema, in bytes of text without white space.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;

/// How deep a schema may be nested.
const MAX_SCHEMA_DEPTH: usize = 64;

/// The most memory for one compiled regular expression, in bytes.
///
/// Matching takes time proportional to this and to the length of the text.
const MAX_PATTERN_BYTES: usize = 128 * 1024;

/// The most memory for the states that matching with one pattern has met and keeps, in bytes.
const MAX_AUTOMATON_BYTES: usize = 1 << 20;

/// The most evaluations after which an invalid profile is gone through again for the location.
///
/// The validator evaluates the branches of each `anyOf` once more for that, on each level.
const MAX_LOCATED_COST: u64 = 100_000;

/// The one meta-schema that a schema may name.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Why a schema cannot be used. Locations are those of the schema, which is no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaError {
    /// The schema is not a JSON object.
    NotAnObject,
    /// The schema is longer than 256 KiB.
    TooBig,
    /// The schema is nested deeper than 64 levels.
    TooDeep,
    /// Checking a profile with the schema could take too much time, stack or memory.
    TooComplex,
    /// `$schema` names another dialect than draft 2020-12.
    OtherDialect,
    /// A `$ref` leads out of the schema.
    ExternalReference,
    /// A `$ref` leads nowhere.
    UnresolvedReference,
    /// A `$ref` leads back to itself without going a step into the profile.
    EndlessReference,
    /// A keyword at this place is of an older draft, or for schemas of several documents.
    UnsupportedKeyword(SchemaLocation),
    /// `locked`, `admin` or `preserve` at this place is not a boolean.
    BadAnnotation(SchemaLocation),
    /// The subschema at this place is annotated, but stands where that could not take effect.
    UnsupportedAnnotation(SchemaLocation),
    /// The schema is invalid at this place: by the meta-schema, an unknown format, or a pattern
    /// that is malformed, too big, or needs backtracking.
    Invalid(SchemaLocation),
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("schema is not a JSON object"),
            Self::TooBig => f.write_str("schema is too big"),
            Self::TooDeep => f.write_str("schema is nested too deeply"),
            Self::TooComplex => f.write_str("schema is too complex"),
            Self::OtherDialect => f.write_str("schema is of another dialect than draft 2020-12"),
            Self::ExternalReference => f.write_str("schema refers to another document"),
            Self::UnresolvedReference => f.write_str("schema has a reference that leads nowhere"),
            Self::EndlessReference => f.write_str("schema has a reference that never ends"),
            Self::UnsupportedKeyword(at) => write!(f, "schema keyword is not supported: {at}"),
            Self::BadAnnotation(at) => write!(f, "schema annotation is not a boolean: {at}"),
            Self::UnsupportedAnnotation(at) => {
                write!(f, "schema annotation has no effect here: {at}")
            }
            Self::Invalid(at) => write!(f, "schema is invalid: {at}"),
        }
    }
}

impl Error for SchemaError {}

/// How a profile breaks the schema. Holds nothing of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The profile breaks the keyword at this place of the schema. The place is the schema as a
    /// whole when finding it would take too long.
    Keyword(SchemaLocation),
    /// The check would take too long, or too much of the stack.
    TooCostly,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(at) => write!(f, "profile breaks the schema at {at}"),
            Self::TooCostly => {
                f.write_str("profile takes too much work to check against the schema")
            }
        }
    }
}

impl Error for Violation {}

/// A compiled user schema.
pub struct UserSchema {
    source: Value,
    validator: Validator,
    graph: SchemaGraph,
    marks: Marks,
    negligible_cost: bool,
}

impl UserSchema {
    /// Compiles a schema.
    ///
    /// The dialect is draft 2020-12 whatever the schema says; formats are asserted, and an unknown
    /// one is refused; patterns run in linear time; nothing outside the schema is ever looked up.
    ///
    /// # Errors
    ///
    /// Any [`SchemaError`].
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let source = normalized(schema)?;
        let graph = graph_builder::build(&source)?;
        let marks = annotations::collect(&graph)?;
        let validator = build_validator(&source)?;
        let negligible_cost = cost::is_negligible(&graph);
        Ok(Self { source, validator, graph, marks, negligible_cost })
    }

    /// Checks a profile.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] found.
    pub fn check(&self, profile: &Value) -> Result<(), Violation> {
        let cost = if self.negligible_cost {
            0
        } else {
            cost::of_document(&self.graph, profile).ok_or(Violation::TooCostly)?
        };
        if self.validator.is_valid(profile) {
            return Ok(());
        }
        let located = cost <= MAX_LOCATED_COST;
        Err(Violation::Keyword(if located { self.locate(profile) } else { Default::default() }))
    }

    /// Where an invalid profile breaks the schema.
    fn locate(&self, profile: &Value) -> SchemaLocation {
        (self.validator.validate(profile).err())
            .map(|error| SchemaLocation::within(&self.source, error.schema_path().as_str()))
            .unwrap_or_default()
    }

    /// Where the schema locks a value that `new` changes, or `None` if all locked values stay.
    ///
    /// A locked value is set once it is present and not null. From then on it must be there with
    /// the same value, numbers compared by value. Items of arrays are told apart by position.
    #[must_use]
    pub fn locked_change(&self, old: &Value, new: &Value) -> Option<&SchemaLocation> {
        self.find_change(self.marks.locked, Guard::Locked, old, new)
    }

    /// Where the schema marks a value as `admin` that `new` sets, changes or removes, if anywhere.
    #[must_use]
    pub fn admin_change(&self, old: &Value, new: &Value) -> Option<&SchemaLocation> {
        self.find_change(self.marks.admin, Guard::Admin, old, new)
    }

    fn find_change(
        &self,
        in_use: bool,
        guard: Guard,
        old: &Value,
        new: &Value,
    ) -> Option<&SchemaLocation> {
        if !in_use {
            return None;
        }
        change::find_change(&self.graph, guard, old, new).map(|node: &Node| &node.location)
    }

    /// What of a profile survives forget-me: its `preserve` values in their frame, if it has any.
    #[must_use]
    pub fn preserved(&self, profile: &Value) -> Option<Value> {
        if self.marks.preserve { change::preserved(&self.graph, profile) } else { None }
    }
}

/// The schema within its limits, without the names it gives to itself and its dialect.
fn normalized(schema: &Value) -> Result<Value, SchemaError> {
    if !schema.is_object() {
        return Err(SchemaError::NotAnObject);
    }
    if depth(schema) > MAX_SCHEMA_DEPTH {
        return Err(SchemaError::TooDeep);
    }
    size_within(schema, MAX_SCHEMA_BYTES).ok_or(SchemaError::TooBig)?;
    let mut source = schema.clone();
    if let Value::Object(keywords) = &mut source {
        // With a name of its own the schema could stand in for a meta-schema.
        keywords.remove("$id");
        let dialect = keywords.remove("$schema");
        let same = dialect.is_none_or(|name| {
            name.as_str().is_some_and(|name| name.strip_suffix('#').unwrap_or(name) == DIALECT)
        });
        if !same {
            return Err(SchemaError::OtherDialect);
        }
    }
    Ok(source)
}

fn build_validator(source: &Value) -> Result<Validator, SchemaError> {
    let patterns =
        PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_AUTOMATON_BYTES);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(patterns)
        .with_keyword(UNIQUE_ITEMS, unique_items)
        .build(source)
        .map_err(|error| SchemaError::Invalid(place_in_source(source, &error)))
}

/// Where a schema is invalid. To the meta-schema the schema is the instance.
fn place_in_source(source: &Value, error: &ValidationError<'_>) -> SchemaLocation {
    let by_meta_schema = SchemaLocation::within(source, error.instance_path().as_str());
    if by_meta_schema.as_str().is_empty() {
        SchemaLocation::within(source, error.schema_path().as_str())
    } else {
        by_meta_schema
    }
}
