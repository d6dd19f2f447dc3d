//! Which annotated values a change touches, and which values outlive their user.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    annotations::Marks,
    equality::same_json,
    graph::{Active, Node, SchemaGraph, Step, View},
};

/// Which annotation makes a change matter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// `locked`: a value that was set must stay.
    Locked,
    /// `admin`: a value must be the same, and stay unset where it was.
    Admin,
}

impl Guard {
    fn applies_to(self, marks: Marks) -> bool {
        match self {
            Self::Locked => marks.locked,
            Self::Admin => marks.admin,
        }
    }

    /// Whether the guarded value changed. Null is as good as missing.
    fn is_broken(self, old: Option<&Value>, new: Option<&Value>) -> bool {
        match (old, new) {
            (None, None) => false,
            (None, Some(_)) => self == Self::Admin,
            (Some(_), None) => true,
            (Some(old), Some(new)) => !same_json(old, new),
        }
    }
}

/// The first subschema whose guarded value differs between two versions of a profile.
pub(super) fn find_change<'a>(
    graph: &'a SchemaGraph,
    guard: Guard,
    old: &Value,
    new: &Value,
) -> Option<&'a Node> {
    Comparison { graph, guard }.at(&graph.at_root(View::Descriptions), Some(old), Some(new))
}

struct Comparison<'a> {
    graph: &'a SchemaGraph,
    guard: Guard,
}

impl<'a> Comparison<'a> {
    fn at(&self, active: &Active, old: Option<&Value>, new: Option<&Value>) -> Option<&'a Node> {
        let old = old.filter(|value| !value.is_null());
        let new = new.filter(|value| !value.is_null());
        let settled = match self.guard {
            Guard::Locked => old.is_none(),
            Guard::Admin => old.is_none() && new.is_none(),
        };
        if active.is_empty() || settled {
            return None;
        }
        active
            .keys()
            .map(|&rank| self.graph.ranked(rank))
            .find(|node| self.guard.applies_to(node.marks) && self.guard.is_broken(old, new))
            .or_else(|| self.below(active, old, new))
    }

    /// Compares members by name and items by position.
    ///
    /// What changed its type has lost all members and items it had, so nothing slips through by
    /// turning an object into an array or a text. Items that moved count as changed.
    fn below(&self, active: &Active, old: Option<&Value>, new: Option<&Value>) -> Option<&'a Node> {
        let names: BTreeSet<_> = [old, new].into_iter().flat_map(names).collect();
        let at_members = names.into_iter().find_map(|name| {
            let active = self.graph.below(active, Step::Member(name), View::Descriptions);
            self.at(&active, member(old, name), member(new, name))
        });
        at_members.or_else(|| {
            let length = items(old).len().max(items(new).len());
            (0..length).find_map(|i| {
                let active = self.graph.below(active, Step::Item(i), View::Descriptions);
                self.at(&active, items(old).get(i), items(new).get(i))
            })
        })
    }
}

fn names(value: Option<&Value>) -> impl Iterator<Item = &String> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::keys)
}

fn member<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    value?.as_object()?.get(name)
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What is left of a profile when only `preserve` values stay, or `None` if there are none.
///
/// Objects and arrays around them stay as their frame. An item that is not preserved, before one
/// that is, becomes null, so that positions keep their meaning.
pub(super) fn preserved(graph: &SchemaGraph, profile: &Value) -> Option<Value> {
    preserved_at(graph, &graph.at_root(View::Descriptions), profile)
}

fn preserved_at(graph: &SchemaGraph, active: &Active, value: &Value) -> Option<Value> {
    if active.is_empty() || value.is_null() {
        return None;
    }
    if active.keys().any(|&rank| graph.ranked(rank).marks.preserve) {
        return Some(value.clone());
    }
    let below =
        |step, value| preserved_at(graph, &graph.below(active, step, View::Descriptions), value);
    match value {
        Value::Object(members) => {
            let kept: Map<_, _> = (members.iter())
                .filter_map(|(name, value)| Some((name.clone(), below(Step::Member(name), value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let mut kept: Vec<_> =
                items.iter().enumerate().map(|(i, value)| below(Step::Item(i), value)).collect();
            let length = kept.iter().rposition(Option::is_some)? + 1;
            kept.truncate(length);
            Some(kept.into_iter().map(Option::unwrap_or_default).collect())
        }
        _ => None,
    }
}
