//! How much work a schema can make of a document, known before the work is begun.

use serde_json::Value;

use super::{
    graph::{Active, Node, NodeId, SchemaGraph, Step, View},
    schema::SchemaError,
};

/// The longest chain of subschemas applied in place; the validator recurses along it.
const MAX_IN_PLACE_DEPTH: usize = 32;

/// The deepest recursion of the validator, in subschemas; each takes up to half a kilobyte of
/// stack, and several times that in an unoptimised build.
const MAX_RECURSION: usize = 1_024;

/// The most evaluations that one place of a document may cost.
const MAX_IN_PLACE_COST: u64 = 100_000;

/// Up to this many evaluations for a whole schema, documents need no look at what they cost.
const NEGLIGIBLE_COST: u64 = 256;

/// The most evaluations that the check of one document may take, which is about a second.
const MAX_DOCUMENT_COST: u64 = 4_000_000;

/// Orders the subschemas so that in-place application only points forward, and tells each how deep
/// that goes from there.
///
/// # Errors
///
/// [`SchemaError::EndlessReference`] when a subschema applies itself to the very same place, which
/// no document can come to the end of, and [`SchemaError::TooComplex`] past the limits above.
pub(super) fn in_place_order(nodes: &mut [Node]) -> Result<Vec<NodeId>, SchemaError> {
    let targets = |id: NodeId| nodes[id].same_place().map(|(target, _)| target);
    let order = topological_order(nodes.len(), targets).ok_or(SchemaError::EndlessReference)?;
    let mut cost = vec![0_u64; nodes.len()];
    for &id in order.iter().rev() {
        let mut depth = 0;
        cost[id] = nodes[id].weight;
        for (target, times) in nodes[id].same_place() {
            depth = depth.max(nodes[target].in_place_depth);
            cost[id] = cost[id].saturating_add(cost[target].saturating_mul(times));
        }
        nodes[id].in_place_depth = depth + 1;
        if depth >= MAX_IN_PLACE_DEPTH || cost[id] > MAX_IN_PLACE_COST {
            return Err(SchemaError::TooComplex);
        }
    }
    Ok(order)
}

/// Whether every document is cheap to check: no recursion, and few subschemas however they are
/// reached.
pub(super) fn is_negligible(graph: &SchemaGraph) -> bool {
    let nodes = &graph.nodes;
    let below = |id: NodeId| {
        let node: &Node = &nodes[id];
        node.described().chain(node.checked())
    };
    let Some(order) = topological_order(nodes.len(), below) else {
        return false;
    };
    let mut cost = vec![0_u64; nodes.len()];
    for &id in order.iter().rev() {
        let times = if nodes[id].reevaluates { 2 } else { 1 };
        cost[id] = below(id).fold(nodes[id].weight, |sum, target| {
            sum.saturating_add(cost[target].saturating_mul(times))
        });
    }
    cost.first().is_some_and(|&root| root <= NEGLIGIBLE_COST)
}

/// How many evaluations the check of `document` may take.
///
/// `None` when they are too many, or would recurse too deep.
pub(super) fn of_document(graph: &SchemaGraph, document: &Value) -> Option<u64> {
    let mut budget = Budget { graph, evaluations: MAX_DOCUMENT_COST, depth: MAX_RECURSION };
    budget.spend(&graph.at_root(View::Evaluations), document)?;
    Some(MAX_DOCUMENT_COST - budget.evaluations)
}

/// What the check of a document may still use.
struct Budget<'a> {
    graph: &'a SchemaGraph,
    evaluations: u64,
    depth: usize,
}

impl Budget<'_> {
    /// Takes what it costs to check `value` and all below it; `None` once there is too little.
    fn spend(&mut self, active: &Active, value: &Value) -> Option<()> {
        let mut depth = 0;
        for (&rank, &times) in active {
            let node = self.graph.ranked(rank);
            self.evaluations = self.evaluations.checked_sub(times.saturating_mul(node.weight))?;
            depth = depth.max(node.in_place_depth);
        }
        if active.is_empty() {
            return Some(());
        }
        self.depth = self.depth.checked_sub(depth)?;
        match value {
            Value::Object(members) => members
                .iter()
                .try_for_each(|(name, value)| self.spend_below(active, Step::Member(name), value)),
            Value::Array(items) => (items.iter().enumerate())
                .try_for_each(|(i, value)| self.spend_below(active, Step::Item(i), value)),
            _ => Some(()),
        }?;
        self.depth += depth;
        Some(())
    }

    fn spend_below(&mut self, active: &Active, step: Step<'_>, value: &Value) -> Option<()> {
        self.spend(&self.graph.below(active, step, View::Evaluations), value)
    }
}

/// Kahn's algorithm; `None` if there is a cycle.
fn topological_order<I: Iterator<Item = NodeId>>(
    count: usize,
    targets: impl Fn(NodeId) -> I,
) -> Option<Vec<NodeId>> {
    let mut incoming = vec![0_usize; count];
    (0..count).flat_map(&targets).for_each(|target| incoming[target] += 1);
    let mut order: Vec<NodeId> = (0..count).filter(|&id| incoming[id] == 0).collect();
    let mut next = 0;
    while let Some(&id) = order.get(next) {
        next += 1;
        for target in targets(id) {
            incoming[target] -= 1;
            if incoming[target] == 0 {
                order.push(target);
            }
        }
    }
    (order.len() == count).then_some(order)
}
