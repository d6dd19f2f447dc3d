//! How far long work has come: a bar with rate and time left, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Result;
use crate::output;

/// A bar on standard error; nothing where that is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for about so many pieces of work, such as "rows"; 0 is not known.
    pub fn start(what: &str, expected: u64) -> Self {
        let bar = if expected == 0 { ProgressBar::no_length() } else { ProgressBar::new(expected) };
        let template = if expected == 0 {
            format!("{{spinner}} {{human_pos}} {what}, {{per_sec}}, {{elapsed}}")
        } else {
            format!("{{bar:40}} {{human_pos}} of {{human_len}} {what}, {{per_sec}}, {{eta}} left")
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// No bar, for those who want none.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So much more is done.
    pub fn add(&self, done: u64) {
        self.0.inc(done);
        // Estimates may be too low.
        if let Some(length) = self.0.length()
            && self.0.position() > length
        {
            self.0.set_length(self.0.position());
        }
    }

    /// A line on standard output; the bar stays below it.
    pub fn print(&self, line: &str) -> Result<()> {
        self.0.suspend(|| output::line(&output::shown(line)))
    }

    /// A line above the bar, on standard error.
    pub fn say(&self, line: &str) {
        self.0.suspend(|| output::error_line(line));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
