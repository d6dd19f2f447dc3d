//! A usual report, and its page as a browser reads it.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses some of it")]

use std::collections::BTreeSet;

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use serde_json::Value;

/// A report with something of everything.
pub fn sample() -> Value {
    serde_json::from_str(include_str!("report.json")).unwrap()
}

/// A page as a tree of elements.
pub struct Page {
    dom: RcDom,
}

/// The page of a report. Whatever the report holds, its page has no error of syntax.
pub fn page(report: &Value) -> Page {
    let dom = parse_document(RcDom::default(), ParseOpts::default())
        .one(bunker_core::report::html(report));
    assert!(dom.errors.borrow().is_empty(), "{:?}", dom.errors.borrow());
    Page { dom }
}

impl Page {
    /// Every pair of an element and one of its attributes, and every element.
    pub fn vocabulary(&self) -> BTreeSet<(String, String)> {
        let mut words = BTreeSet::new();
        self.walk(&mut |name, attributes, _| {
            words.insert((name.to_owned(), String::new()));
            words.extend(
                attributes.iter().map(|(attribute, _)| (name.to_owned(), attribute.clone())),
            );
        });
        words
    }

    /// The values of all attributes.
    pub fn attribute_values(&self) -> Vec<String> {
        let mut values = Vec::new();
        self.walk(&mut |_, attributes, _| {
            values.extend(attributes.iter().map(|(_, value)| value.clone()))
        });
        values
    }

    /// How many elements match an element's name and, where not empty, one of its classes.
    pub fn count(&self, element: &str, class: &str) -> usize {
        self.texts_of(element, class).len()
    }

    /// The text in each element of that name and, where not empty, class.
    pub fn texts_of(&self, element: &str, class: &str) -> Vec<String> {
        let mut texts = Vec::new();
        self.walk(&mut |name, attributes, node| {
            let classes = attributes.iter().find(|(attribute, _)| attribute == "class");
            let has = |(_, value): &(String, String)| value.split(' ').any(|word| word == class);
            if name == element && (class.is_empty() || classes.is_some_and(has)) {
                texts.push(text_of(node));
            }
        });
        texts
    }

    /// The text of the section with that id.
    pub fn section(&self, id: &str) -> String {
        let mut found = String::new();
        self.walk(&mut |name, attributes, node| {
            if name == "section" && attributes.contains(&("id".to_owned(), id.to_owned())) {
                found = text_of(node);
            }
        });
        found
    }

    /// All text, of the head too.
    pub fn text(&self) -> String {
        text_of(&self.dom.document)
    }

    /// The deepest element.
    pub fn depth(&self) -> usize {
        let mut nodes = vec![(self.dom.document.clone(), 0)];
        let mut deepest = 0;
        while let Some((node, depth)) = nodes.pop() {
            deepest = deepest.max(depth);
            nodes.extend(node.children.borrow().iter().map(|child| (child.clone(), depth + 1)));
        }
        deepest
    }

    fn walk(&self, visit: &mut impl FnMut(&str, &[(String, String)], &Handle)) {
        for node in nodes(&self.dom.document) {
            if let NodeData::Element { name, attrs, .. } = &node.data {
                let attributes: Vec<_> = attrs
                    .borrow()
                    .iter()
                    .map(|attribute| {
                        (attribute.name.local.to_string(), attribute.value.to_string())
                    })
                    .collect();
                visit(&name.local, &attributes, &node);
            }
        }
    }
}

fn text_of(node: &Handle) -> String {
    let mut text = String::new();
    for node in nodes(node) {
        if let NodeData::Text { contents } = &node.data {
            text.push_str(&contents.borrow());
        }
    }
    text
}

/// A node and all below it, in the order of the page; without recursion, for deep pages.
fn nodes(root: &Handle) -> Vec<Handle> {
    let (mut found, mut waiting) = (Vec::new(), vec![root.clone()]);
    while let Some(node) = waiting.pop() {
        waiting.extend(node.children.borrow().iter().rev().cloned());
        found.push(node);
    }
    found
}
