//! Building a [`SchemaGraph`] from a schema's JSON, without recursion.

use std::{
    collections::{HashMap, VecDeque},
    ptr,
};

use serde_json::{Map, Value};

use super::{
    annotations::Marks,
    cost,
    graph::{Node, NodeId, SchemaGraph},
    location::SchemaLocation,
    schema::SchemaError,
};

/// The most regular expressions in one schema; each compiled one takes up to a set size.
const MAX_PATTERNS: usize = 256;

/// The bytes that the full locations of all subschemas may take together.
///
/// The validator keeps each. Long member names above many subschemas would multiply.
const MAX_LOCATION_BYTES: usize = 4 << 20;

/// Keywords of older drafts, or for schemas made of several documents.
///
/// Nothing here follows them, and a keyword must not be half understood.
const UNSUPPORTED: [&str; 8] = [
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "additionalItems",
    "dependencies",
    "discriminator",
];

/// Builds the graph of all subschemas that can be reached in `schema`.
///
/// The keywords' shapes are left to the meta-schema: what has the wrong one is passed over.
pub(super) fn build(schema: &Value) -> Result<SchemaGraph, SchemaError> {
    let mut builder = Builder::new(schema);
    builder.visit(schema, SchemaLocation::default(), 0)?;
    builder.scan_all()?;
    let Builder { mut nodes, .. } = builder;
    let order = cost::in_place_order(&mut nodes)?;
    let mut rank = vec![0; nodes.len()];
    order.iter().enumerate().for_each(|(position, &id)| rank[id] = position);
    Ok(SchemaGraph { nodes, order, rank })
}

/// A subschema whose keywords are still to be read.
struct Pending<'a> {
    id: NodeId,
    keywords: &'a Map<String, Value>,
    location_bytes: usize,
}

struct Builder<'a> {
    root: &'a Value,
    nodes: Vec<Node>,
    /// Subschemas by identity, so that each is taken in once.
    known: HashMap<*const Value, NodeId>,
    pending: VecDeque<Pending<'a>>,
    anchors: HashMap<&'a str, NodeId>,
    references: Vec<(NodeId, &'a str)>,
    patterns: usize,
    location_bytes: usize,
}

impl<'a> Builder<'a> {
    fn new(root: &'a Value) -> Self {
        Self {
            root,
            nodes: Vec::new(),
            known: HashMap::new(),
            pending: VecDeque::new(),
            anchors: HashMap::new(),
            references: Vec::new(),
            patterns: 0,
            location_bytes: 0,
        }
    }

    /// Reads subschemas, then follows references, which may lead to more subschemas.
    fn scan_all(&mut self) -> Result<(), SchemaError> {
        loop {
            while let Some(pending) = self.pending.pop_front() {
                self.scan(&pending)?;
            }
            let Some((from, reference)) = self.references.pop() else {
                return Ok(());
            };
            let target = self.resolve(reference)?;
            self.nodes[from].in_place.push(target);
        }
    }

    fn visit(
        &mut self,
        schema: &'a Value,
        location: SchemaLocation,
        location_bytes: usize,
    ) -> Result<NodeId, SchemaError> {
        if let Some(&id) = self.known.get(&ptr::from_ref(schema)) {
            return Ok(id);
        }
        self.location_bytes = self.location_bytes.saturating_add(location_bytes);
        if self.location_bytes > MAX_LOCATION_BYTES {
            return Err(SchemaError::TooComplex);
        }
        let id = self.nodes.len();
        self.known.insert(ptr::from_ref(schema), id);
        self.nodes.push(Node { location, weight: 1, ..Node::default() });
        if let Value::Object(keywords) = schema {
            self.pending.push_back(Pending { id, keywords, location_bytes });
        }
        Ok(id)
    }

    fn scan(&mut self, schema: &Pending<'a>) -> Result<(), SchemaError> {
        let node = &mut self.nodes[schema.id];
        node.marks = Marks::read(schema.keywords, &node.location)?;
        for (keyword, value) in schema.keywords {
            let nested = schema.id != 0 && matches!(keyword.as_str(), "$id" | "$schema");
            if nested || UNSUPPORTED.contains(&keyword.as_str()) {
                let location = self.nodes[schema.id].location.join(keyword);
                return Err(SchemaError::UnsupportedKeyword(location));
            }
            self.scan_keyword(schema, keyword, value)?;
        }
        Ok(())
    }

    fn scan_keyword(
        &mut self,
        schema: &Pending<'a>,
        keyword: &'a str,
        value: &'a Value,
    ) -> Result<(), SchemaError> {
        match keyword {
            "$ref" => self.references.extend(value.as_str().map(|target| (schema.id, target))),
            "$anchor" => self.anchors.extend(value.as_str().map(|anchor| (anchor, schema.id))),
            "pattern" => self.count_patterns(1)?,
            "enum" | "required" => {
                let entries = value.as_array().map_or(0, Vec::len) as u64;
                self.nodes[schema.id].weight += entries;
            }
            "properties" => {
                for (name, target) in self.visit_members(schema, keyword, value)? {
                    self.nodes[schema.id].properties.insert(name.clone(), target);
                }
            }
            _ => return self.scan_applicator(schema, keyword, value),
        }
        Ok(())
    }

    /// Keywords whose value is one subschema, a list of them, or a map of them.
    fn scan_applicator(
        &mut self,
        schema: &Pending<'a>,
        keyword: &'a str,
        value: &'a Value,
    ) -> Result<(), SchemaError> {
        let targets = match keyword {
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                self.visit_items(schema, keyword, value)?
            }
            "dependentSchemas" | "patternProperties" | "$defs" | "definitions" => {
                self.visit_members(schema, keyword, value)?.into_iter().map(|(_, id)| id).collect()
            }
            "then"
            | "else"
            | "if"
            | "not"
            | "additionalProperties"
            | "propertyNames"
            | "unevaluatedProperties"
            | "items"
            | "contains"
            | "unevaluatedItems"
            | "contentSchema" => vec![self.visit_below(schema, &[keyword], value)?],
            _ => return Ok(()),
        };
        if keyword == "patternProperties" {
            self.count_patterns(targets.len())?;
        }
        attach(&mut self.nodes[schema.id], keyword, targets);
        Ok(())
    }

    fn visit_items(
        &mut self,
        schema: &Pending<'a>,
        keyword: &str,
        value: &'a Value,
    ) -> Result<Vec<NodeId>, SchemaError> {
        let items = value.as_array().into_iter().flatten().enumerate();
        items.map(|(i, item)| self.visit_below(schema, &[keyword, &i.to_string()], item)).collect()
    }

    fn visit_members(
        &mut self,
        schema: &Pending<'a>,
        keyword: &str,
        value: &'a Value,
    ) -> Result<Vec<(&'a String, NodeId)>, SchemaError> {
        let members = value.as_object().into_iter().flatten();
        members
            .map(|(name, member)| Ok((name, self.visit_below(schema, &[keyword, name], member)?)))
            .collect()
    }

    fn visit_below(
        &mut self,
        schema: &Pending<'a>,
        tokens: &[&str],
        value: &'a Value,
    ) -> Result<NodeId, SchemaError> {
        let above = self.nodes[schema.id].location.clone();
        let location = tokens.iter().fold(above, |location, token| location.join(token));
        let bytes: usize = tokens.iter().map(|token| token.len() + 1).sum();
        self.visit(value, location, schema.location_bytes + bytes)
    }

    fn count_patterns(&mut self, more: usize) -> Result<(), SchemaError> {
        self.patterns += more;
        if self.patterns > MAX_PATTERNS { Err(SchemaError::TooComplex) } else { Ok(()) }
    }

    /// The subschema that a `$ref` within this document leads to.
    ///
    /// Percent-encoded fragments are not resolved: no sensible name of a definition needs them.
    fn resolve(&mut self, reference: &str) -> Result<NodeId, SchemaError> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(SchemaError::ExternalReference);
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let anchor = self.anchors.get(fragment).copied();
            return anchor.ok_or(SchemaError::UnresolvedReference);
        }
        let found = if fragment.contains('%') { None } else { self.root.pointer(fragment) };
        let target = found.ok_or(SchemaError::UnresolvedReference)?;
        self.visit(target, SchemaLocation::within(self.root, fragment), fragment.len())
    }
}

/// Records what `keyword` applies, by the place it applies it to.
fn attach(node: &mut Node, keyword: &str, targets: Vec<NodeId>) {
    match keyword {
        "allOf" | "anyOf" | "oneOf" | "then" | "else" | "dependentSchemas" => {
            node.in_place.extend(targets);
        }
        "if" | "not" => node.in_place_checks.extend(targets),
        "prefixItems" => node.prefix_items = targets,
        "items" => node.items = targets.first().copied(),
        "additionalProperties" => node.additional = targets.first().copied(),
        "patternProperties" | "propertyNames" | "unevaluatedProperties" => {
            node.has_patterns |= keyword == "patternProperties" && !targets.is_empty();
            node.reevaluates |= keyword == "unevaluatedProperties";
            node.member_checks.extend(targets);
        }
        "contains" | "unevaluatedItems" => {
            node.reevaluates |= keyword == "unevaluatedItems";
            node.item_checks.extend(targets);
        }
        // `$defs`, `definitions` and `contentSchema` apply nothing by themselves.
        _ => {}
    }
}
