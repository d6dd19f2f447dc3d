//! What has been done with a bundle so far.

use std::fmt;

use serde_json::{Value, json};

/// Counts, for the result and the trail.
#[derive(Default)]
pub struct Tally {
    /// Rows that were taken, of all tables.
    pub rows: usize,
    /// Users who were not here.
    pub added: u64,
    /// Users of whom the bundle had a later state.
    pub updated: u64,
    /// Tombstones that were not here.
    pub forgotten: u64,
    /// Users of whom the state that is here counts.
    pub unchanged: u64,
}

impl Tally {
    /// The users, by what has become of them.
    pub fn users(&self) -> Value {
        json!({
            "added": self.added,
            "updated": self.updated,
            "forgotten": self.forgotten,
            "unchanged": self.unchanged,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, added, updated, forgotten, unchanged } = self;
        write!(
            f,
            ", {rows} rows taken, users: {added} added, {updated} updated, {forgotten} forgotten, \
             {unchanged} unchanged"
        )
    }
}
