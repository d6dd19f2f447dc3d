//! What of the server would leak or lose data: settings, privileges, the key's source, the process.
//!
//! Each file has a table of rules. A finding names settings, roles and objects; it never holds a
//! key, the place of one, or anything of a profile.

mod catalog;
mod host;
mod settings;
mod values;

use self::values::Values;
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring;
use crate::storage::check as table;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Data leak, are lost, or cannot be opened.
    Critical,
    /// A second thing has to go wrong, or somebody has more power than he needs.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The word in the column `severity`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Something to mend, or to know.
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The setting in question, or what else it is about.
    pub setting: &'static str,
    /// What is so.
    pub finding: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// All findings, the worst first.
///
/// # Errors
/// Only when a catalog cannot be read; a sealed vault is a finding.
pub fn findings() -> Result<Vec<Finding>> {
    audit::admit("check")?;
    let values = Values::in_force()?;
    let mut found: Vec<Finding> = sealed().into_iter().collect();
    found.extend(settings::findings(&values));
    found.extend(settings::of_overrides(&values, &table::overrides()?));
    found.extend(host::findings(&values));
    found.extend(catalog::findings()?);
    found.sort_by_key(|finding| finding.severity);
    Ok(found)
}

fn sealed() -> Option<Finding> {
    let (finding, remedy) = match keyring::existing() {
        Ok(_) => return None,
        Err(Error::Sealed(reason)) => (format!("the vault is sealed: {reason}"), reason.hint()),
        Err(_) => (
            String::from("the vault is sealed: the keyring is damaged"),
            "Restore bunker.keyring from a backup.",
        ),
    };
    Some(Finding {
        severity: Severity::Critical,
        setting: "databunker.master_key",
        finding,
        remedy,
    })
}
