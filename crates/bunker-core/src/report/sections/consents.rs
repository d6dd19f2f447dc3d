//! Consents with the text of what they rest on, and what the data are used for under them.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::member::{items, member, word};
use crate::report::parts::{cards, facts, named, section, shown, status, when};
use crate::report::text::Data;

pub fn consents(report: &Value) -> Markup {
    let body =
        cards(items(report, "agreements"), "No consent was asked for.", |index, agreement| {
            let basis = &agreement["legal_basis"];
            let known = !word(basis, "shortdesc").is_empty();
            html! {
                article.card id={ "consent-" (index + 1) } {
                    h3 {
                        @if known { (named(basis, "shortdesc", "")) }
                        @else { (named(agreement, "brief", "A consent")) }
                        @if let Some(status) = status(agreement, "status") { " " (status) }
                    }
                    (given(agreement))
                    (legal_basis(basis, word(agreement, "brief")))
                }
            }
        });
    section(
        "consents",
        "Consents",
        "What was agreed to or refused, and the text it was about.",
        &body,
    )
}

/// How and when the consent was given.
fn given(agreement: &Value) -> Markup {
    facts([
        ("Brief", shown(agreement, "brief")),
        ("Recorded", when(agreement, "created_at")),
        ("Changed", when(agreement, "updated_at")),
        ("Holds from", when(agreement, "starttime")),
        ("Holds until", when(agreement, "expiration")),
        ("Method", shown(agreement, "agreementmethod")),
        ("Reference", shown(agreement, "referencecode")),
        ("Last changed by", shown(agreement, "lastmodifiedby")),
    ])
}

/// Its brief is the consent's; where it is not, that is shown.
fn legal_basis(basis: &Value, brief: &str) -> Markup {
    let another = word(basis, "brief") != brief;
    html! {
        @if let Some(text) = shown(basis, "fulldesc") { blockquote { (text) } }
        (facts([
            ("Legal basis", lawfulness(basis)),
            ("Brief of the basis", shown(basis, "brief").filter(|_| another)),
            ("State of the basis", shown(basis, "status")),
            ("Module", shown(basis, "module")),
            ("Required", flag(basis, "requiredflag")),
            ("Why required", shown(basis, "requiredmsg")),
            ("In the person's own hands", flag(basis, "usercontrol")),
        ]))
    }
}

/// The ground for the processing, with its place in article 6 of the GDPR where it has one.
fn lawfulness(basis: &Value) -> Option<Markup> {
    let ground = match word(basis, "basistype") {
        "consent" => "Consent (GDPR article 6(1)(a))",
        "contract" | "contract-based" => "Contract (GDPR article 6(1)(b))",
        "legal-requirement" | "legal-obligation" => "Legal obligation (GDPR article 6(1)(c))",
        "vital-interest" | "vital-interests" => "Vital interests (GDPR article 6(1)(d))",
        "public-interest" | "public-task" => "Public interest (GDPR article 6(1)(e))",
        "legitimate-interest" | "legitimate-interests" => {
            "Legitimate interests (GDPR article 6(1)(f))"
        }
        _ => return shown(basis, "basistype"),
    };
    Some(html! { (ground) })
}

/// A truth value in words.
fn flag(record: &Value, name: &str) -> Option<Markup> {
    match member(record, name)? {
        Value::Bool(true) => Some(html! { "Yes" }),
        Value::Bool(false) => Some(html! { "No" }),
        _ => shown(record, name),
    }
}

pub fn activities(report: &Value) -> Markup {
    let none = "No processing activity rests on these consents.";
    let body = cards(items(report, "activities"), none, |_, activity| {
        let titled = !word(activity, "title").is_empty();
        html! {
            article.card {
                h3 { (named(activity, if titled { "title" } else { "activity" }, "An activity")) }
                @if let Some(text) = shown(activity, "fulldesc") { div.prose { (text) } }
                (facts([
                    ("Activity", shown(activity, "activity")),
                    ("Applies to", shown(activity, "applicableto")),
                    ("Rests on", bases(report, activity)),
                    ("Script", shown(activity, "script")),
                ]))
            }
        }
    });
    section(
        "activities",
        "Uses of the data",
        "Processing activities that rest on the consents.",
        &body,
    )
}

/// The briefs it rests on, each with a link to the consent above.
fn bases(report: &Value, activity: &Value) -> Option<Markup> {
    let briefs = items(activity, "legal_bases");
    if briefs.is_empty() || !briefs.iter().all(Value::is_string) {
        return shown(activity, "legal_bases");
    }
    let place = |brief: &str| {
        items(report, "agreements").iter().position(|agreement| word(agreement, "brief") == brief)
    };
    Some(html! {
        ul.words {
            @for brief in briefs.iter().filter_map(Value::as_str) {
                li {
                    @match place(brief) {
                        Some(index) => a href={ "#consent-" (index + 1) } { (Data(brief)) },
                        None => (Data(brief)),
                    }
                }
            }
        }
    })
}
