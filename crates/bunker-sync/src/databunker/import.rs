//! From a store into the vault.

use serde_json::Value;

use super::kind::Kind;
use super::report::{Outcome, Place, Reason, Report};
use super::rows::{self, Context, Left};
use super::send::{Pending, Vault};
use super::source::{Query, Row, Source};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// A batch is sent when it is as big as this, in bytes, however few rows it has.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// A table of the store.
struct Part {
    table: String,
    kind: Kind,
    /// Whose data it holds, where it is the table of one app.
    app: Option<String>,
}

/// All tables that are read, in the order in which they are brought. Others that the server has hold
/// nothing to bring: `xtokens` are its access tokens.
const TABLES: &[(&str, Kind)] = &[
    ("legalbasis", Kind::LegalBasis),
    ("processingactivities", Kind::Activity),
    ("users", Kind::User),
    ("userapps", Kind::AppData),
    ("app_", Kind::AppData),
    ("sessions", Kind::Session),
    ("sharedrecords", Kind::Share),
    ("agreements", Kind::Agreement),
    ("requests", Kind::Request),
    ("audit", Kind::Fact),
];

/// Checks that the store's key is the given one: that of some records one opens.
///
/// # Errors
/// Refused when none does.
pub fn check_key(source: &mut dyn Source, context: &Context) -> Result<()> {
    const TRIED: u32 = 100;
    let tables = source.tables()?;
    let (mut tried, mut opened) = (0_u32, false);
    for (table, columns) in [
        ("users", &["key", "data"][..]),
        ("sessions", &["key", "data"]),
        ("agreements", &["who"]),
        ("audit", &["record"]),
    ] {
        if opened || !tables.iter().any(|it| it == table) {
            continue;
        }
        let query = Query { table, columns, of_users: false, limit: Some(TRIED) };
        source.scan(&query, &mut |row| {
            let texts: Vec<_> = columns.iter().filter_map(|column| row.text(column)).collect();
            let is_open = match *texts {
                [key, data] => context.key.open(key, data).is_some(),
                [sealed] if columns.len() == 1 => context.key.open_fixed(sealed).is_some(),
                _ => return Ok(()),
            };
            tried += 1;
            opened |= is_open;
            Ok(())
        })?;
    }
    if tried > 0 && !opened {
        return Err(Error::Refused("the key is not this store's: nothing in it opens"));
    }
    Ok(())
}

/// What is brought, and what became of it.
pub struct Import {
    /// The vault.
    pub vault: Vault,
    /// What is known while rows are read.
    pub context: Context,
    /// What became of the rows.
    pub report: Report,
    /// So many rows are sent together.
    pub batch: usize,
}

impl Import {
    /// Brings all of a store.
    pub fn run(mut self, source: &mut dyn Source) -> Result<()> {
        let parts = parts(&source.tables()?);
        let mut expected = 0;
        for part in &parts {
            expected += source.count(&part.table)?;
        }
        let progress = Progress::start("rows", expected);
        for part in &parts {
            self.part(source, part, &progress)?;
        }
        drop(progress);
        self.report.finish()
    }

    fn part(&mut self, source: &mut dyn Source, part: &Part, progress: &Progress) -> Result<()> {
        self.report.table(&part.table);
        let query = Query {
            table: &part.table,
            columns: part.kind.columns(part.app.is_some()),
            of_users: part.kind.is_of_users(),
            limit: None,
        };
        let mut batch = Batch::default();
        source.scan(&query, &mut |row| {
            if let Some(pending) = self.take(part, row, progress)? {
                batch.add(pending);
            }
            if batch.rows.len() >= self.batch || batch.bytes >= MAX_BATCH_BYTES {
                self.send(&std::mem::take(&mut batch), progress)?;
            }
            progress.add(1);
            Ok(())
        })?;
        self.send(&batch, progress)
    }

    /// A row as the vault takes it, unless it is left out.
    fn take(&mut self, part: &Part, row: &Row<'_>, progress: &Progress) -> Result<Option<Pending>> {
        let place = Place { number: self.report.read(), name: rows::shown(part.kind, row) };
        match rows::map(part.kind, row, part.app.as_deref(), &self.context) {
            Ok(mapped) => {
                if let Some(remark) = rows::remark(part.kind, row, &self.context) {
                    self.report.remark(progress, &place, remark)?;
                }
                self.context.learn(part.kind, row);
                Ok(Some(Pending { place, row: mapped }))
            }
            Err(left) => {
                let (outcome, words) = match left {
                    Left::Ended(words) => (Outcome::Ended, words),
                    Left::Skipped(words) => (Outcome::Skipped, words),
                };
                let reason = Reason { sqlstate: None, words };
                self.report.outcome(progress, &place, outcome, Some(&reason))?;
                Ok(None)
            }
        }
    }

    fn send(&mut self, batch: &Batch, progress: &Progress) -> Result<()> {
        let answers = self.vault.send(&batch.rows)?;
        for (pending, answer) in batch.rows.iter().zip(&answers) {
            let is_there = matches!(answer.outcome, Outcome::Created | Outcome::Present);
            let words = answer.message.as_deref().unwrap_or_default();
            let reason = Reason { sqlstate: answer.sqlstate.as_deref(), words };
            let reason = (!is_there).then_some(&reason);
            self.report.outcome(progress, &pending.place, answer.outcome, reason)?;
        }
        Ok(())
    }
}

/// Rows that are sent together.
#[derive(Default)]
struct Batch {
    rows: Vec<Pending>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, pending: Pending) {
        self.bytes += size(&pending.row);
        self.rows.push(pending);
    }
}

/// About how many bytes a value has as text.
fn size(value: &Value) -> usize {
    const OTHER: usize = 8;
    match value {
        Value::String(text) => text.len() + OTHER,
        Value::Array(items) => items.iter().map(size).sum::<usize>() + OTHER,
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>() + OTHER
        }
        _ => OTHER,
    }
}

/// The tables of the store that are read.
fn parts(tables: &[String]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (name, kind) in TABLES {
        // A table of its own for each app, if the server was told so.
        let is_of_apps = name.ends_with('_');
        for table in tables {
            match table.strip_prefix(name) {
                Some("") if !is_of_apps => {
                    parts.push(Part { table: table.clone(), kind: *kind, app: None });
                }
                Some(app) if is_of_apps && bunker_core::names::is_app(app) => {
                    parts.push(Part {
                        table: table.clone(),
                        kind: *kind,
                        app: Some(app.to_owned()),
                    });
                }
                _ => {}
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_brought_in_order_and_others_are_not() {
        let tables =
            ["app_b", "app_\"x", "audit", "users", "legalbasis", "xtokens", "userapps", "app_shop"];
        let parts = parts(&tables.map(str::to_owned));
        let names: Vec<_> =
            parts.iter().map(|part| (part.table.as_str(), part.app.as_deref())).collect();
        assert_eq!(
            names,
            [
                ("legalbasis", None),
                ("users", None),
                ("userapps", None),
                ("app_shop", Some("shop")),
                ("audit", None),
            ]
        );
    }

    #[test]
    fn a_batch_knows_its_size() {
        let value = serde_json::json!({"a": ["bcd", 1, null]});
        assert_eq!(size(&value), 8 + 1 + 8 + (3 + 8) + 8 + 8);
    }
}
