//! Settings of the server and of other extensions.

use super::values::Values;
use super::{Finding, Severity};
use crate::pg::setting::preloaded;
use crate::storage::check::Override;

use Weight::{Fixed, Leak};

/// How bad a value is.
enum Weight {
    /// As bad as that, always.
    Fixed(Severity),
    /// It writes statements or parameters into the server log. While the log is masked, only those
    /// get there in which no function of ours is named: a warning. Otherwise it is critical.
    Leak,
}

/// When a setting is a finding.
struct Rule {
    setting: &'static str,
    weight: Weight,
    holds: fn(&Values) -> bool,
    finding: &'static str,
    remedy: &'static str,
}

impl Rule {
    fn severity(&self, values: &Values) -> Severity {
        match self.weight {
            Fixed(severity) => severity,
            Leak if values.masks_log() => Severity::Warning,
            Leak => Severity::Critical,
        }
    }

    fn found(&self, values: &Values, where_so: &str) -> Option<Finding> {
        (self.holds)(values).then(|| Finding {
            severity: self.severity(values),
            setting: self.setting,
            finding: format!("{}{where_so}", self.finding),
            remedy: self.remedy,
        })
    }
}

/// What the settings in force give away or risk.
pub fn findings(values: &Values) -> Vec<Finding> {
    RULES.iter().filter_map(|rule| rule.found(values, "")).collect()
}

/// What they give away or risk for those roles and databases that have other ones.
pub fn of_overrides(values: &Values, overrides: &[Override]) -> Vec<Finding> {
    let of_one = |entry: &Override| {
        let changed = values.with(&entry.name, &entry.value);
        let rules = RULES.iter().filter(|rule| rule.setting == entry.name);
        rules.filter_map(|rule| rule.found(&changed, &whom(entry))).collect::<Vec<_>>()
    };
    overrides.iter().flat_map(of_one).collect()
}

fn whom(entry: &Override) -> String {
    match (&entry.role, &entry.database) {
        (Some(role), Some(database)) => format!(", for the role {role} in the database {database}"),
        (Some(role), None) => format!(", for the role {role}"),
        (None, Some(database)) => format!(", in the database {database}"),
        (None, None) => String::from(", for all roles"),
    }
}

fn logs_by_duration(values: &Values) -> bool {
    values.is_limit("log_min_duration_statement")
        || (values.is_limit("log_min_duration_sample")
            && values.is_not_zero("log_statement_sample_rate"))
        || values.is_not_zero("log_transaction_sample_rate")
}

fn logs_statements(values: &Values) -> bool {
    values.is("log_statement", &["mod", "all"]) || logs_by_duration(values)
}

fn pgaudit_logs(values: &Values) -> bool {
    let classes = values.list("pgaudit.log");
    let by_class = classes.iter().any(|class| !class.eq_ignore_ascii_case("none"));
    by_class || values.text("pgaudit.role").is_some_and(|role| !role.is_empty())
}

fn explains(values: &Values) -> bool {
    values.is_limit("auto_explain.log_min_duration")
        && values.text("auto_explain.sample_rate").is_none_or(|rate| rate != "0")
}

/// Libraries that are loaded after ours put their log hooks in front of it.
fn has_libraries_behind(values: &Values) -> bool {
    let libraries = values.list("shared_preload_libraries");
    let is_ours = |library: &&str| library.rsplit('/').next() == Some("databunker");
    libraries.iter().any(is_ours) && !libraries.last().is_some_and(is_ours)
}

/// Whether clients of other hosts can connect.
fn listens_on_network(values: &Values) -> bool {
    let loopback = ["localhost", "127.0.0.1", "::1"];
    values.list("listen_addresses").iter().any(|address| !loopback.contains(address))
}

const NO_STATEMENTS: &str =
    "Set it to 'none' or 'ddl' and call the vault with bind parameters, under its own names.";
const NO_DURATIONS: &str = "Set it to -1, or call the vault with bind parameters.";
const OFF: &str = "Set it to off.";
const ON: &str = "Set it to on.";
const ZERO: &str = "Set it to 0.";

static RULES: [Rule; 28] = [
    // What the server writes into its log.
    Rule {
        setting: "log_statement",
        weight: Leak,
        holds: |v| v.is("log_statement", &["mod", "all"]),
        finding: "statements are logged with the values in their text",
        remedy: NO_STATEMENTS,
    },
    Rule {
        setting: "log_min_duration_statement",
        weight: Leak,
        holds: |v| v.is_limit("log_min_duration_statement"),
        finding: "slow statements are logged with the values in their text",
        remedy: NO_DURATIONS,
    },
    Rule {
        setting: "log_min_duration_sample",
        weight: Leak,
        holds: |v| {
            v.is_limit("log_min_duration_sample") && v.is_not_zero("log_statement_sample_rate")
        },
        finding: "a sample of the statements is logged with the values in their text",
        remedy: NO_DURATIONS,
    },
    Rule {
        setting: "log_transaction_sample_rate",
        weight: Leak,
        holds: |v| v.is_not_zero("log_transaction_sample_rate"),
        finding: "a sample of the transactions is logged with the values in their statements",
        remedy: ZERO,
    },
    Rule {
        setting: "log_parameter_max_length",
        weight: Leak,
        holds: |v| v.is_not_zero("log_parameter_max_length") && logs_statements(v),
        finding: "logged statements are followed by their bind parameters",
        remedy: ZERO,
    },
    Rule {
        setting: "log_parameter_max_length_on_error",
        weight: Leak,
        holds: |v| v.is_not_zero("log_parameter_max_length_on_error"),
        finding: "failed statements are logged with their bind parameters",
        remedy: ZERO,
    },
    Rule {
        setting: "debug_print_parse",
        weight: Leak,
        holds: |v| v.is_on("debug_print_parse"),
        finding: "parse trees are logged with the constants in them",
        remedy: OFF,
    },
    Rule {
        setting: "debug_print_rewritten",
        weight: Leak,
        holds: |v| v.is_on("debug_print_rewritten"),
        finding: "rewritten queries are logged with the constants in them",
        remedy: OFF,
    },
    Rule {
        setting: "debug_print_plan",
        weight: Leak,
        holds: |v| v.is_on("debug_print_plan"),
        finding: "plans are logged with the constants in them",
        remedy: OFF,
    },
    // What other extensions write.
    Rule {
        setting: "pgaudit.log",
        weight: Leak,
        holds: |v| pgaudit_logs(v) && !v.is_off("pgaudit.log_statement"),
        finding: "pgaudit logs statements with the values in their text",
        remedy: "Set pgaudit.log_statement to off, or call the vault with bind parameters.",
    },
    Rule {
        setting: "pgaudit.log_parameter",
        weight: Leak,
        holds: |v| v.is_on("pgaudit.log_parameter"),
        finding: "pgaudit logs bind parameters",
        remedy: OFF,
    },
    Rule {
        setting: "auto_explain.log_min_duration",
        weight: Leak,
        holds: explains,
        finding: "auto_explain logs statements and plans with the values in them",
        remedy: NO_DURATIONS,
    },
    Rule {
        setting: "auto_explain.log_nested_statements",
        weight: Leak,
        holds: |v| explains(v) && v.is_on("auto_explain.log_nested_statements"),
        finding: "auto_explain logs statements inside functions",
        remedy: OFF,
    },
    Rule {
        setting: "auto_explain.log_parameter_max_length",
        weight: Leak,
        holds: |v| explains(v) && v.is_not_zero("auto_explain.log_parameter_max_length"),
        finding: "auto_explain logs bind parameters",
        remedy: ZERO,
    },
    Rule {
        setting: "pg_stat_statements.track_utility",
        weight: Fixed(Severity::Warning),
        holds: |v| v.is_on("pg_stat_statements.track_utility"),
        finding: "pg_stat_statements keeps SET, DO and CALL with the values in their text",
        remedy: OFF,
    },
    // The vault's own.
    Rule {
        setting: "shared_preload_libraries",
        weight: Fixed(Severity::Critical),
        holds: |_| !preloaded(),
        finding: "databunker is not preloaded: nothing is masked before a session has called it",
        remedy: "Add databunker to shared_preload_libraries and restart the server.",
    },
    Rule {
        setting: "shared_preload_libraries",
        weight: Fixed(Severity::Info),
        holds: has_libraries_behind,
        finding: "libraries that are loaded after databunker may see log lines before the mask",
        remedy: "Put databunker last, unless you know that they look at no log line.",
    },
    Rule {
        setting: "databunker.redact_logs",
        weight: Fixed(Severity::Critical),
        holds: |v| v.is_off("databunker.redact_logs"),
        finding: "statements that call the vault are not masked in the log, failed ones included",
        remedy: ON,
    },
    Rule {
        setting: "databunker.audit_reads",
        weight: Fixed(Severity::Critical),
        holds: |v| v.is("databunker.audit_reads", &["transaction"]),
        finding: "the event of a read goes with the reader's ROLLBACK",
        remedy: "Set it to durable.",
    },
    Rule {
        setting: "databunker.audit_reads",
        weight: Fixed(Severity::Warning),
        holds: |v| v.is("databunker.audit_reads", &["async"]),
        finding: "the newest events of reads may be lost in a crash",
        remedy: "Set it to durable.",
    },
    Rule {
        setting: "databunker.bulk_read_limit",
        weight: Fixed(Severity::Warning),
        holds: |v| v.number("databunker.bulk_read_limit") == Some(0.0),
        finding: "one transaction may read every profile",
        remedy: "Set it to what one transaction of the application needs.",
    },
    // What keeps data.
    Rule {
        setting: "fsync",
        weight: Fixed(Severity::Critical),
        holds: |v| v.is_off("fsync"),
        finding: "a power cut destroys the database, audit trail and keyring included",
        remedy: ON,
    },
    Rule {
        setting: "full_page_writes",
        weight: Fixed(Severity::Critical),
        holds: |v| v.is_off("full_page_writes"),
        finding: "a power cut can tear pages, which nothing repairs",
        remedy: "Set it to on, unless the file system cannot tear a page.",
    },
    Rule {
        setting: "synchronous_commit",
        weight: Fixed(Severity::Warning),
        holds: |v| v.is_off("synchronous_commit"),
        finding: "the newest transactions, with their audit events, may be lost in a crash",
        remedy: ON,
    },
    Rule {
        setting: "data_checksums",
        weight: Fixed(Severity::Info),
        holds: |v| v.is_off("data_checksums"),
        finding: "damage on disk shows only when a record fails authentication",
        remedy: "Stop the server and run pg_checksums --enable.",
    },
    // What goes over the network.
    Rule {
        setting: "ssl",
        weight: Fixed(Severity::Warning),
        holds: |v| v.is_off("ssl") && listens_on_network(v),
        finding: "profiles go over the network in the clear",
        remedy: "Set it to on, and let pg_hba.conf have hostssl lines only.",
    },
    Rule {
        setting: "password_encryption",
        weight: Fixed(Severity::Warning),
        holds: |v| v.is("password_encryption", &["md5"]),
        finding: "new passwords are stored as MD5 hashes, which log in without being broken",
        remedy: "Set it to scram-sha-256 and set the passwords again.",
    },
    Rule {
        setting: "log_file_mode",
        weight: Fixed(Severity::Info),
        holds: |v| {
            v.is_on("logging_collector")
                && v.text("log_file_mode").is_some_and(|mode| !mode.ends_with('0'))
        },
        finding: "every user of the operating system may read the server log",
        remedy: "Set it to 0600, or to 0640 for a group of administrators.",
    },
];
