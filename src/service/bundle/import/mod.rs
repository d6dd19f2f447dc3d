//! Importing a bundle: what another copy of the vault holds is merged into this one.
//!
//! Of two states of the same thing the later one counts, and a tombstone counts more than any user. So a
//! bundle may be imported twice, and bundles in any order. Its lines come in as many calls as the caller
//! likes, all in one transaction, which cannot be committed before the last line has come and its
//! signature has been found right (`session`).
//!
//! Writers of users wait meanwhile, as they do for an added lookup kind.

mod belongings;
mod fields;
mod keys;
mod progress;
mod records;
mod registers;
mod session;

use bunker_bundle::{Header, Item, Reader, Signed, Table};
use serde_json::json;

use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::pg::jsonb::Jsonb;
use crate::pg::{memory, scan, session as backend, time, transaction};
use crate::storage::bundle::BundleRow;
use crate::storage::{import as tables, outbox};

use keys::Vault;
use progress::Tally;
use records::Users;
use registers::Registers;

pub use session::OBSERVER;

/// A bundle whose lines are coming.
struct Import {
    reader: Reader,
    lines: u64,
    /// What the first line says, and what was found to fit it.
    begun: Option<Begun>,
}

/// A bundle whose first line has come.
struct Begun {
    /// When it was made, by PostgreSQL's clock.
    made_at: i64,
    /// Whether it brings all users, and not those who have changed.
    brings_all: bool,
    vault: Vault,
    registers: Registers,
    users: Users,
    tally: Tally,
}

/// Takes the next lines of a bundle; what has become of it.
///
/// # Errors
/// It is no bundle of this vault, or was altered. A lookup value of one of its users is another user's
/// here. The transaction has one snapshot for all of its statements.
pub fn import<'a>(lines: impl Iterator<Item = Option<&'a str>>) -> Result<Jsonb> {
    // No row that is written is an event by itself: announcements, too, go in without triggers.
    audit::operation("import_bundle", None, &outbox::TABLE, || {
        if backend::uses_one_snapshot() {
            return Err(Error::IsolationLevel);
        }
        let mut import = session::resume()?;
        let mut end = None;
        for (position, line) in lines.enumerate() {
            let missing =
                Error::BadArgument("a line is null", "Give the lines as they were exported.");
            let signed = line
                .ok_or(missing)
                .and_then(|line| import.line(line))
                .map_err(|error| error.at(position + 1))?;
            end = end.or(signed);
        }
        let result = import.report(end.as_deref())?;
        audit::sum_up("import_bundle", import.summary(end.as_deref()))?;
        match end {
            Some(_) => session::complete(),
            None => session::suspend(import),
        }
        Ok(result)
    })
}

impl Import {
    fn new() -> Self {
        Self { reader: Reader::new(), lines: 0, begun: None }
    }

    /// Takes a line; the summary, if it was the last.
    fn line(&mut self, line: &str) -> Result<Option<Box<Signed>>> {
        backend::check_for_interrupts();
        let item = self.reader.line(line)?;
        self.lines += 1;
        memory::scratch(|| {
            if let Item::Begin(header) = item {
                self.begun = Some(Begun::new(&header)?);
                return Ok(None);
            }
            let begun = self.begun.as_mut().ok_or_else(malformed)?;
            // What this transaction has to wait for may have been committed after its statement began.
            scan::with_latest_snapshot(|| begun.item(item))
        })
    }

    fn report(&self, end: Option<&Signed>) -> Result<Jsonb> {
        let result = match (end, &self.begun) {
            (Some(end), Some(begun)) => json!({
                "bundle": end.summary.bundle.id,
                "complete": true,
                "lines": self.lines,
                "rows": { "read": end.summary.total_rows(), "taken": begun.tally.rows },
                "users": begun.tally.users(),
                "reindex": begun.registers.stale_kinds(&begun.tally)?,
            }),
            _ => json!({ "complete": false, "lines": self.lines }),
        };
        Ok(Jsonb::from(result.to_string()))
    }

    /// What the trail says of a call.
    fn summary(&self, end: Option<&Signed>) -> String {
        let bundle = self
            .reader
            .header()
            .map_or_else(|| String::from("no bundle"), |header| format!("bundle {}", header.id));
        let state = if end.is_some() { "complete" } else { "incomplete" };
        let taken = self.begun.as_ref().map(|begun| begun.tally.to_string()).unwrap_or_default();
        format!("{bundle}, {state} after {} lines{taken}", self.lines)
    }
}

impl Begun {
    fn new(header: &Header) -> Result<Self> {
        // From now on each statement sees what is committed when it begins.
        transaction::take_number();
        if guc::default_region()?.to_string() != header.region {
            return Err(Error::BadArgument(
                "the bundle's vault has another databunker.default_region",
                "Set the same here: phone numbers without a country code are found by it.",
            ));
        }
        let vault = Vault::open(header)?;
        let is_empty = tables::lock_users()?;
        Ok(Self {
            made_at: time::from_unix_micros(header.made_at),
            brings_all: header.is_whole(),
            vault,
            registers: Registers::new(is_empty),
            users: Users::new(is_empty),
            tally: Tally::default(),
        })
    }

    fn item(&mut self, item: Item) -> Result<Option<Box<Signed>>> {
        match item {
            Item::Begin(_) => return Err(malformed()),
            Item::Replace(tables) => {
                self.brings_all = tables.iter().any(|table| table.user.is_some());
            }
            Item::Users(tokens) => {
                self.finish_registers()?;
                self.users.next_group(&tokens, self.made_at)?;
            }
            Item::Rows(table, rows) => self.rows(table, rows)?,
            Item::End(signed) => {
                self.finish_registers()?;
                let keys = self.vault.keys()?;
                signed.verify(keys.bundle())?;
                self.users.finish()?;
                return Ok(Some(signed));
            }
        }
        Ok(None)
    }

    fn rows(&mut self, table: &'static Table, rows: Vec<BundleRow>) -> Result<()> {
        fields::check(table, &rows)?;
        if table.name == "keyring" {
            self.tally.rows += self.vault.take_keyring(rows)?;
            return Ok(());
        }
        let keys = self.vault.keys()?;
        if table.user.is_none() {
            self.tally.rows += self.registers.take(table, rows, self.brings_all)?;
            return Ok(());
        }
        self.finish_registers()?;
        self.tally.rows += match table.name {
            "record" => {
                if self.brings_all {
                    self.users.note_mortals(&rows, self.made_at)?;
                }
                self.users.take_records(&keys, rows, &self.registers, &mut self.tally)?
            }
            // The entries are those that the records tell, to which the sealed profiles are bound.
            "lookup" => 0,
            _ => self.users.take_belongings(table, rows)?,
        };
        Ok(())
    }

    fn finish_registers(&mut self) -> Result<()> {
        self.tally.rows += self.registers.finish(&*self.vault.keys()?, self.made_at)?;
        Ok(())
    }
}

/// A bundle that nobody has exported, though its lines are bundles' lines.
fn malformed() -> Error {
    Error::from(bunker_bundle::BundleError::Malformed)
}
