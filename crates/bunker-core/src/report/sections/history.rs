//! The versions of the profile: in each, what differs from the one before.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::changes::{Change, Label, changes};
use crate::report::member::{items, member};
use crate::report::parts::{dash, facts, quiet, section, shown, when};
use crate::report::text::{Data, number};
use crate::report::tree::tree;

pub fn history(report: &Value) -> Markup {
    let versions = in_order(report);
    let body = match versions.as_slice() {
        [] => quiet("No version is held."),
        [_] => html! {
            (quiet("The profile has not changed since."))
            (cards(&versions))
        },
        _ => cards(&versions),
    };
    section("history", "History of the profile", "What was changed, the latest first.", &body)
}

/// Oldest first. The number is missing only where somebody else made the report.
fn in_order(report: &Value) -> Vec<&Value> {
    let mut versions: Vec<_> = items(report, "versions").iter().collect();
    versions.sort_by_key(|version| version.get("version").and_then(Value::as_i64));
    versions
}

fn cards(versions: &[&Value]) -> Markup {
    let before = std::iter::once(None).chain(versions.iter().copied().map(Some));
    let pairs: Vec<_> = before.zip(versions).collect();
    html! {
        @for (before, version) in pairs.into_iter().rev() {
            article.card {
                h3 {
                    "Version"
                    @if let Some(number) = shown(version, "version") { " " (number) }
                }
                (facts([
                    ("At", when(version, "changed_at")),
                    ("By", shown(version, "changed_by")),
                    ("How", shown(version, "operation")),
                ]))
                (content(before, version))
            }
        }
    }
}

fn content(before: Option<&Value>, version: &Value) -> Markup {
    let Some(profile) = member(version, "profile") else {
        return quiet("Its content is not part of this report.");
    };
    match before.and_then(|before| member(before, "profile")) {
        Some(before) => difference(&changes(before, profile)),
        None => html! {
            details { summary { "The whole profile of this version" } (tree(profile)) }
        },
    }
}

fn difference(changes: &[Change]) -> Markup {
    if changes.is_empty() {
        return quiet("Nothing differs from the version before.");
    }
    html! {
        table.changes {
            caption { "What differs from the version before" }
            thead {
                tr {
                    th scope="col" { "Field" }
                    th scope="col" { "Before" }
                    th scope="col" { "After" }
                }
            }
            tbody {
                @for change in changes {
                    tr {
                        th scope="row" { (path(&change.path)) }
                        td data-label="Before" { (side(change.before)) }
                        td data-label="After" { (side(change.after)) }
                    }
                }
            }
        }
    }
}

fn side(value: Option<&Value>) -> Markup {
    value.map_or_else(dash, tree)
}

fn path(labels: &[Label]) -> Markup {
    if labels.is_empty() {
        return html! { "The whole profile" };
    }
    html! {
        @for (index, label) in labels.iter().enumerate() {
            @if index > 0 { " › " }
            @match label {
                Label::Member(name) => (Data(name)),
                Label::Item(index) => { "item " (number(index + 1)) },
            }
        }
    }
}
