//! Applying a bundle to a target: line by line, in one transaction, which ends well only if all of the
//! bundle was there and unaltered.

use std::time::{Duration, Instant};

use bunker_bundle::{BundleError, Header, Item, Reader, Signed, Table, Value, schema};
use bunker_core::crypto::MasterKey;

use crate::error::{Error, Result};
use crate::open::Opener;
use crate::progress::Progress;
use crate::target::{self, Target};

/// What is not checked of a bundle that is applied without the master key.
pub const UNCHECKED: &str = "the bundle's signature is not checked, only its digest";

/// A bundle that is being applied.
pub struct Applier<'a> {
    target: &'a mut dyn Target,
    state: Option<Signed>,
    master: Option<&'a MasterKey>,
    reader: Reader,
    keyring: Vec<Vec<Value<'static>>>,
    end: Option<Box<Signed>>,
    progress: Progress,
    shows_progress: bool,
    begun_at: Instant,
}

/// A bundle that has been applied.
pub struct Applied {
    /// What it said of itself.
    pub signed: Box<Signed>,
    /// How long it took.
    pub elapsed: Duration,
}

impl<'a> Applier<'a> {
    /// Begins the target's transaction, and so keeps other tools away from it. With a master key the
    /// bundle's signature will be verified.
    pub fn begin(
        target: &'a mut dyn Target,
        master: Option<&'a MasterKey>,
        shows_progress: bool,
    ) -> Result<Self> {
        let begun_at = Instant::now();
        target.begin()?;
        let state = target::state(target)?;
        Ok(Self {
            target,
            state,
            master,
            reader: Reader::new(),
            keyring: Vec::new(),
            end: None,
            progress: Progress::hidden(),
            shows_progress,
            begun_at,
        })
    }

    /// Where the next bundle has to begin; nothing for a target without one.
    pub fn cursor(&self) -> Option<&str> {
        self.state.as_ref().map(|state| state.summary.cursor.as_str())
    }

    /// Applies all lines, and commits; `read` hands over one after the other, without its line feed. If
    /// anything goes wrong the target is left as it was.
    pub fn run(
        mut self,
        read: impl FnOnce(&mut dyn FnMut(&str) -> Result<()>) -> Result<()>,
    ) -> Result<Applied> {
        let applied = read(&mut |line| self.line(line)).and_then(|()| self.finish());
        match applied {
            Ok(signed) => Ok(Applied { signed, elapsed: self.begun_at.elapsed() }),
            Err(error) => {
                self.target.rollback();
                Err(error)
            }
        }
    }

    fn line(&mut self, line: &str) -> Result<()> {
        match self.reader.line(line)? {
            Item::Begin(header) => {
                admit(self.state.as_ref(), &header)?;
                target::remove_ended(self.target, header.made_at)?;
                if self.shows_progress {
                    self.progress = Progress::start("rows", header.expected_rows);
                }
            }
            Item::Replace(tables) => target::replace(self.target, &tables)?,
            Item::Users(tokens) => target::remove_users(self.target, &tokens)?,
            Item::Rows(table, rows) => self.rows(table, rows)?,
            Item::End(signed) => self.end = Some(signed),
        }
        Ok(())
    }

    fn rows(&mut self, table: &'static Table, rows: Vec<Vec<Value<'static>>>) -> Result<()> {
        // Of a bundle as the vault made it, no row is there already.
        self.target.insert(table, &rows).map_err(|error| match error {
            error if error.is_conflict() => BundleError::Altered.into(),
            error => error,
        })?;
        self.progress.add(rows.len() as u64);
        if table.name == "keyring" {
            self.keyring.extend(rows);
        }
        Ok(())
    }

    /// All lines are there: are they the vault's?
    fn finish(&mut self) -> Result<Box<Signed>> {
        let signed = self.end.take().ok_or(BundleError::Truncated)?;
        if let Some(master) = self.master {
            signed.verify(Opener::new(master, &self.keyring)?.bundle())?;
        }
        target::set_state(self.target, &signed)?;
        self.target.commit()?;
        Ok(signed)
    }
}

/// Whether a target in that state may take a bundle.
fn admit(state: Option<&Signed>, header: &Header) -> Result<()> {
    let held = match state {
        Some(state) => &state.summary.bundle,
        None if header.is_whole() => return Ok(()),
        None => {
            return Err(Error::Refused(
                "the bundle is out of order: it follows another one, and the target has none yet",
            ));
        }
    };
    if held.vault != header.vault {
        return Err(BundleError::WrongVault.into());
    }
    if held.id == header.id {
        return Err(Error::Refused("the bundle is applied already"));
    }
    if held.number > header.number {
        return Err(Error::Refused(
            "the bundle is out of order: the target holds a later one; if the vault was restored from \
             a backup, begin a new target",
        ));
    }
    if !header.is_whole() && header.previous != Some(held.id) {
        return Err(Error::Refused(
            "the bundle is out of order: it does not follow the one that the target holds",
        ));
    }
    Ok(())
}

impl Applied {
    /// What was done, in one line.
    pub fn sentence(&self) -> String {
        let summary = &self.signed.summary;
        let records = summary.rows.get("record").copied().unwrap_or_default();
        let users = summary.users.max(records);
        let rows = summary.total_rows();
        let seconds = self.elapsed.as_secs_f64();
        let what = if summary.bundle.is_whole() { "whole" } else { "changes" };
        format!(
            "bundle {} ({what}): {users} users, {rows} rows in {seconds:.1} s, {:.0} rows/s",
            summary.bundle.number,
            rows as f64 / seconds.max(0.001),
        )
    }
}

/// The keys of the vault whose content a target holds.
pub fn opener(target: &mut dyn Target, master: &MasterKey) -> Result<Opener> {
    let keyring = schema::table("keyring").ok_or(BundleError::Malformed)?;
    let mut rows = Vec::new();
    target::scan(target, keyring, &mut |row| {
        rows.push(row.to_vec());
        Ok(())
    })?;
    Opener::new(master, &rows)
}
