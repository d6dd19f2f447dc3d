//! Which log lines could carry personal data, and what to put in their place.
//!
//! A statement that calls the vault has the profile in its text, or in its parameters.

/// What stands in the log instead.
pub const MASK: &str = "[redacted by databunker]";

/// What the names of all functions of the vault begin with.
const PREFIX: &str = "bunker_";

/// Whether a statement calls the vault.
pub fn concerns_vault(statement: &str) -> bool {
    let prefix = PREFIX.as_bytes();
    statement.as_bytes().windows(prefix.len()).any(|window| window.eq_ignore_ascii_case(prefix))
}

/// The message of a line that log_statement, log_duration, log_min_duration_statement or
/// auto_explain wrote, without the statement; `None` for any other message.
///
/// PostgreSQL writes `statement: …`, `execute name: …`, `parse name: …`, `bind name: …`, each
/// also after `duration: 1.234 ms  ` (postgres.c); auto_explain writes `plan:` there, and the
/// statement below it.
pub fn without_statement(message: &str) -> Option<String> {
    let after_duration = message
        .strip_prefix("duration: ")
        .and_then(|rest| rest.find(" ms  ").map(|at| "duration: ".len() + at + " ms  ".len()))
        .unwrap_or(0);
    let (head, tail) = message.split_at(after_duration);
    let verb = ["statement", "execute", "parse", "bind", "plan"]
        .into_iter()
        .find(|verb| tail.starts_with(verb))?;
    Some(format!("{head}{verb}: {MASK}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_calls_in_any_spelling() {
        for statement in [
            "SELECT bunker_create_user('{}')",
            "select BUNKER_LOOKUP($1,$2)",
            "SELECT public.\"bunker_get_user\"($1)",
        ] {
            assert!(concerns_vault(statement), "{statement}");
        }
        for statement in ["SELECT 1", "SELECT bunker", "", "bunke"] {
            assert!(!concerns_vault(statement), "{statement}");
        }
    }

    #[test]
    fn masks_every_form_of_a_logged_statement() {
        for (message, expected) in [
            ("statement: SELECT bunker_x('a')", "statement: [redacted by databunker]"),
            ("execute <unnamed>: SELECT bunker_x($1)", "execute: [redacted by databunker]"),
            ("execute s/p: SELECT bunker_x($1)", "execute: [redacted by databunker]"),
            (
                "duration: 0.123 ms  statement: SELECT bunker_x('a')",
                "duration: 0.123 ms  statement: [redacted by databunker]",
            ),
            (
                "duration: 0.123 ms  bind <unnamed>: SELECT bunker_x($1)",
                "duration: 0.123 ms  bind: [redacted by databunker]",
            ),
            (
                "duration: 9.9 ms  parse a: SELECT bunker_x($1)",
                "duration: 9.9 ms  parse: [redacted by databunker]",
            ),
            (
                "duration: 9.9 ms  plan:\nQuery Text: SELECT bunker_x('a')\nResult",
                "duration: 9.9 ms  plan: [redacted by databunker]",
            ),
        ] {
            assert_eq!(without_statement(message).as_deref(), Some(expected));
        }
    }

    #[test]
    fn leaves_other_messages_alone() {
        for message in ["duration: 0.123 ms", "checkpoint complete", "connection received: x"] {
            assert_eq!(without_statement(message), None, "{message}");
        }
    }
}
