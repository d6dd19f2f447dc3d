//! Roles, privileges, replication, and objects that store what the vault returns.

use super::{Finding, Severity};
use crate::error::Result;
use crate::storage::check as table;

/// When names in the catalogs are findings: each of them is one.
struct Rule {
    setting: &'static str,
    severity: Severity,
    names: fn() -> Result<Vec<String>>,
    /// What is so, with `{}` in the place of the name.
    finding: &'static str,
    remedy: &'static str,
}

/// What the catalogs of this database give away.
///
/// # Errors
/// When a catalog cannot be read.
pub fn findings() -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for rule in &RULES {
        found.extend((rule.names)()?.into_iter().map(|name| Finding {
            severity: rule.severity,
            setting: rule.setting,
            finding: rule.finding.replace("{}", &name),
            remedy: rule.remedy,
        }));
    }
    Ok(found)
}

static RULES: [Rule; 12] = [
    Rule {
        setting: "privileges",
        severity: Severity::Critical,
        names: table::public_functions,
        finding: "PUBLIC may execute {}",
        remedy: "REVOKE ALL ON FUNCTION … FROM PUBLIC.",
    },
    Rule {
        setting: "privileges",
        severity: Severity::Critical,
        names: table::granted_tables,
        finding: "a privilege past the vault's functions: {}",
        remedy: "Revoke it: every access goes through the functions.",
    },
    Rule {
        setting: "definitions",
        severity: Severity::Critical,
        names: table::computing_definitions,
        finding: "the {} calls the vault whenever rows are written or analysed",
        remedy: "Drop it; new ones are refused while databunker is preloaded.",
    },
    Rule {
        setting: "triggers",
        severity: Severity::Critical,
        names: table::silenced_triggers,
        finding: "a change of the vault's tables would leave no event: {} does not always fire",
        remedy: "ALTER TABLE … ENABLE ALWAYS TRIGGER.",
    },
    Rule {
        setting: "tables",
        severity: Severity::Critical,
        names: table::unlogged_tables,
        finding: "a crash of the server empties {}",
        remedy: "ALTER TABLE … SET LOGGED.",
    },
    Rule {
        setting: "definitions",
        severity: Severity::Warning,
        names: table::materialised_views,
        finding: "the materialised view {} stores what the vault returns, in the clear",
        remedy: "Make it a view, or leave the vault's functions out.",
    },
    Rule {
        setting: "roles",
        severity: Severity::Warning,
        names: table::superuser_members,
        finding: "a superuser is a member of a role of the vault: {}",
        remedy: "Give the application a role of its own that is no superuser.",
    },
    Rule {
        setting: "roles",
        severity: Severity::Warning,
        names: table::role_granters,
        finding: "a role can hand out the vault's roles: {}",
        remedy: "Take it away, or count that role among the vault's administrators.",
    },
    Rule {
        setting: "roles",
        severity: Severity::Warning,
        names: table::reaching_members,
        finding: "a role reaches past all privileges: {}",
        remedy: "Grant what it needs instead: it reads or alters tables, files or the key.",
    },
    Rule {
        setting: "roles",
        severity: Severity::Info,
        names: table::superusers,
        finding: "the superuser {} can log in, read the key and call everything",
        remedy: "Keep such roles few, and out of reach of applications.",
    },
    Rule {
        setting: "publication",
        severity: Severity::Warning,
        names: table::publications,
        finding: "the publication {} sends tables of the vault to its subscribers",
        remedy: "Leave the schema bunker out, or make sure who subscribes.",
    },
    Rule {
        setting: "replication",
        severity: Severity::Info,
        names: table::followers,
        finding: "replication is in use: {}",
        remedy: "The master key is not replicated: bring it there by another channel.",
    },
];
