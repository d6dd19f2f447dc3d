//! What may be told of an event in a store's audit trail.
//!
//! An event's title and mode hold what stood in the URL of a request, so they may be anything: only those
//! that the server writes by itself are taken.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::rows::Briefs;
use super::source::Row;

/// Kinds of identities, and what else stands in the mode of an event.
const MODES: &[&str] = &[
    "token", "email", "phone", "login", "custom", "session", "record", "request", "brief",
    "exptoken",
];

const STATUSES: &[&str] = &["ok", "error", "failed"];

/// Titles that stand for themselves.
const TITLES: &[&str] = &[
    "approve user request",
    "cancel user request",
    "create session",
    "create user record",
    "delete session",
    "get all user sessions",
    "get session",
    "get user privacy requests",
    "get user request by request token",
    "user change-profile request",
    "user forget-me request",
    "view audit event",
    "view audit events",
    "view user requests",
];

/// Titles that go on with "by", and a mode.
const BY_MODE: &[&str] = &[
    "change user app record",
    "change user record",
    "clear user expiration",
    "create shareable record",
    "create user app record",
    "create user record",
    "create user session",
    "delete user app record",
    "delete user data",
    "delete user record",
    "get expiration status",
    "get shareable record",
    "get user app list",
    "get user app record",
    "get user record",
    "initiate user record expiration",
    "retain user data",
    "user login",
    "user prelogin",
];

/// Titles that go on with "for", and the brief of a legal basis, or a mode.
const FOR_BRIEF: &[&str] = &[
    "accept agreement",
    "consent get all",
    "consent record",
    "get agreements",
    "withdraw agreement",
];

/// What is told of an event: its title, how the user was named, how it ended, and its name, so that no
/// two are the same. Of a title that the server does not write, nothing.
pub fn message(event: &Row<'_>, briefs: &Briefs) -> String {
    let mut message = event
        .text("title")
        .and_then(|title| told(title, briefs))
        .unwrap_or_else(|| "an event of another title".to_owned());
    if let Some(mode) = event.text("mode").filter(|mode| MODES.contains(mode)) {
        message.push_str(&format!(", mode {mode}"));
    }
    if let Some(status) = event.text("status").filter(|status| STATUSES.contains(status)) {
        message.push_str(&format!(", {status}"));
    }
    if let Some(Ok(name)) = event.text("atoken").map(Uuid::try_parse) {
        message.push_str(&format!(", event {name}"));
    }
    message
}

/// Whether what an event calls its record is the user's token. While something else is looked for it is the
/// uuid of that, which the server replaces when it has found whose it is; not so when it deletes a session.
pub fn is_about_its_record(event: &Row<'_>) -> bool {
    match event.text("mode") {
        Some("session" | "record" | "request" | "exptoken") => {
            event.text("status") == Some("ok") && event.text("title") != Some("delete session")
        }
        _ => true,
    }
}

fn told(title: &str, briefs: &BTreeSet<String>) -> Option<String> {
    if TITLES.contains(&title) {
        return Some(title.to_owned());
    }
    if let Some((what, mode)) = title.rsplit_once(" by ") {
        return BY_MODE.contains(&what).then(|| match MODES.contains(&mode) {
            true => title.to_owned(),
            false => what.to_owned(),
        });
    }
    let (what, rest) = title.split_once(" for ")?;
    FOR_BRIEF.contains(&what).then(|| match briefs.contains(rest) || MODES.contains(&rest) {
        true => title.to_owned(),
        false => what.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::databunker::kind::Kind;
    use crate::databunker::source::Query;

    fn told(title: &str, mode: &str, status: &str, name: &str) -> String {
        let cells = [name, "record", mode, "app", title, status, "1"];
        let columns = Kind::Fact.columns(false);
        let query = Query { table: "audit", columns, of_users: false, limit: None };
        let event = Row::new(&query, cells.map(|cell| Some(cell.as_bytes().to_vec())).into());
        message(&event, &Briefs::from(["newsletter".to_owned()]))
    }

    #[test]
    fn what_the_server_writes_is_told() {
        for title in
            ["create session", "get user record by email", "accept agreement for newsletter"]
        {
            let name = "5524787e-bfba-541f-42da-1e16399e9294";
            let expected = format!("{title}, mode token, ok, event {name}");
            assert_eq!(told(title, "token", "ok", name), expected);
        }
        assert_eq!(told("", "", "", ""), "an event of another title");
    }

    #[test]
    fn what_stood_in_a_url_is_not() {
        for (title, what) in [
            ("get user record by ann@x.org", "get user record"),
            ("accept agreement for ann@x.org", "accept agreement"),
            ("get agreements for ann", "get agreements"),
            ("by ann@x.org by email", "an event of another title"),
            ("ann@x.org", "an event of another title"),
            ("ann for newsletter", "an event of another title"),
            ("create session by token by ann", "an event of another title"),
        ] {
            assert_eq!(told(title, "ann@x.org", "ann@x.org", "ann@x.org"), what);
        }
    }
}
