//! What is held: the profile, data of applications, sessions and shared records.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::member::{is_empty, items, member};
use crate::report::parts::{cards, cell, dash, facts, named, quiet, section, shown, when, words};
use crate::report::tree::tree;

pub fn profile(report: &Value) -> Markup {
    let profile = member(report, "profile").filter(|profile| !is_empty(profile));
    let body = html! {
        @match profile {
            Some(profile) => div.card { (tree(profile)) },
            None => (quiet("The profile is empty.")),
        }
    };
    section("profile", "Profile", "The data as they are now.", &body)
}

pub fn apps(report: &Value) -> Markup {
    let body = cards(items(report, "apps"), "No application keeps data here.", |_, app| {
        html! {
            article.card {
                h3 { (named(app, "app", "An application")) }
                (facts([
                    ("Version", shown(app, "version")),
                    ("Created", when(app, "created_at")),
                    ("Changed", when(app, "updated_at")),
                ]))
                (contents(app))
            }
        }
    });
    section("apps", "Application data", "What single applications keep about the person.", &body)
}

pub fn sessions(report: &Value) -> Markup {
    let body = cards(items(report, "sessions"), "There is no session.", |_, session| {
        html! {
            article.card {
                h3.identifier { (named(session, "session", "A session")) }
                (facts([
                    ("Created", when(session, "created_at")),
                    ("Ends", when(session, "expires_at")),
                ]))
                (contents(session))
            }
        }
    });
    section("sessions", "Sessions", "Short-lived data, such as of a log-in.", &body)
}

fn contents(record: &Value) -> Markup {
    match member(record, "data").filter(|data| !is_empty(data)) {
        Some(data) => tree(data),
        None => quiet("It holds no data."),
    }
}

pub fn shares(report: &Value) -> Markup {
    let shares = items(report, "shares");
    let body = html! {
        @if shares.is_empty() { (quiet("Nothing is shared.")) } @else { div.card { (share_table(shares)) } }
    };
    section(
        "shares",
        "Shared records",
        "Parts of the data that others may read for a while.",
        &body,
    )
}

fn share_table(shares: &[Value]) -> Markup {
    html! {
        table.shares {
            caption { "What is shared, with whom and until when" }
            thead {
                tr {
                    th scope="col" { "With" }
                    th scope="col" { "What" }
                    th scope="col" { "From" }
                    th scope="col" { "Until" }
                    th scope="col" { "Record" }
                }
            }
            tbody {
                @for share in shares {
                    tr {
                        th scope="row" { (named(share, "partner", "Whoever has the record's number")) }
                        td data-label="What" { (shared(share)) }
                        td data-label="From" { (when(share, "created_at").unwrap_or_else(dash)) }
                        td data-label="Until" { (when(share, "expires_at").unwrap_or_else(dash)) }
                        td.identifier data-label="Record" { (cell(share, "record")) }
                    }
                }
            }
        }
    }
}

/// Which fields, and of what.
fn shared(share: &Value) -> Markup {
    let fields = words(share, "fields").unwrap_or_else(|| html! { "All fields" });
    html! {
        (fields)
        @if let Some(app) = shown(share, "app") { p.of { "of the application " (app) } }
        @if let Some(session) = shown(share, "session") { p.of { "of the session " (session) } }
    }
}
