//! Which rows were left out, and why.

use std::collections::HashSet;
use std::path::Path;

use serde_json::json;

use crate::error::Result;
use crate::files::PrivateLines;
use crate::progress::Progress;
use crate::table::batch::Failure;
use crate::table::catalog::Table;

/// Tells of failed rows, each once: on standard error, and in a file of JSON Lines.
///
/// A key may itself be personal, an e-mail address for one. Only numbers and uuids are shown on
/// standard error, which ends up in logs; the file has every key, and is its owner's alone to read.
pub struct Report {
    file: Option<PrivateLines>,
    told: HashSet<Vec<String>>,
}

impl Report {
    /// A report, into a new file where one is wanted.
    pub fn new(path: Option<&Path>) -> Result<Self> {
        let file = path.map(PrivateLines::create).transpose()?;
        Ok(Self { file, told: HashSet::new() })
    }

    /// Tells of a row.
    pub fn tell(&mut self, table: &Table, failure: Failure, progress: &Progress) -> Result<()> {
        let Failure { key, message, sqlstate } = failure;
        if self.told.contains(&key) {
            return Ok(());
        }
        let named = if table.has_plain_key() {
            key.join(", ")
        } else if self.file.is_some() {
            "(see the report)".to_owned()
        } else {
            "(--report has it)".to_owned()
        };
        let columns = table.key.join(", ");
        progress.say(&format!("{}: {columns} {named}: {message} ({sqlstate})", table.name));
        if let Some(file) = &mut self.file {
            let key: serde_json::Map<_, _> =
                table.key.iter().cloned().zip(key.iter().map(|text| json!(text))).collect();
            file.add(&json!({
                "table": table.name, "key": key, "sqlstate": sqlstate, "message": message,
            }))?;
        }
        self.told.insert(key);
        Ok(())
    }

    /// How many rows were told of.
    pub fn told(&self) -> u64 {
        self.told.len() as u64
    }

    /// Writes out what is not in the file yet.
    pub fn flush(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        Ok(())
    }
}
