//! Reading a bundle of JSON Lines.

use std::collections::BTreeMap;

use base16ct::lower;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::BundleError;
use crate::header::Header;
use crate::jsonl::split_last_line;
use crate::line::{self, Line, MAX_WITHOUT_ROWS};
use crate::schema::Table;
use crate::summary::Signed;
use crate::value::Value;
use crate::writer::add_line;
use crate::{FORMAT, MAX_LINE};

/// What a line says.
#[derive(Debug)]
pub enum Item {
    /// A bundle begins.
    Begin(Header),
    /// All rows of these tables go; those that follow take their place.
    Replace(Vec<&'static Table>),
    /// All that is held of these users goes; the rows that follow take its place.
    Users(Vec<Uuid>),
    /// Rows of a table, each with a value for each of its columns.
    Rows(&'static Table, Vec<Vec<Value<'static>>>),
    /// The bundle is complete and unaltered, if the signature is the vault's: see [`Signed::verify`].
    /// Nothing of the bundle counts before that.
    End(Box<Signed>),
}

/// Reads a bundle line by line, and checks its digest and counts at its end.
#[derive(Default)]
pub struct Reader {
    header: Option<Header>,
    digest: Sha256,
    rows: BTreeMap<String, u64>,
    users: u64,
    ended: bool,
}

impl Reader {
    /// A reader that has read nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next line, given without its line feed.
    ///
    /// # Errors
    /// See [`BundleError`]; after one, nothing of the bundle counts.
    pub fn line(&mut self, line: &str) -> Result<Item, BundleError> {
        if self.ended {
            return Err(BundleError::Trailing);
        }
        if line.len() > MAX_LINE {
            return Err(BundleError::Malformed);
        }
        if let Some((text, signature)) = split_last_line(line) {
            if line.len() > MAX_WITHOUT_ROWS {
                return Err(BundleError::Malformed);
            }
            return self.end(Signed::parse(text, signature)?).map(Item::End);
        }
        add_line(&mut self.digest, line);
        match (line::read(line)?, &self.header) {
            (Line::Bundle(content), None) => self.begin(content).map(Item::Begin),
            (Line::Bundle(_), Some(_)) | (_, None) => Err(BundleError::Malformed),
            (Line::Replace(tables), _) => Ok(Item::Replace(tables)),
            (Line::Users(users), _) => {
                self.users += users.len() as u64;
                Ok(Item::Users(users))
            }
            (Line::Rows(table, rows), _) => {
                *self.rows.entry(table.name.to_owned()).or_default() += rows.len() as u64;
                Ok(Item::Rows(table, rows))
            }
        }
    }

    /// What the first line said.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Says that there are no more lines.
    ///
    /// # Errors
    /// [`BundleError::Truncated`] when the last one was not the bundle's.
    pub fn finish(self) -> Result<(), BundleError> {
        if self.ended { Ok(()) } else { Err(BundleError::Truncated) }
    }

    fn begin(&mut self, content: Json) -> Result<Header, BundleError> {
        if content.get("format").and_then(Json::as_u64).is_some_and(|it| it > u64::from(FORMAT)) {
            return Err(BundleError::UnknownFormat);
        }
        let header: Header = serde_json::from_value(content).map_err(|_| BundleError::Malformed)?;
        self.header = Some(header.clone());
        Ok(header)
    }

    fn end(&mut self, signed: Signed) -> Result<Box<Signed>, BundleError> {
        let summary = &signed.summary;
        let digest = lower::encode_string(&std::mem::take(&mut self.digest).finalize());
        let is_unaltered = self.header.as_ref() == Some(&summary.bundle)
            && summary.digest == digest
            && summary.rows == self.rows
            && summary.users == self.users;
        if !is_unaltered {
            return Err(BundleError::Altered);
        }
        self.ended = true;
        Ok(Box::new(signed))
    }
}
