//! What the actions of the audit trail do to the data of a user.

use serde_json::Value;

use super::member::word;

/// What came of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Data were read, or looked for.
    Read,
    /// Data were changed.
    Change,
    /// It was denied, or failed.
    Refusal,
}

/// Actions that read, by how their names begin: those of the functions, without `bunker_`.
const READS: [&str; 16] = [
    "app_names",
    "audit",
    "check",
    "expiration",
    "export_",
    "find_",
    "get_",
    "list_",
    "lookup",
    "status",
    "tombstone",
    "user_report",
    "user_requests",
    "user_schema",
    "user_version",
    "verify_",
];

impl Effect {
    /// Of an access of the report.
    pub fn of(access: &Value) -> Self {
        let action = word(access, "action");
        match word(access, "status") {
            "denied" | "failed" => Self::Refusal,
            _ if READS.iter().any(|read| action.starts_with(read)) => Self::Read,
            _ => Self::Change,
        }
    }
}
