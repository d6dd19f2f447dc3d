//! The lines of a bundle's file.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bunker_bundle::{BundleError, MAX_LINE};

use crate::error::{Error, Result};
use crate::files;

/// The lines of a file or of standard input.
pub struct Lines(Box<dyn BufRead>);

/// The longest line with its line feed, in bytes.
const LONGEST: u64 = MAX_LINE as u64 + 1;

/// The first bytes of a SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";

impl Lines {
    /// Opens a file; "-" is standard input.
    pub fn open(name: &str) -> Result<Self> {
        if name == "-" {
            return Ok(Self(Box::new(BufReader::new(io::stdin()))));
        }
        Ok(Self(Box::new(BufReader::with_capacity(256 * 1024, files::open(Path::new(name))?))))
    }

    /// Whether it is a SQLite file rather than a bundle.
    pub fn is_sqlite(&mut self) -> Result<bool> {
        Ok(self.0.fill_buf()?.starts_with(SQLITE))
    }

    /// Refuses all but JSON Lines.
    pub fn expect_json(&mut self) -> Result<()> {
        if self.0.fill_buf()?.first().is_none_or(|first| *first == b'{') {
            return Ok(());
        }
        Err(Error::Usage(
            "this is no bundle of JSON Lines; one of SQL is applied by: sqlite3 FILE < bundle, or \
             mysql DATABASE < bundle",
        ))
    }

    /// Reads the next line without its line feed; false at the end. The last line may lack one.
    pub fn next(&mut self, line: &mut String) -> Result<bool> {
        line.clear();
        let mut bytes = std::mem::take(line).into_bytes();
        self.0.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(false);
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() as u64 == LONGEST {
            return Err(BundleError::Malformed.into());
        }
        // JSON has no such byte, and PostgreSQL would not take it.
        if bytes.contains(&0) {
            return Err(BundleError::Malformed.into());
        }
        *line = String::from_utf8(bytes).map_err(|_| BundleError::Malformed)?;
        Ok(true)
    }
}
