//! A schema as a graph: which subschemas apply to which place of a document.
//!
//! Walking a schema once per document by following every reference can take exponential time.
//! The walk here keeps, for each place in a document, the *set* of subschemas that apply there and
//! how many ways lead to each, so it takes time linear in the document whatever the schema.

use std::collections::BTreeMap;

use super::{annotations::Marks, location::SchemaLocation};

/// The index of a subschema in its [`SchemaGraph`].
pub(super) type NodeId = usize;

/// One subschema and the subschemas it applies, by the place they apply to.
///
/// Those it only checks with, such as `not` or `contains`, say nothing about whether a value
/// *is* what they describe, so annotations in them have no meaning.
#[derive(Default)]
pub(super) struct Node {
    /// Where the subschema stands.
    pub(super) location: SchemaLocation,
    /// Our own annotations on it.
    pub(super) marks: Marks,
    /// What one evaluation costs, in comparisons.
    pub(super) weight: u64,
    /// The longest chain of subschemas applied in place from here on, itself included.
    pub(super) in_place_depth: usize,
    /// Whether `unevaluated…` makes the validator evaluate the in-place subschemas again.
    pub(super) reevaluates: bool,
    /// Applied to the same place: `allOf`, `anyOf`, `oneOf`, `then`, `else`, `$ref`, ….
    pub(super) in_place: Vec<NodeId>,
    /// Applied to the same place, but only to check: `if`, `not`.
    pub(super) in_place_checks: Vec<NodeId>,
    /// Applied to a member by its name: `properties`.
    pub(super) properties: BTreeMap<String, NodeId>,
    /// Applied to members that `properties` does not name: `additionalProperties`.
    pub(super) additional: Option<NodeId>,
    /// Whether `patternProperties` takes members away from `additionalProperties`.
    pub(super) has_patterns: bool,
    /// Applied to items by position: `prefixItems`.
    pub(super) prefix_items: Vec<NodeId>,
    /// Applied to the items after those: `items`.
    pub(super) items: Option<NodeId>,
    /// Checks on members: `patternProperties`, `propertyNames`, `unevaluatedProperties`.
    pub(super) member_checks: Vec<NodeId>,
    /// Checks on items: `contains`, `unevaluatedItems`.
    pub(super) item_checks: Vec<NodeId>,
}

impl Node {
    /// What is applied as a description, and so carries annotations.
    pub(super) fn described(&self) -> impl Iterator<Item = NodeId> {
        let additional = self.additional.filter(|_| !self.has_patterns);
        (self.in_place.iter().chain(self.properties.values()).chain(&self.prefix_items).copied())
            .chain(additional)
            .chain(self.items)
    }

    /// What is applied only as a check, or to members that we cannot tell by their name.
    pub(super) fn checked(&self) -> impl Iterator<Item = NodeId> {
        let additional = self.additional.filter(|_| self.has_patterns);
        (self.in_place_checks.iter().chain(&self.member_checks).chain(&self.item_checks).copied())
            .chain(additional)
    }

    /// Everything applied to the same place, with how often it is evaluated there.
    pub(super) fn same_place(&self) -> impl Iterator<Item = (NodeId, u64)> {
        let times = if self.reevaluates { 2 } else { 1 };
        self.in_place.iter().chain(&self.in_place_checks).map(move |&target| (target, times))
    }
}

/// A place in a document, one step down from another.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

/// Which subschemas a walk follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Those that describe a value, for annotations.
    Descriptions,
    /// All that a validator may evaluate, for the cost.
    Evaluations,
}

/// The subschemas that apply to one place, by rank, and how many times each is evaluated there.
pub(super) type Active = BTreeMap<usize, u64>;

/// All subschemas of a schema. In-place application is free of cycles.
pub(super) struct SchemaGraph {
    pub(super) nodes: Vec<Node>,
    /// Node ids in an order in which in-place application only points forward.
    pub(super) order: Vec<NodeId>,
    /// The position of each node in `order`.
    pub(super) rank: Vec<usize>,
}

impl SchemaGraph {
    /// The subschema at a position of the order.
    pub(super) fn ranked(&self, rank: usize) -> &Node {
        &self.nodes[self.order[rank]]
    }

    /// What applies to the document as a whole.
    pub(super) fn at_root(&self, view: View) -> Active {
        // The builder takes in the root schema first.
        self.expand([(0, 1)].into_iter(), view)
    }

    /// What applies one step below a place to which `active` applies.
    pub(super) fn below(&self, active: &Active, step: Step<'_>, view: View) -> Active {
        let targets = active.iter().flat_map(|(&rank, &times)| {
            self.targets(self.ranked(rank), step, view).map(move |target| (target, times))
        });
        self.expand(targets, view)
    }

    fn targets<'a>(
        &'a self,
        node: &'a Node,
        step: Step<'a>,
        view: View,
    ) -> impl Iterator<Item = NodeId> + 'a {
        let (described, checks) = match step {
            Step::Member(name) => {
                let rest =
                    node.additional.filter(|_| !(node.has_patterns && view == View::Descriptions));
                (node.properties.get(name).copied().or(rest), &node.member_checks)
            }
            Step::Item(index) => {
                (node.prefix_items.get(index).copied().or(node.items), &node.item_checks)
            }
        };
        let checks = if view == View::Evaluations { checks.as_slice() } else { &[] };
        described.into_iter().chain(checks.iter().copied())
    }

    /// Adds all that is applied in place, in one pass forward through the order.
    fn expand(&self, targets: impl Iterator<Item = (NodeId, u64)>, view: View) -> Active {
        let mut waiting = Active::new();
        let mut active = Active::new();
        targets.for_each(|(target, times)| self.add(&mut waiting, target, times));
        while let Some((rank, times)) = waiting.pop_first() {
            let node = self.ranked(rank);
            match view {
                View::Descriptions => {
                    node.in_place.iter().for_each(|&target| self.add(&mut waiting, target, 1));
                }
                View::Evaluations => node.same_place().for_each(|(target, each)| {
                    self.add(&mut waiting, target, times.saturating_mul(each));
                }),
            }
            active.insert(rank, times);
        }
        active
    }

    fn add(&self, waiting: &mut Active, target: NodeId, times: u64) {
        let total = waiting.entry(self.rank[target]).or_insert(0);
        *total = total.saturating_add(times);
    }
}
