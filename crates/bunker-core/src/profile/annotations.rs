//! The annotations of our own: `locked`, `admin` and `preserve`.

use serde_json::{Map, Value};

use super::{graph::SchemaGraph, location::SchemaLocation, schema::SchemaError};

/// What a subschema is annotated with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The value never changes once it is set.
    pub(super) locked: bool,
    /// A change that the user himself asks for waits for approval.
    pub(super) admin: bool,
    /// The value survives forget-me.
    pub(super) preserve: bool,
}

impl Marks {
    /// Reads the annotations of one subschema, which stands at `location`.
    ///
    /// # Errors
    ///
    /// [`SchemaError::BadAnnotation`] when one is not a boolean.
    pub(super) fn read(
        keywords: &Map<String, Value>,
        location: &SchemaLocation,
    ) -> Result<Self, SchemaError> {
        let flag = |name: &str| match keywords.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(SchemaError::BadAnnotation(location.join(name))),
        };
        Ok(Self { locked: flag("locked")?, admin: flag("admin")?, preserve: flag("preserve")? })
    }

    pub(super) fn any(self) -> bool {
        self.locked || self.admin || self.preserve
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self {
            locked: self.locked || other.locked,
            admin: self.admin || other.admin,
            preserve: self.preserve || other.preserve,
        }
    }
}

/// All annotations that a schema applies anywhere.
///
/// # Errors
///
/// [`SchemaError::UnsupportedAnnotation`] when one stands where it could not take effect, such as
/// in `not`, `contains` or `patternProperties`: silently ignoring it would leave a value
/// unprotected.
pub(super) fn collect(graph: &SchemaGraph) -> Result<Marks, SchemaError> {
    // Each subschema is seen at most twice: as a description, and within a check.
    let mut seen = vec![[false; 2]; graph.nodes.len()];
    let mut waiting = vec![(0, false)];
    let mut all = Marks::default();
    while let Some((id, in_check)) = waiting.pop() {
        if std::mem::replace(&mut seen[id][usize::from(in_check)], true) {
            continue;
        }
        let node = &graph.nodes[id];
        if in_check && node.marks.any() {
            return Err(SchemaError::UnsupportedAnnotation(node.location.clone()));
        }
        all = all.union(node.marks);
        waiting.extend(node.described().map(|target| (target, in_check)));
        waiting.extend(node.checked().map(|target| (target, true)));
    }
    Ok(all)
}
