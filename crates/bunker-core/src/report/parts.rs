//! The parts that sections are made of.

use maud::{Markup, html};
use serde_json::Value;

use super::member::{items, member};
use super::text::Data;
use super::time::Moment;
use super::tree::tree;

/// A section with a heading that the summary links to.
pub fn section(id: &'static str, heading: &str, about: &str, body: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-heading" } {
            h2 id={ (id) "-heading" } { (heading) }
            p.about { (about) }
            (body)
        }
    }
}

/// A section of one card for each item of a list, or one line that says that there is none.
pub fn cards(list: &[Value], none: &str, card: impl Fn(usize, &Value) -> Markup) -> Markup {
    html! {
        @if list.is_empty() { (quiet(none)) }
        @for (index, item) in list.iter().enumerate() { (card(index, item)) }
    }
}

/// Names and values in short lines; a pair without a value is left out.
pub fn facts<const N: usize>(pairs: [(&str, Option<Markup>); N]) -> Markup {
    html! {
        @if pairs.iter().any(|(_, value)| value.is_some()) {
            dl.facts {
                @for (name, value) in pairs {
                    @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
                }
            }
        }
    }
}

/// A remark that is not data.
pub fn quiet(remark: &str) -> Markup {
    html! { p.quiet { (remark) } }
}

/// A member, if there is one.
pub fn shown(record: &Value, name: &str) -> Option<Markup> {
    member(record, name).map(tree)
}

/// The cell of a table for a member, with a dash for none.
pub fn cell(record: &Value, name: &str) -> Markup {
    shown(record, name).unwrap_or_else(dash)
}

/// What stands for nothing.
pub fn dash() -> Markup {
    html! { span.none { "–" } }
}

/// A member that names its record, in place of a heading; `unnamed` where there is none.
pub fn named(record: &Value, name: &str, unnamed: &str) -> Markup {
    match record.get(name) {
        Some(Value::String(text)) if !text.is_empty() => html! { (Data(text)) },
        _ => html! { (unnamed) },
    }
}

/// A member that is a point in time, to the minute; as it is where it cannot be understood.
pub fn when(record: &Value, name: &str) -> Option<Markup> {
    moment(record, name, Moment::minute)
}

/// The same to the second.
pub fn when_exactly(record: &Value, name: &str) -> Option<Markup> {
    moment(record, name, Moment::second)
}

fn moment(record: &Value, name: &str, format: fn(Moment) -> String) -> Option<Markup> {
    let value = member(record, name)?;
    Some(match value.as_str().and_then(Moment::parse) {
        Some(moment) => html! { time datetime=(moment.machine()) { (format(moment)) } },
        None => tree(value),
    })
}

/// A member that is one of a few words, as a label whose colour tells how it stands.
pub fn status(record: &Value, name: &str) -> Option<Markup> {
    let Some(Value::String(word)) = member(record, name) else {
        return shown(record, name);
    };
    let class = match word.as_str() {
        "yes" | "ok" | "approved" | "active" => "status good",
        "open" | "wait" => "status waiting",
        "no" | "denied" | "failed" | "revoked" => "status bad",
        _ => "status",
    };
    Some(html! { span class=(class) { (Data(word)) } })
}

/// A list of words; a single word, or whatever else it may be, as it is.
pub fn words(record: &Value, name: &str) -> Option<Markup> {
    let list = items(record, name);
    if list.is_empty() || !list.iter().all(Value::is_string) {
        return shown(record, name);
    }
    Some(html! {
        ul.words { @for word in list.iter().filter_map(Value::as_str) { li { (Data(word)) } } }
    })
}
