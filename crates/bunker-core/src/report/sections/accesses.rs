//! Who has accessed the data: over time, by whom, and one by one.

use std::collections::HashMap;

use maud::{Markup, html};
use serde_json::Value;

use crate::report::actions::Effect;
use crate::report::member::{items, word};
use crate::report::parts::{cell, dash, named, quiet, section, shown, status, when_exactly};
use crate::report::text::{Data, counted, number};
use crate::report::timeline;

/// How many accesses are listed; what the trail holds beyond them is told by their number.
const LISTED: usize = 500;
/// How many of those who had access are named.
const NAMED: usize = 10;

pub fn accesses(report: &Value) -> Markup {
    let accesses = items(report, "accesses");
    let body = html! {
        @if accesses.is_empty() {
            (quiet("No access is on record."))
        } @else {
            div.card { (timeline::figure(accesses)) }
            div.card { (by_actor(accesses)) }
            div.card { (table(accesses)) }
        }
    };
    section("accesses", "Accesses", "Who has read or changed the data, and when.", &body)
}

/// Those who had access most often.
fn by_actor(accesses: &[Value]) -> Markup {
    let mut counts: HashMap<&str, [usize; 3]> = HashMap::new();
    for access in accesses {
        let [reads, changes, refusals] = counts.entry(word(access, "actor")).or_default();
        *match Effect::of(access) {
            Effect::Read => reads,
            Effect::Change => changes,
            Effect::Refusal => refusals,
        } += 1;
    }
    let mut actors: Vec<_> = counts.into_iter().collect();
    actors.sort_by_key(|&(actor, counts)| (std::cmp::Reverse(counts.iter().sum::<usize>()), actor));
    let others = actors.len().saturating_sub(NAMED);
    html! {
        table.actors {
            caption { "Who had access" }
            thead {
                tr {
                    th scope="col" { "Who" }
                    th.count scope="col" { "Reads" }
                    th.count scope="col" { "Changes" }
                    th.count scope="col" { "Refused or failed" }
                }
            }
            tbody {
                @for (actor, counts) in actors.into_iter().take(NAMED) { (actor_row(actor, counts)) }
            }
        }
        @if others > 0 { p.more { "And " (counted(others, "other", "others")) "." } }
    }
}

fn actor_row(actor: &str, [reads, changes, refusals]: [usize; 3]) -> Markup {
    html! {
        tr {
            th scope="row" { @if actor.is_empty() { "Not recorded" } @else { (Data(actor)) } }
            td.count data-label="Reads" { (number(reads)) }
            td.count data-label="Changes" { (number(changes)) }
            td.count data-label="Refused or failed" { (number(refusals)) }
        }
    }
}

fn table(accesses: &[Value]) -> Markup {
    let more = accesses.len().saturating_sub(LISTED);
    html! {
        table.accesses {
            caption { "Accesses, the latest first" }
            thead {
                tr {
                    th scope="col" { "When" }
                    th scope="col" { "What" }
                    th scope="col" { "Result" }
                    th scope="col" { "Who" }
                    th scope="col" { "Why" }
                    th.count scope="col" { "Event" }
                }
            }
            tbody { @for access in accesses.iter().take(LISTED) { (row(access)) } }
        }
        @if more > 0 {
            p.more {
                "These are the newest " (number(LISTED)) ". The trail holds "
                (counted(more, "older access", "older accesses")) "."
            }
        }
    }
}

fn row(access: &Value) -> Markup {
    html! {
        tr {
            th scope="row" { (when_exactly(access, "at").unwrap_or_else(dash)) }
            td data-label="What" {
                (named(access, "action", "–"))
                @if let Some(app) = shown(access, "app") { p.of { "of " (app) } }
                @if let Some(kind) = shown(access, "kind") { p.of { "found by " (kind) } }
            }
            td data-label="Result" { (status(access, "status").unwrap_or_else(dash)) }
            td data-label="Who" { (cell(access, "actor")) }
            td data-label="Why" {
                (cell(access, "reason"))
                @if let Some(message) = shown(access, "message") { p.of { (message) } }
            }
            td.count data-label="Event" { (cell(access, "id")) }
        }
    }
}
