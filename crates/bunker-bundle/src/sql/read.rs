//! Checking a text without applying it.

use std::collections::VecDeque;

use base16ct::{lower, upper};
use sha2::{Digest, Sha256};

use super::{Mysql, Sqlite, mysql, sqlite};
use crate::FORMAT;
use crate::error::BundleError;
use crate::summary::Signed;
use crate::writer::{Dialect, add_line};

/// Reads a bundle in SQL, of either kind, line by line without line feeds, and gives what is signed of
/// it. Its digest is right, and its last lines are those that go with what is signed; the signature is
/// for the caller to check, with [`Signed::verify`]. Holds a few lines at a time.
///
/// # Errors
/// Of the lines, and [`BundleError`]: then the text is not as it was written.
pub fn read_signed<E, I>(lines: I) -> Result<Signed, E>
where
    E: From<BundleError>,
    I: IntoIterator<Item = Result<String, E>>,
{
    let mut lines = lines.into_iter();
    let mut digest = Sha256::new();
    let mut next = || -> Result<String, E> {
        let line = lines.next().ok_or(BundleError::Truncated)??;
        add_line(&mut digest, &line);
        Ok(line)
    };
    let first = next()?;
    let mut known = if first == sqlite::FIRST { sqlite(&next()?)? } else { mysql(&first)? };
    let mut last = VecDeque::new();
    for line in lines {
        last.push_back(line?);
        if last.len() > known.end_lines
            && let Some(line) = last.pop_front()
        {
            add_line(&mut digest, &line);
        }
    }
    let signed = signed(&last).ok_or(BundleError::Truncated)?;
    let mut expected = Vec::new();
    known.dialect.end(&signed, &mut expected);
    let digest = lower::encode_string(&digest.finalize());
    if last != expected || signed.summary.digest != digest {
        return Err(BundleError::Altered.into());
    }
    Ok(signed)
}

struct Known {
    dialect: Box<dyn Dialect>,
    /// How many lines come after those that the digest is of.
    end_lines: usize,
}

fn sqlite(title: &str) -> Result<Known, BundleError> {
    check_title(title, sqlite::TITLE)?;
    Ok(Known { dialect: Box::new(Sqlite::new()), end_lines: sqlite::END_LINES })
}

fn mysql(title: &str) -> Result<Known, BundleError> {
    check_title(title, mysql::TITLE)?;
    Ok(Known { dialect: Box::new(Mysql::new()), end_lines: mysql::END_LINES })
}

fn check_title(line: &str, title: &str) -> Result<(), BundleError> {
    match line.strip_prefix(title).and_then(|format| format.parse::<u32>().ok()) {
        Some(FORMAT) => Ok(()),
        Some(format) if format > FORMAT => Err(BundleError::UnknownFormat),
        _ => Err(BundleError::Malformed),
    }
}

/// The summary and its signature from the literals of the last lines.
fn signed(last: &VecDeque<String>) -> Option<Signed> {
    let line = last.front()?;
    // A quotation mark within a literal of MySQL is written twice.
    let parts: Vec<_> = line.split('\'').filter(|part| !part.is_empty()).collect();
    parts.windows(4).find_map(|parts| match parts {
        [before, summary, _, signature] if before.ends_with('X') => {
            let summary = String::from_utf8(upper::decode_vec(summary).ok()?).ok()?;
            let signature = String::from_utf8(upper::decode_vec(signature).ok()?).ok()?;
            Signed::parse(&summary, &signature).ok()
        }
        _ => None,
    })
}
