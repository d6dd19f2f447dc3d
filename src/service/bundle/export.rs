//! Exporting the vault: all of it, or what has changed since an earlier export.
//!
//! What has changed is asked of the audit trail: it has an event of every change of a user, in the
//! transaction of the change, so nothing has to be written besides. A cursor holds a number of the
//! trail up to which the earlier export saw every event there will ever be. Users about whom there are
//! events after it go into the next bundle whole; that some of them were in the last one, too, does no
//! harm.

use std::collections::VecDeque;
use std::rc::Rc;

use bunker_bundle::jsonl::JsonLines;
use bunker_bundle::sql::{Mysql, Sqlite};
use bunker_bundle::{Cursor, Dialect, FORMAT, Header, Writer};
use bunker_core::calendar::month_of;

use super::content::Content;
use super::floor;
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring::{self, Keys};
use crate::pg::progress::{Progress, Work};
use crate::pg::{scan, session, time, transaction};
use crate::service::ids;
use crate::storage::bundle as rows;
use crate::storage::{audit_seal, record};

/// A bundle that is being written, line by line.
pub struct Export {
    keys: Rc<Keys>,
    /// `None` once the last line is written.
    writer: Option<Writer>,
    content: Content,
    cursor: Cursor,
    lines: VecDeque<String>,
    progress: Option<Progress>,
    rows: i64,
}

/// Begins to export the vault for `target`; with the text of a cursor, what has changed since.
///
/// # Errors
/// An unknown target; a cursor that is none of this vault, or too old; a transaction that has written:
/// what it would export might be rolled back; a vault that was never used.
pub fn export(target: &str, since: Option<&str>) -> Result<Export> {
    audit::read("export_bundle", None, |access| {
        session::require_read_write(c"an export of the vault");
        let dialect = dialect(target)?;
        if transaction::has_number() {
            return Err(Error::HasWritten);
        }
        let keys = keyring::existing()?.ok_or(Error::BadArgument(
            "the vault has never been used",
            "There is nothing to export yet.",
        ))?;
        let since = since.map(|text| Cursor::decode(text, keys.bundle())).transpose()?;
        let id = ids::random()?;
        access.told(event_of(&id));
        begin(keys, dialect, rows::to_uuid(id), since)
    })
}

/// What the trail says of the export of a bundle: by it the next export finds this one.
fn event_of(bundle: &impl std::fmt::Display) -> String {
    format!("bundle {bundle}")
}

fn dialect(target: &str) -> Result<Box<dyn Dialect>> {
    match target {
        "jsonl" => Ok(Box::new(JsonLines)),
        "mysql" => Ok(Box::new(Mysql::new())),
        "sqlite" => Ok(Box::new(Sqlite::new())),
        _ => Err(Error::BadArgument("unknown target of an export", "Use sqlite, mysql or jsonl.")),
    }
}

fn begin(
    keys: Rc<Keys>,
    dialect: Box<dyn Dialect>,
    id: uuid::Uuid,
    since: Option<Cursor>,
) -> Result<Export> {
    audit::catch_up();
    // Before the snapshot is taken, which then sees all that is below.
    let floor = floor::current(since.map_or(0, |since| since.floor))?;
    let now = time::now();
    let (content, expected_rows) = scan::with_latest_snapshot(|| match &since {
        None => Ok((Content::whole(now)?, rows::estimated_rows()?)),
        Some(since) => since_then(since, now),
    })?;
    // After all queries have begun: a number of the transaction's gives SPI another snapshot. The sequence
    // takes one now and then; that a second export is refused should not hang on that.
    let number = rows::next_number()?;
    transaction::take_number();
    let made_at = rows::unix_time(now)?;
    let header = Header {
        format: FORMAT,
        id,
        vault: uuid::Uuid::from_bytes(keys.bundle().vault()),
        number,
        previous: since.map(|since| since.bundle),
        made_at,
        region: guc::default_region()?.to_string(),
        expected_rows,
    };
    let total = i64::try_from(expected_rows).unwrap_or(i64::MAX);
    Ok(Export {
        writer: Some(Writer::begin(dialect, header)),
        keys,
        content,
        cursor: Cursor { bundle: id, number, floor, made_at },
        lines: VecDeque::new(),
        progress: Some(Progress::start(Work::Exporting, record::TABLE.oid()?, total)),
        rows: 0,
    })
}

/// What has changed since an export, and about how many rows that is.
fn since_then(since: &Cursor, now: i64) -> Result<(Content, u64)> {
    let changes = rows::changes_since(since.floor, &event_of(&since.bundle))?;
    if !changes.export_is_known || trail_was_cut(since)? {
        return Err(Error::BadArgument(
            "the trail does not reach back to the export of this cursor",
            "Export the vault as a whole, without a cursor.",
        ));
    }
    if changes.everything {
        return Ok((Content::whole(now)?, rows::estimated_rows()?));
    }
    // A user has a record, its entries, and perhaps a little more.
    let expected = u64::try_from(changes.users).unwrap_or_default().saturating_mul(5);
    Ok((Content::changed_since(since.floor, now)?, expected))
}

/// Whether retention has dropped a month of the trail in which transactions may have begun that were
/// open during an export.
fn trail_was_cut(since: &Cursor) -> Result<bool> {
    let kept = audit_seal::last_of(audit_seal::RETENTION)?.map(|seal| seal.month);
    let exported = month_of(time::from_unix_micros(since.made_at));
    Ok(kept.is_some_and(|kept| kept >= exported))
}

impl Export {
    /// The next line; `None` at the end.
    fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            let Some(mut writer) = self.writer.take() else {
                return Ok(None);
            };
            match self.content.advance(&mut writer)? {
                Some(written) => {
                    self.rows += written as i64;
                    if let Some(progress) = &self.progress {
                        progress.done(self.rows);
                    }
                    self.lines.extend(writer.ready());
                    self.writer = Some(writer);
                }
                None => {
                    let key = self.keys.bundle();
                    self.lines.extend(writer.end(key, self.cursor.encode(key))?);
                    self.progress = None;
                }
            }
        }
    }
}

impl Iterator for Export {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        self.next_line().transpose()
    }
}
