//! What differs between two versions of a profile.

use serde_json::{Map, Value};

/// Members deeper than this are shown with all that is around them down to here.
const DEEPEST: usize = 8;

/// A place where two values differ.
#[derive(Debug, PartialEq)]
pub struct Change<'a> {
    /// The way to it; empty for the value itself.
    pub path: Vec<Label<'a>>,
    /// Not there before: none.
    pub before: Option<&'a Value>,
    /// Not there any more: none.
    pub after: Option<&'a Value>,
}

/// One step into a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label<'a> {
    /// Into the member of an object.
    Member(&'a str),
    /// Into the item of an array, counted from 0.
    Item(usize),
}

/// All differences, each as deep inside as it is.
pub fn changes<'a>(before: &'a Value, after: &'a Value) -> Vec<Change<'a>> {
    let mut found = Found { path: Vec::new(), changes: Vec::new() };
    found.compare(Some(before), Some(after));
    found.changes
}

struct Found<'a> {
    path: Vec<Label<'a>>,
    changes: Vec<Change<'a>>,
}

impl<'a> Found<'a> {
    fn compare(&mut self, before: Option<&'a Value>, after: Option<&'a Value>) {
        if before == after {
            return;
        }
        match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) if self.may_descend() => {
                self.compare_members(before, after);
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) if self.may_descend() => {
                self.compare_items(before, after);
            }
            _ => self.changes.push(Change { path: self.path.clone(), before, after }),
        }
    }

    fn may_descend(&self) -> bool {
        self.path.len() < DEEPEST
    }

    fn compare_at(&mut self, at: Label<'a>, before: Option<&'a Value>, after: Option<&'a Value>) {
        self.path.push(at);
        self.compare(before, after);
        self.path.pop();
    }

    fn compare_members(&mut self, before: &'a Map<String, Value>, after: &'a Map<String, Value>) {
        for (name, value) in before {
            self.compare_at(Label::Member(name), Some(value), after.get(name));
        }
        for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            self.compare_at(Label::Member(name), None, Some(value));
        }
    }

    /// What both lists begin and end with is the same, so that one item put in is one change.
    fn compare_items(&mut self, before: &'a [Value], after: &'a [Value]) {
        let same = |(a, b): &(&Value, &Value)| a == b;
        let start = before.iter().zip(after).take_while(same).count();
        let (old, new) = (tail(before, start), tail(after, start));
        let end = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
        let (old, new) = (old.len() - end, new.len() - end);
        for index in start..start + old.max(new) {
            let before = before.get(index).filter(|_| index < start + old);
            let after = after.get(index).filter(|_| index < start + new);
            self.compare_at(Label::Item(index), before, after);
        }
    }
}

fn tail(items: &[Value], start: usize) -> &[Value] {
    items.get(start..).unwrap_or_default()
}
