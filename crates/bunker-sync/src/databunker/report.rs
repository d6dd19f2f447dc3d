//! What became of each row, and that none is missing in the end.

use std::path::Path;

use serde_json::json;

use crate::error::{Error, Result};
use crate::files::PrivateLines;
use crate::output;
use crate::progress::Progress;

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the vault now.
    Created,
    /// It was there already.
    Present,
    /// It had ended before, and is not brought.
    Ended,
    /// It cannot be brought.
    Skipped,
    /// The vault does not take it.
    Failed,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Present => "present",
            Self::Ended => "ended",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// A row, as reports name it: nothing personal.
pub struct Place {
    /// Which row of its table, from 1 on.
    pub number: u64,
    /// What names it besides, where that can be shown.
    pub name: String,
}

/// Why something of a row is not brought.
pub struct Reason<'a> {
    /// The vault's error.
    pub sqlstate: Option<&'a str>,
    /// In words.
    pub words: &'a str,
}

#[derive(Default)]
struct Counts {
    read: u64,
    outcomes: [u64; 5],
}

/// What became of all rows so far.
pub struct Report {
    file: Option<PrivateLines>,
    tables: Vec<(String, Counts)>,
    /// The table whose rows are read now.
    current: usize,
    remarks: u64,
}

impl Report {
    /// One that also writes to a file for its owner only, which must not be there yet.
    pub fn new(file: Option<&Path>) -> Result<Self> {
        let file = file.map(PrivateLines::create).transpose()?;
        Ok(Self { file, tables: Vec::new(), current: 0, remarks: 0 })
    }

    /// What follows is of this table.
    pub fn table(&mut self, name: &str) {
        let known = self.tables.iter().position(|(it, _)| it == name);
        self.current = known.unwrap_or(self.tables.len());
        if known.is_none() {
            self.tables.push((name.to_owned(), Counts::default()));
        }
    }

    /// Another row was read; its number.
    pub fn read(&mut self) -> u64 {
        let counts = self.current();
        counts.read += 1;
        counts.read
    }

    /// What became of a row. What should have been brought and is not is also told on standard error.
    pub fn outcome(
        &mut self,
        progress: &Progress,
        place: &Place,
        outcome: Outcome,
        reason: Option<&Reason<'_>>,
    ) -> Result<()> {
        self.current().outcomes[outcome as usize] += 1;
        let Some(reason) = reason else {
            return Ok(());
        };
        if matches!(outcome, Outcome::Skipped | Outcome::Failed) {
            self.say(progress, place, outcome.word(), reason);
        }
        self.write(place, outcome.word(), reason)
    }

    /// Something of a row is not brought although the row is.
    pub fn remark(&mut self, progress: &Progress, place: &Place, words: &str) -> Result<()> {
        self.remarks += 1;
        let reason = Reason { sqlstate: None, words };
        self.say(progress, place, "partly", &reason);
        self.write(place, "partly", &reason)
    }

    /// Prints what became of how many rows of each table.
    ///
    /// # Errors
    /// Skipped, when not everything was brought that should have been.
    pub fn finish(mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        let head = ["read", "created", "present", "ended", "skipped", "failed"];
        output::line(&line("table", &head.map(str::to_owned)))?;
        for (name, counts) in &self.tables {
            if counts.read != counts.outcomes.iter().sum::<u64>() {
                return Err(Error::Refused(
                    "rows are missing in the count: this is an error of ours",
                ));
            }
            let mut numbers = vec![counts.read.to_string()];
            numbers.extend(counts.outcomes.iter().map(u64::to_string));
            output::line(&line(name, &numbers))?;
        }
        match self.left_out() {
            0 => Ok(()),
            left_out => Err(Error::Skipped(left_out)),
        }
    }

    fn left_out(&self) -> u64 {
        let of = |outcome: Outcome| {
            self.tables.iter().map(|(_, counts)| counts.outcomes[outcome as usize]).sum::<u64>()
        };
        of(Outcome::Skipped) + of(Outcome::Failed) + self.remarks
    }

    fn current(&mut self) -> &mut Counts {
        if self.tables.is_empty() {
            self.table("");
        }
        &mut self.tables[self.current].1
    }

    fn table_name(&self) -> &str {
        self.tables.get(self.current).map(|(name, _)| name.as_str()).unwrap_or_default()
    }

    fn say(&self, progress: &Progress, place: &Place, outcome: &str, reason: &Reason<'_>) {
        let mut line = format!("{outcome}: {} row {}", self.table_name(), place.number);
        if !place.name.is_empty() {
            line.push_str(&format!(" ({})", place.name));
        }
        match reason.sqlstate {
            Some(sqlstate) => line.push_str(&format!(": {sqlstate} {}", reason.words)),
            None => line.push_str(&format!(": {}", reason.words)),
        }
        progress.say(&line);
    }

    fn write(&mut self, place: &Place, outcome: &str, reason: &Reason<'_>) -> Result<()> {
        let line = json!({
            "table": self.table_name(),
            "row": place.number,
            "name": place.name,
            "outcome": outcome,
            "sqlstate": reason.sqlstate,
            "reason": reason.words,
        });
        if let Some(file) = &mut self.file {
            file.add(&line)?;
        }
        Ok(())
    }
}

fn line(name: &str, columns: &[String]) -> String {
    let columns: Vec<_> = columns.iter().map(|column| format!("{column:>10}")).collect();
    format!("{name:<24}{}", columns.join(""))
}
