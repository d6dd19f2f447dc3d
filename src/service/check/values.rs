//! Settings by name, and what their values mean.

use std::collections::HashMap;

use crate::error::Result;
use crate::pg::setting;
use crate::storage::check as table;

/// What is set, in this session or in one that an override applies to.
#[derive(Clone)]
pub struct Values(HashMap<String, String>);

impl Values {
    /// What is in force in this session.
    pub fn in_force() -> Result<Self> {
        Ok(Self(table::settings()?.into_iter().collect()))
    }

    /// The same with one setting changed.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.0.insert(name.to_owned(), value.to_owned());
        changed
    }

    /// A setting's text; `None` when the library that it belongs to is not loaded.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it has one of these values, in any case.
    pub fn is(&self, name: &str, values: &[&str]) -> bool {
        self.text(name)
            .is_some_and(|text| values.iter().any(|value| text.eq_ignore_ascii_case(value)))
    }

    /// Whether a switch is off, in one of the spellings that an override may have.
    pub fn is_off(&self, name: &str) -> bool {
        self.is(name, &["off", "false", "no", "0"])
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.text(name).is_some() && !self.is_off(name)
    }

    /// A number without its unit: only whether it is negative, zero or positive matters here.
    pub fn number(&self, name: &str) -> Option<f64> {
        let text = self.text(name)?.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+'))
            .unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    }

    /// Whether a number is set to anything but zero.
    pub fn is_not_zero(&self, name: &str) -> bool {
        self.number(name).is_some_and(|number| number != 0.0)
    }

    /// Whether a time limit, of which -1 means "never", is in force.
    pub fn is_limit(&self, name: &str) -> bool {
        self.number(name).is_some_and(|number| number >= 0.0)
    }

    /// The elements of a list.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let elements = self.text(name).unwrap_or_default().split(',');
        elements.map(|element| element.trim().trim_matches('"')).filter(|e| !e.is_empty()).collect()
    }

    /// Whether statements that name the vault are masked in the log.
    pub fn masks_log(&self) -> bool {
        setting::preloaded() && self.is_on("databunker.redact_logs")
    }
}
