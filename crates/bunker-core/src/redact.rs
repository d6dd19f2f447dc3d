//! Which log lines could carry personal data, and what to put in their place.
//!
//! A statement that calls the vault has the profile in its text, or in its parameters.

/// What stands in the log instead.
pub const MASK: &str = "[redacted by databunker]";

/// What the names of all functions of the vault begin with, and of all its settings: a reason may
/// name a person, and a key has no place in a log at all.
const MARKS: [&str; 2] = ["bunker_", "databunker."];

/// Whether a text mentions the vault.
pub fn concerns_vault(text: &str) -> bool {
    MARKS.into_iter().any(|mark| find(text, mark).is_some())
}

/// Whether a text names a setting that tells where the master key is, or what it is.
pub fn concerns_key(text: &str) -> bool {
    ["databunker.master_key", "databunker.previous_master_key"]
        .into_iter()
        .any(|name| find(text, name).is_some())
}

/// Whether a message has lost quotation marks of the English text it was made from, by translation.
pub fn quotes_more_than(template: &str, message: &str) -> bool {
    let marks = |text: &str| text.matches('"').count();
    marks(template) > marks(message)
}

/// Whether a statement calls the vault, or may do so: `EXECUTE name (…)` does not tell.
pub fn may_call_vault(statement: &str) -> bool {
    concerns_vault(statement) || executes_prepared(statement)
}

/// EXECUTE, other than the word in CREATE TRIGGER and in GRANT.
fn executes_prepared(statement: &str) -> bool {
    const VERB: &str = "execute";
    let mut rest = statement;
    while let Some(at) = find(rest, VERB) {
        rest = rest.get(at + VERB.len()..).unwrap_or_default();
        let next = rest.split_whitespace().next().unwrap_or_default();
        let other = ["function", "procedure", "on"];
        if rest.starts_with(char::is_whitespace)
            && !other.iter().any(|word| next.eq_ignore_ascii_case(word))
        {
            return true;
        }
    }
    false
}

/// Where an ASCII word begins, in any case.
fn find(text: &str, word: &str) -> Option<usize> {
    text.as_bytes()
        .windows(word.len())
        .position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// A message without what it quotes: PostgreSQL puts input that it could not read between `"`.
/// Names of our settings stay.
pub fn without_quoted(message: &str) -> Option<String> {
    let mut kept = 0;
    loop {
        let first = kept + message[kept..].find('"')?;
        let quoted = &message[first + 1..];
        let name = quoted.find(|c: char| !c.is_ascii_lowercase() && c != '_' && c != '.');
        match name {
            Some(end) if quoted.starts_with("databunker.") && quoted[end..].starts_with('"') => {
                kept = first + 1 + end + 1;
            }
            _ => {
                let last = message.rfind('"').filter(|&last| last > first);
                let tail = last.map_or("", |last| &message[last..]);
                return Some(format!("{}\"{MASK}{tail}", &message[..first]));
            }
        }
    }
}

/// The message of a line that log_statement, log_duration or log_min_duration_statement wrote,
/// without the statement; `None` for any other message.
///
/// PostgreSQL writes `statement: …`, `execute name: …`, `parse name: …`, `bind name: …`, each
/// also after `duration: 1.234 ms  ` (postgres.c), where auto_explain puts `plan:`.
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

/// A line of pgaudit without the statement, its object and its parameters; `None` for any other line.
///
/// pgaudit writes `AUDIT: SESSION,1,1,READ,SELECT,` and then object, statement and parameters.
pub fn without_audited(message: &str) -> Option<String> {
    const KEPT_FIELDS: usize = 5;
    let fields = message.strip_prefix("AUDIT: ")?;
    let (last, _) = fields.match_indices(',').nth(KEPT_FIELDS - 1)?;
    Some(format!("AUDIT: {},{MASK}", &fields[..last]))
}

/// Whether a log line, by the English text that it was made from, quotes nothing of a statement: it
/// has only numbers in it, or PostgreSQL tells of duration, locks, temporary files or the end of a
/// process.
pub fn only_measures(template: &str) -> bool {
    let starts = ["process %d ", "temporary file: ", "%s (PID %d) "];
    !template.contains("%s")
        || template == "duration: %s ms"
        || starts.iter().any(|start| template.starts_with(start))
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
            "SET databunker.reason = 'x'",
        ] {
            assert!(concerns_vault(statement), "{statement}");
        }
        for statement in ["SELECT 1", "SELECT bunker", "", "bunke"] {
            assert!(!concerns_vault(statement), "{statement}");
        }
    }

    #[test]
    fn suspects_prepared_statements_of_any_name() {
        for statement in ["EXECUTE p('x')", "create table t as execute\np", "explain EXECUTE p"] {
            assert!(may_call_vault(statement), "{statement}");
        }
        for statement in [
            "CREATE TRIGGER t AFTER INSERT ON x EXECUTE FUNCTION f()",
            "GRANT EXECUTE ON FUNCTION f() TO PUBLIC",
            "SELECT executed FROM executes",
        ] {
            assert!(!may_call_vault(statement), "{statement}");
        }
    }

    #[test]
    fn masks_what_is_quoted() {
        for (message, expected) in [
            (
                "column \"x\" does not exist",
                Some("column \"[redacted by databunker]\" does not exist"),
            ),
            (
                "syntax error at or near \"o\"x\"",
                Some("syntax error at or near \"[redacted by databunker]\""),
            ),
            ("a lone \" mark", Some("a lone \"[redacted by databunker]")),
            ("division by zero", None),
            ("parameter \"databunker.reason\" cannot be changed", None),
            (
                "invalid value for parameter \"databunker.reason\": \"x\"",
                Some(
                    "invalid value for parameter \"databunker.reason\": \"[redacted by databunker]\"",
                ),
            ),
        ] {
            assert_eq!(without_quoted(message).as_deref(), expected);
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
                "duration: 9.9 ms  plan:\nQuery Text: SELECT bunker_x('a')",
                "duration: 9.9 ms  plan: [redacted by databunker]",
            ),
        ] {
            assert_eq!(without_statement(message).as_deref(), Some(expected));
        }
    }

    #[test]
    fn masks_what_pgaudit_quotes() {
        for (message, expected) in [
            (
                "AUDIT: SESSION,1,2,READ,SELECT,TABLE,public.t,\"SELECT a, b\",x",
                Some("AUDIT: SESSION,1,2,READ,SELECT,[redacted by databunker]"),
            ),
            (
                "AUDIT: OBJECT,1,1,MISC,EXECUTE,,,EXECUTE p('x'),<not logged>",
                Some("AUDIT: OBJECT,1,1,MISC,EXECUTE,[redacted by databunker]"),
            ),
            ("AUDIT: something else", None),
            ("no AUDIT: SESSION,1,1,READ,SELECT,", None),
        ] {
            assert_eq!(without_audited(message).as_deref(), expected);
        }
    }

    #[test]
    fn tells_measures_from_quotations() {
        for template in [
            "duration: %s ms",
            "process %d still waiting for %s on %s after %ld.%03d ms",
            "temporary file: path \"%s\", size %lu",
            "%s (PID %d) was terminated by signal %d: %s",
            "checkpoint complete",
            "took %d ms",
        ] {
            assert!(only_measures(template), "{template}");
        }
        for template in ["%s", "AUDIT: %s", "duration: %s ms  statement: %s", "ran %s"] {
            assert!(!only_measures(template), "{template}");
        }
    }

    #[test]
    fn leaves_other_messages_alone() {
        for message in ["duration: 0.123 ms", "checkpoint complete", "connection received: x"] {
            assert_eq!(without_statement(message), None, "{message}");
        }
    }
}
