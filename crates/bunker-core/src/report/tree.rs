//! Any JSON value for people to read: objects as lists of definitions, arrays as lists.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::text::{Data, counted, number, shortened};

/// How deep containers are drawn inside each other; from there on each says where it belongs instead,
/// so that the deepest has the same width of the page.
const INDENTED: usize = 4;
/// Deeper than any profile, which has at most 128 levels, and safe for every stack.
const DEEPEST: usize = 160;
/// A list with more items opens at a click.
const MANY_ITEMS: usize = 50;
/// A longer text opens at a click; in characters.
const LONG_TEXT: usize = 2_000;
/// How many of the containers around a deep one are named, and by how many characters each.
const NAMED: usize = 3;
const NAME: usize = 30;

/// A value with all that is in it.
pub fn tree(value: &Value) -> Markup {
    node(value, &Place { within: None, step: Step::Root, depth: 0 })
}

/// Where a value stands, as a chain up to the root.
struct Place<'a> {
    within: Option<&'a Place<'a>>,
    step: Step<'a>,
    depth: usize,
}

enum Step<'a> {
    Root,
    Member(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    fn inside(&'a self, step: Step<'a>) -> Self {
        Place { within: Some(self), step, depth: self.depth + 1 }
    }

    /// The names of the nearest containers, outermost first.
    fn names(&self) -> Vec<String> {
        let chain = std::iter::successors(Some(self), |place| place.within);
        let mut names: Vec<_> = chain.filter_map(|place| place.step.name()).take(NAMED).collect();
        names.reverse();
        names
    }
}

impl Step<'_> {
    fn name(&self) -> Option<String> {
        match self {
            Self::Root => None,
            Self::Member(name) => Some(shortened(name, NAME)),
            Self::Item(index) => Some(format!("item {}", number(index + 1))),
        }
    }
}

fn node(value: &Value, place: &Place) -> Markup {
    match value {
        Value::Null => remark("nothing"),
        Value::Bool(flag) => html! { span.literal { (flag) } },
        Value::Number(digits) => html! { span.literal { (digits.to_string()) } },
        Value::String(text) => string(text),
        Value::Array(items) if items.is_empty() => remark("empty list"),
        Value::Object(members) if members.is_empty() => remark("empty"),
        _ if place.depth >= DEEPEST => remark("nested too deep to be shown"),
        Value::Array(items) => list(items, place),
        Value::Object(members) => object(members, place),
    }
}

fn remark(words: &str) -> Markup {
    html! { span.none { (words) } }
}

fn string(text: &str) -> Markup {
    if text.is_empty() {
        return remark("empty text");
    }
    if text.len() <= LONG_TEXT {
        return html! { (Data(text)) };
    }
    let length = counted(text.chars().count(), "character", "characters");
    html! { details.long { summary { "Text of " (length) } (Data(text)) } }
}

fn object(members: &Map<String, Value>, place: &Place) -> Markup {
    html! {
        (whereabouts(place))
        dl class=(drawn("tree", "tree flat", place)) {
            @for (name, value) in members {
                div { dt { (Data(name)) } dd { (node(value, &place.inside(Step::Member(name)))) } }
            }
        }
    }
}

fn list(items: &[Value], place: &Place) -> Markup {
    let list = html! {
        ol class=(drawn("items", "items flat", place)) {
            @for (index, value) in items.iter().enumerate() {
                li { (node(value, &place.inside(Step::Item(index)))) }
            }
        }
    };
    html! {
        @if items.iter().any(is_container) { (whereabouts(place)) }
        @if items.len() > MANY_ITEMS {
            details { summary { "List of " (number(items.len())) " items" } (list) }
        } @else {
            (list)
        }
    }
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn drawn(indented: &'static str, flat: &'static str, place: &Place) -> &'static str {
    if place.depth < INDENTED { indented } else { flat }
}

/// The line above a container that is not drawn inside the one it is in.
fn whereabouts(place: &Place) -> Markup {
    html! {
        @if place.depth >= INDENTED {
            p.whereabouts {
                "Level " (place.depth + 1) " · "
                @if place.depth > NAMED { "… › " }
                @for (index, name) in place.names().iter().enumerate() {
                    @if index > 0 { " › " }
                    (Data(name))
                }
            }
        }
    }
}
