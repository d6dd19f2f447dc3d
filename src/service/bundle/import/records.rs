//! Users: which state of each counts, the bundle's or the one that is here.

use std::collections::HashSet;

use pgrx::Uuid;

use super::fields::{Fields, uuid};
use super::malformed;
use super::progress::Tally;
use super::registers::Registers;
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::outbox::{self, Announcement};
use crate::pg::scan::Snapshot;
use crate::pg::value::Place;
use crate::service::users::bury;
use crate::service::{consent, digests, kinds};
use crate::storage::agreement::Holder;
use crate::storage::bundle::{BundleRow, from_uuid};
use crate::storage::import::{self as tables, Imported, Known, Mortal};
use crate::storage::lookup::{self, Entry, Target};
use crate::storage::record::{self, Record};

/// What has to be remembered from row to row.
pub struct Users {
    /// Whether there were none when the bundle began: nothing has to be compared with anything.
    is_empty: bool,
    /// Forgotten here, and alive in the bundle: nothing of them is taken.
    pub(super) left_out: HashSet<Uuid>,
    /// Forgotten by this bundle: what it says of their requests counts, and not what forgetting them here
    /// has made of these.
    pub(super) buried: HashSet<Uuid>,
    /// App data of users that stand here in a later version, whose history here is the whole one.
    pub(super) outrun: HashSet<(Uuid, String)>,
    /// Sessions and shares that are here and have not come in the bundle of all.
    pub(super) missing: HashSet<Mortal>,
    /// Entries of the blind index that are, or were, somebody else's here. He may give them up in a later
    /// line.
    disputed: Vec<lookup::Row>,
}

/// The users of a line, by what has to be done.
#[derive(Default)]
struct Sorted {
    new: Vec<Imported>,
    later: Vec<(Imported, Known)>,
    earlier: Vec<Imported>,
    /// Alive here, and forgotten there.
    gone: Vec<Imported>,
    /// Forgotten in both, there with other preserved values.
    reburied: Vec<Imported>,
}

impl Users {
    /// None so far, in a vault without users perhaps.
    pub fn new(is_empty: bool) -> Self {
        Self {
            is_empty,
            left_out: HashSet::new(),
            buried: HashSet::new(),
            outrun: HashSet::new(),
            missing: HashSet::new(),
            disputed: Vec::new(),
        }
    }

    /// All rows of these users come next. Those of their sessions and shares that are not among them have
    /// ended there.
    pub fn next_group(&mut self, tokens: &[uuid::Uuid], made_at: i64) -> Result<()> {
        self.left_out.clear();
        self.buried.clear();
        self.outrun.clear();
        let tokens: Vec<_> = tokens.iter().copied().map(from_uuid).collect();
        tables::end_mortals(tokens.iter(), made_at)
    }

    /// The same for users of a bundle of all, in which what belongs to them comes much later.
    pub fn note_mortals(&mut self, records: &[BundleRow], made_at: i64) -> Result<()> {
        if !self.is_empty {
            let tokens: Vec<_> = records.iter().filter_map(|row| uuid(row.first()?)).collect();
            self.missing.extend(tables::mortals(tokens.iter(), made_at)?);
        }
        Ok(())
    }

    /// Takes users; how many rows that has changed.
    pub fn take_records(
        &mut self,
        keys: &Keys,
        rows: Vec<BundleRow>,
        registers: &Registers,
        tally: &mut Tally,
    ) -> Result<usize> {
        let sorted = self.sort(rows, tally)?;
        for gone in &sorted.gone {
            forget(keys, &gone.record.token)?;
            self.buried.insert(gone.record.token);
        }
        tables::replace(sorted.gone.iter().chain(&sorted.reburied))?;
        let kept =
            self.advance(keys, &sorted.later, registers)? + tables::add_versions(&sorted.earlier)?;
        self.add(&sorted.new)?;
        announce(&sorted)?;
        let Sorted { new, later, gone, reburied, .. } = &sorted;
        Ok(new.len() + later.len() + gone.len() + reburied.len() + kept)
    }

    fn sort(&mut self, rows: Vec<BundleRow>, tally: &mut Tally) -> Result<Sorted> {
        let snapshot = Snapshot::of_caller();
        let mut sorted = Sorted::default();
        for row in rows {
            let user = imported(row)?;
            let known = match self.is_empty {
                true => None,
                false => tables::find(&snapshot, &user.record.token)?,
            };
            let Some(known) = known else {
                let is_tombstone = user.forgotten_at.is_some();
                *(if is_tombstone { &mut tally.forgotten } else { &mut tally.added }) += 1;
                sorted.new.push(user);
                continue;
            };
            let is_later = rank(&user) > (known.version, known.updated_at, known.digests.len());
            match (known.forgotten_at, user.forgotten_at) {
                (None, Some(_)) => {
                    tally.forgotten += 1;
                    sorted.gone.push(user);
                    continue;
                }
                (Some(forgotten_at), None) => self.leave_out(&user, forgotten_at)?,
                (None, None) if is_later => {
                    tally.updated += 1;
                    sorted.later.push((user, known));
                    continue;
                }
                (None, None) if user.record.version < known.version => sorted.earlier.push(user),
                (Some(_), Some(_)) if is_later => sorted.reburied.push(user),
                _ => {}
            }
            tally.unchanged += 1;
        }
        Ok(sorted)
    }

    /// A user of the bundle was forgotten here: also what his addresses have agreed to before, which came
    /// with the registers.
    fn leave_out(&mut self, user: &Imported, forgotten_at: i64) -> Result<()> {
        for entry in digests::decode(&user.record.digests)? {
            tables::drop_unclaimed(&Holder::address(&entry), forgotten_at)?;
        }
        self.left_out.insert(user.record.token);
        Ok(())
    }

    /// Brings users to later states; how many former versions that keeps.
    fn advance(
        &mut self,
        keys: &Keys,
        later: &[(Imported, Known)],
        registers: &Registers,
    ) -> Result<usize> {
        if later.is_empty() {
            return Ok(0);
        }
        let tokens = || later.iter().map(|(user, _)| &user.record.token);
        tables::lock(tokens())?;
        // Of two states with one number only the later is kept: the next change puts its number among the
        // former versions.
        let outrun = later.iter().filter(|(user, known)| user.record.version > known.version);
        let kept = tables::keep_versions(outrun.map(|(user, _)| &user.record.token))?;
        let mut entries = Vec::new();
        for (user, known) in later {
            let token = user.record.token;
            let (old, new) =
                (digests::decode(&known.digests)?, digests::decode(&user.record.digests)?);
            let gone: Vec<_> = old.iter().filter(|entry| !new.contains(entry)).copied().collect();
            let is_anothers =
                |address: &Holder, brief: &str| registers.has_unclaimed(address, brief);
            consent::release_but(keys, &token, &gone, is_anothers)?;
            lookup::delete(&token, &gone)?;
            let target = Target { token, place: None };
            let added = new.into_iter().filter(|entry| !old.contains(entry));
            entries.extend(added.map(|entry| lookup::Row { entry, target }));
        }
        tables::replace(later.iter().map(|(user, _)| user))?;
        self.add_entries(entries)?;
        Ok(kept)
    }

    fn add(&mut self, new: &[Imported]) -> Result<()> {
        let places = tables::add(new)?;
        let mut entries = Vec::with_capacity(new.len() * 3);
        for (user, place) in new.iter().zip(places) {
            entries.extend(entries_of(&user.record, Some(place))?);
        }
        self.add_entries(entries)
    }

    /// Adds entries to the blind index, but for those that somebody has.
    fn add_entries(&mut self, mut entries: Vec<lookup::Row>) -> Result<()> {
        // In the order of the index.
        entries.sort_unstable_by_key(|row| row.entry);
        if !self.is_empty {
            let snapshot = Snapshot::of_caller();
            let mut free = Vec::with_capacity(entries.len());
            for row in entries {
                let is_taken = lookup::find(&snapshot, &row.entry)?.is_some();
                if is_taken { &mut self.disputed } else { &mut free }.push(row);
            }
            entries = free;
        }
        insert(&entries)
    }

    /// All users have come: what has ended there ends here, and entries that were somebody else's are
    /// added, if he has given them up.
    ///
    /// # Errors
    /// A lookup value of one of the bundle's users is another user's here.
    pub fn finish(&mut self) -> Result<()> {
        tables::end(self.missing.iter())?;
        let snapshot = Snapshot::of_caller();
        let mut entries = std::mem::take(&mut self.disputed);
        entries.sort_unstable_by_key(|row| row.entry);
        let mut due = Vec::with_capacity(entries.len());
        for row in entries {
            let digests = record::digests(&snapshot, &row.target.token)?.unwrap_or_default();
            let owner = lookup::find(&snapshot, &row.entry)?.map(|target| target.token);
            if digests::contains(&digests, &row.entry) && owner != Some(row.target.token) {
                due.push(row);
            }
        }
        insert(&due)
    }
}

/// What makes a state the later one. Whoever gets a new kind of entries keeps his version.
fn rank(user: &Imported) -> (i32, i64, usize) {
    let record = &user.record;
    (record.version, record.updated_at, record.digests.len())
}

fn imported(row: BundleRow) -> Result<Imported> {
    let mut fields = Fields::of(row);
    let (token, created_at, updated_at) = (fields.uuid()?, fields.time()?, fields.time()?);
    let forgotten_at = fields.optional_time()?;
    let record = Record {
        token,
        created_at,
        updated_at,
        forgotten: forgotten_at.is_some(),
        version: fields.int()?,
        changed_by: fields.text()?,
        digests: fields.bytes()?,
        sealed: fields.optional_bytes()?,
    };
    // A user is found by something and has a profile; a tombstone is not found.
    let is_possible = if record.forgotten {
        record.digests.is_empty()
    } else {
        record.sealed.is_some() && digests::decode(&record.digests).is_ok()
    };
    if record.version < 1 || !is_possible {
        return Err(malformed());
    }
    Ok(Imported { record, forgotten_at })
}

fn entries_of(record: &Record, place: Option<Place>) -> Result<impl Iterator<Item = lookup::Row>> {
    let target = Target { token: record.token, place };
    let entries: Vec<Entry> = digests::decode(&record.digests)?;
    Ok(entries.into_iter().map(move |entry| lookup::Row { entry, target }))
}

fn insert(entries: &[lookup::Row]) -> Result<()> {
    match lookup::insert(entries)? {
        Ok(()) => Ok(()),
        Err(position) => {
            let lookup::Row { entry, target } = &entries[position];
            let kind = kinds::all()?.name_of(entry.kind).to_owned();
            Err(Error::Duplicate(kind).of_user(target.token))
        }
    }
}

/// Forgets a user, as `bunker_delete_user` does; the bundle's tombstone takes the place of what that
/// leaves.
fn forget(keys: &Keys, token: &Uuid) -> Result<()> {
    audit::consequence("delete_user", &record::TABLE, || {
        let Some(record) = record::lock(token)? else {
            return Err(Error::Internal("a user is gone"));
        };
        audit::remark("forgotten where a bundle is from");
        bury(keys, &record).map_err(|error| error.of_user(*token))
    })
}

/// Tells other systems. Of tombstones they have not known the users.
fn announce(sorted: &Sorted) -> Result<()> {
    let living = sorted.new.iter().filter(|user| user.forgotten_at.is_none());
    let created: Vec<_> = living.map(|user| user.record.token).collect();
    let changed: Vec<_> = sorted.later.iter().map(|(user, _)| user.record.token).collect();
    if !created.is_empty() {
        outbox::announce_all(Announcement::UserCreated, &created)?;
    }
    if !changed.is_empty() {
        outbox::announce_all(Announcement::UserChanged, &changed)?;
    }
    Ok(())
}
