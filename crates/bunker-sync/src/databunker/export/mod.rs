//! From the vault into a store that a Databunker server opens.

mod index;
mod root_token;
mod rows;
mod schema;
mod sink;

use bunker_bundle::{BundleError, Item, Reader, Signed, Table, Value};
use bunker_core::crypto::MasterKey;
use bunker_core::normalize::Region;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;

use self::rows::{Made, Rows};
use super::crypto::{RecordKeys, StoreKey};
use super::report::{Outcome, Place, Reason, Report};
use crate::error::{Error, Result};
use crate::open::Opener;
use crate::progress::Progress;
use crate::row::Row;
use crate::vault;

pub use root_token::RootToken;
pub use sink::{Sink, create};

/// What is written, and what became of it.
pub struct Export {
    /// The new store.
    pub sink: Box<dyn Sink>,
    /// Its key.
    pub key: StoreKey,
    /// The vault's master key.
    pub master: MasterKey,
    /// The token of its owner.
    pub root_token: RootToken,
    /// What became of the rows.
    pub report: Report,
}

impl Export {
    /// Writes all that a vault holds of its users, and the owner's token.
    ///
    /// # Errors
    /// Among others refused when the master key is not the vault's; there is no new store then.
    pub fn run(self, vault: &mut Client) -> Result<()> {
        let schema = vault::schema(vault)?;
        let export = format!("SELECT {schema}.bunker_export_bundle('jsonl'::pg_catalog.text)");
        let mut lines = vault.query_raw(&export, Vec::<String>::new())?;
        let mut reader = Reader::new();
        let Some(Item::Begin(header)) =
            lines.next()?.map(|line| item(&mut reader, &line)).transpose()?
        else {
            return Err(NO_HEADER);
        };
        let region = Region::parse(&header.region).map_err(|_| NO_HEADER)?;
        let mut writer = Writer::new(self, region, header.expected_rows)?;
        while let Some(line) = lines.next()? {
            match item(&mut reader, &line)? {
                Item::Begin(_) | Item::Replace(_) | Item::Users(_) => {}
                Item::Rows(table, rows) => writer.rows(table, &rows)?,
                Item::End(signed) => return writer.end(&signed),
            }
        }
        Err(BundleError::Truncated.into())
    }
}

fn item(reader: &mut Reader, line: &postgres::Row) -> Result<Item> {
    Ok(reader.line(line.try_get(0)?)?)
}

const NO_HEADER: Error = Error::Refused("the vault's export is not what it should be");

/// An export whose bundle has begun.
struct Writer {
    export: Export,
    rows: Rows,
    keyring: Vec<Vec<Value<'static>>>,
    opener: Option<Opener>,
    progress: Progress,
}

impl Writer {
    fn new(export: Export, region: Region, expected: u64) -> Result<Self> {
        Ok(Self {
            export,
            rows: Rows::new(region, RecordKeys::new()?),
            keyring: Vec::new(),
            opener: None,
            progress: Progress::start("rows", expected),
        })
    }

    fn rows(&mut self, table: &'static Table, rows: &[Vec<Value<'static>>]) -> Result<()> {
        match table.name {
            "keyring" => self.keyring.extend_from_slice(rows),
            // A store has one version of each thing, no keys of its own, and finds by hashes of its own.
            "lookup" | "lookup_kind" | "record_version" | "app_data_version" | "user_schema" => {}
            _ => {
                self.export.report.table(table.name);
                for values in rows {
                    self.row(&Row::new(table, values))?;
                }
            }
        }
        self.progress.add(rows.len() as u64);
        Ok(())
    }

    /// The keyring is the first table of a bundle.
    fn opener(&mut self) -> Result<Opener> {
        match self.opener.take() {
            Some(opener) => Ok(opener),
            None => Opener::new(&self.export.master, &self.keyring),
        }
    }

    fn row(&mut self, row: &Row<'_>) -> Result<()> {
        let number = self.export.report.read();
        let opener = self.opener()?;
        let made = self.rows.make(row, &opener, &self.export.key)?;
        self.opener = Some(opener);
        let place = Place { number, name: row.key() };
        let (outcome, words) = match made {
            Made::Row(cells) => (self.export.sink.insert(&cells).map(|()| Outcome::Created)?, None),
            Made::Change(change) => {
                (self.export.sink.change(&change).map(|()| Outcome::Created)?, None)
            }
            Made::Later => (Outcome::Created, None),
            Made::Nothing(words) => (Outcome::Ended, Some(words)),
            Made::Skipped(words) => (Outcome::Skipped, Some(words)),
        };
        let reason = words.map(|words| Reason { sqlstate: None, words });
        self.export.report.outcome(&self.progress, &place, outcome, reason.as_ref())
    }

    /// Nothing of the bundle counts before its signature.
    fn end(mut self, signed: &Signed) -> Result<()> {
        signed.verify(self.opener()?.bundle())?;
        for change in self.rows.later() {
            self.export.sink.change(&change)?;
        }
        let Export { mut sink, key, mut root_token, report, .. } = self.export;
        sink.insert(&rows::root_token(&key, root_token.token())?)?;
        root_token.write()?;
        sink.finish()?;
        root_token.keep();
        drop(self.progress);
        report.finish()
    }
}
