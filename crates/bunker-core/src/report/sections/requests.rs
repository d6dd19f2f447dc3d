//! Requests of the data subject, and when his data expire.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::member::{items, member, word};
use crate::report::parts::{cards, facts, named, quiet, section, shown, status, when};

pub fn requests(report: &Value) -> Markup {
    let body = cards(items(report, "requests"), "No request was made.", |_, request| {
        html! {
            article.card {
                h3 {
                    (action(request))
                    @if let Some(status) = status(request, "status") { " " (status) }
                }
                (facts([
                    ("Concerns", shown(request, "subject")),
                    ("Asked", when(request, "created_at")),
                    ("Decided", when(request, "decided_at")),
                    ("Reason", shown(request, "reason")),
                    ("Request", shown(request, "request")),
                ]))
                @if let Some(change) = shown(request, "change") {
                    h4 { "Change asked for" }
                    (change)
                }
            }
        }
    });
    section("requests", "Requests", "What the person has asked for.", &body)
}

fn action(request: &Value) -> Markup {
    let name = match word(request, "action") {
        "forget-me" => "To be forgotten",
        "change-profile" => "Change of the profile",
        "change-app-data" => "Change of application data",
        "agreement-withdraw" => "Withdrawal of a consent",
        _ => return named(request, "action", "A request"),
    };
    html! { (name) }
}

pub fn expiry(report: &Value) -> Markup {
    let body = html! {
        @match member(report, "expiration") {
            Some(expiration) => div.card { (facts([
                ("State", status(expiration, "status")),
                ("Expires", when(expiration, "expires_at")),
                ("Reference", shown(expiration, "expiration")),
            ])) },
            None => (quiet("No expiry is set.")),
        }
    };
    section("expiry", "Expiry", "When the data will be deleted, unless that is stopped.", &body)
}
