//! The page around the sections: head, title, and the summary that leads to them.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::member::{items, member, word};
use super::parts::{facts, shown, when};
use super::sections;
use super::text::{Plain, counted, number};
use super::time::Moment;

const STYLE: &str = include_str!("page.css");
/// Nothing is loaded, and no script runs, even if one were there.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole page.
pub fn page(report: &Value) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex, nofollow";
                meta name="referrer" content="no-referrer";
                title { (title(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report))
                (summary(report))
                main { (sections::all(report)) }
                footer { p { "Confidential: this page holds personal data. All times are in UTC." } }
            }
        }
    }
}

fn title(report: &Value) -> Markup {
    let token = report.get("user").map_or("", |user| word(user, "token"));
    html! { "Report of personal data" @if !token.is_empty() { " · " (Plain(token)) } }
}

fn header(report: &Value) -> Markup {
    let user = &report["user"];
    html! {
        header {
            h1 { "Report of personal data" }
            p.lede {
                "All that this vault holds about one person, why it may be used, and who has used it."
            }
            (facts([
                ("Person", shown(user, "token")),
                ("Held since", when(user, "created_at")),
                ("Last changed", when(user, "updated_at")),
                ("Version of the profile", shown(user, "version")),
                ("Report made", when(report, "generated_at")),
                ("Made by", shown(report, "generated_by")),
            ]))
        }
    }
}

/// What is held, in counts.
fn summary(report: &Value) -> Markup {
    html! {
        nav aria-labelledby="summary-heading" {
            h2 id="summary-heading" { "At a glance" }
            ul {
                @for tile in tiles(report) {
                    li { a href=(tile.link) { b { (tile.figure) } " " span { (tile.label) } } }
                }
            }
        }
    }
}

struct Tile {
    link: &'static str,
    figure: String,
    label: String,
}

fn tiles(report: &Value) -> Vec<Tile> {
    let mut tiles = vec![profile_tile(report)];
    tiles.extend([
        list_tile(report, "versions", "#history", "version of it", "versions of it"),
        list_tile(report, "apps", "#apps", "application with data", "applications with data"),
        list_tile(report, "sessions", "#sessions", "session", "sessions"),
        list_tile(report, "shares", "#shares", "shared record", "shared records"),
        consents_tile(report),
        list_tile(report, "activities", "#activities", "use of the data", "uses of the data"),
        requests_tile(report),
        expiry_tile(report),
        list_tile(report, "accesses", "#accesses", "access", "accesses"),
    ]);
    tiles
}

fn list_tile(
    report: &Value,
    name: &str,
    link: &'static str,
    one: &'static str,
    many: &'static str,
) -> Tile {
    let count = items(report, name).len();
    Tile { link, figure: number(count), label: if count == 1 { one } else { many }.to_owned() }
}

fn profile_tile(report: &Value) -> Tile {
    let fields = report.get("profile").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    let label = if fields == 1 { "field in the profile" } else { "fields in the profile" };
    Tile { link: "#profile", figure: number(fields), label: label.to_owned() }
}

fn consents_tile(report: &Value) -> Tile {
    let all = items(report, "agreements");
    let given = having(all, "yes");
    let label = format!("of {} given", counted(all.len(), "consent", "consents"));
    Tile { link: "#consents", figure: number(given), label }
}

fn requests_tile(report: &Value) -> Tile {
    let all = items(report, "requests");
    let mut label = if all.len() == 1 { "request" } else { "requests" }.to_owned();
    match having(all, "open") {
        0 => {}
        open => label.push_str(&format!(", {} open", number(open))),
    }
    Tile { link: "#requests", figure: number(all.len()), label }
}

fn expiry_tile(report: &Value) -> Tile {
    let expiration = &report["expiration"];
    let at = Moment::parse(word(expiration, "expires_at"));
    let (figure, label) = match (at, member(report, "expiration")) {
        (Some(at), _) => (at.date(), "is set as the expiry"),
        (None, Some(_)) => ("Expiry".to_owned(), "is noted"),
        (None, None) => ("No".to_owned(), "expiry is set"),
    };
    Tile { link: "#expiry", figure, label: label.to_owned() }
}

fn having(list: &[Value], status: &str) -> usize {
    list.iter().filter(|item| word(item, "status") == status).count()
}
