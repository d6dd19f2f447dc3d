//! What a bundle brings of the registers, whose rows belong to no user.

use std::collections::{HashMap, HashSet};

use bunker_bundle::Table;
use bunker_core::normalize::{self, Normalizer};
use bunker_core::profile::{self, Limits, Pointer};

use super::fields::{self, Fields};
use super::malformed;
use super::progress::Tally;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::service::consent;
use crate::service::lookups::MAX_KINDS;
use crate::service::schema;
use crate::storage::agreement::{self, Holder};
use crate::storage::bundle::BundleRow;
use crate::storage::import as tables;
use crate::storage::lookup::{self, Target};
use crate::storage::lookup_kind::{self, Row as Kind};
use crate::storage::{activity, legal_basis, user_schema};

/// What was found so far.
pub struct Registers {
    /// Whether the vault had no users when the bundle began.
    is_empty: bool,
    finished: bool,
    /// The names of the kinds that the bundle has, once it has told them.
    kinds: Option<Vec<String>>,
    new_kinds: Vec<String>,
    /// How the activities of the bundle compare with those here.
    activities: HashMap<String, Standing>,
    /// The agreements of addresses that have not joined a user there.
    unclaimed: HashSet<(Holder, String)>,
}

/// Which of two states of an activity is later: that of the bundle, that of this vault, or neither.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Theirs,
    Ours,
    Same,
}

impl Registers {
    /// None so far, of a vault without users perhaps.
    pub fn new(is_empty: bool) -> Self {
        Self {
            is_empty,
            finished: false,
            kinds: None,
            new_kinds: Vec::new(),
            activities: HashMap::new(),
            unclaimed: HashSet::new(),
        }
    }

    /// Takes rows; how many were news.
    pub fn take(
        &mut self,
        table: &'static Table,
        rows: Vec<BundleRow>,
        brings_all: bool,
    ) -> Result<usize> {
        if self.finished {
            return Err(malformed());
        }
        if table.name == "unclaimed_agreement" {
            return self.take_unclaimed(table, &rows);
        }
        let mut taken = 0;
        for row in rows {
            let fields = Fields::of(row);
            taken += usize::from(match table.name {
                "lookup_kind" => self.take_kind(fields)?,
                "user_schema" => take_schema(fields)?,
                "legal_basis" => take_basis(fields)?,
                "activity" => self.take_activity(fields, brings_all)?,
                "activity_basis" => self.take_link(fields, brings_all)?,
                _ => return Err(malformed()),
            });
        }
        Ok(taken)
    }

    fn take_kind(&mut self, mut fields: Fields) -> Result<bool> {
        let kind = Kind {
            id: fields.int()?,
            name: fields.text()?,
            path: fields.text()?,
            normalizer: fields.text()?,
            normalizer_version: fields.int()?,
        };
        self.kinds.get_or_insert_default().push(kind.name.clone());
        let stored = lookup_kind::stored()?;
        if let Some(ours) = stored.iter().find(|it| it.id == kind.id || it.name == kind.name) {
            return if *ours == kind { Ok(false) } else { Err(other_kind(ours, kind)) };
        }
        let is_usable = kind.id > 0
            && kind.normalizer.parse::<Normalizer>().is_ok()
            && Pointer::parse(&kind.path).is_ok();
        if !is_usable {
            return Err(malformed());
        }
        if stored.len() >= MAX_KINDS {
            return Err(Error::TooMany("At most 64 lookup kinds."));
        }
        lookup_kind::insert_row(&kind)?;
        self.new_kinds.push(kind.name);
        Ok(true)
    }

    /// Whether the bundle tells of an agreement under an address. It is of whoever has the address there,
    /// and not of him who is about to give it up here.
    pub fn has_unclaimed(&self, address: &Holder, brief: &str) -> bool {
        self.unclaimed.contains(&(*address, brief.to_owned()))
    }

    /// The kinds of which users may lack entries now: whoever is found by them has to be indexed anew.
    pub fn stale_kinds(&self, tally: &Tally) -> Result<Vec<String>> {
        let Some(theirs) = self.kinds.as_ref().filter(|_| !self.is_empty) else {
            return Ok(Vec::new());
        };
        let mut stale = self.new_kinds.clone();
        if tally.added + tally.updated > 0 {
            let ours = lookup_kind::read(i32::from(normalize::VERSION))?.into_iter();
            stale.extend(ours.map(|kind| kind.name).filter(|name| !theirs.contains(name)));
        }
        Ok(stale)
    }

    fn take_activity(&mut self, mut fields: Fields, brings_all: bool) -> Result<bool> {
        let row = activity::Row {
            activity: fields.text()?,
            definition: fields.text()?,
            created_at: fields.time()?,
            updated_at: fields.time()?,
        };
        check_object(&row.definition)?;
        let (name, updated_at) = (row.activity.clone(), row.updated_at);
        let ours = activity::lock(&name)?.map(|ours| ours.updated_at);
        let standing = match ours {
            Some(ours) if ours > updated_at => Standing::Ours,
            Some(ours) if ours == updated_at => Standing::Same,
            _ => Standing::Theirs,
        };
        // Linking a legal basis is no change of the activity. In a later bundle the links are later, too.
        if standing == Standing::Theirs || standing == Standing::Same && !brings_all {
            activity::unlink_all_of(&name)?;
        }
        self.activities.insert(name, standing);
        tables::merge_activity(row)
    }

    fn take_link(&self, mut fields: Fields, brings_all: bool) -> Result<bool> {
        let (activity, brief) = (fields.text()?, fields.text()?);
        let standing = self.activities.get(&activity).ok_or_else(malformed)?;
        if *standing == Standing::Ours && !brings_all {
            return Ok(false);
        }
        activity::link(&activity, &brief)
    }

    fn take_unclaimed(&mut self, table: &'static Table, rows: &[BundleRow]) -> Result<usize> {
        for row in rows {
            self.unclaimed.insert(unclaimed(row).ok_or_else(malformed)?);
        }
        tables::merge(table, rows)
    }

    /// All registers have come; how many rows that means to change.
    ///
    /// Agreements of nobody's addresses that the bundle no longer has, though they are older, went there:
    /// they joined a user, whose agreements come with him, or their user was forgotten. Kept here they
    /// would become those of whoever gets the address next. Whoever has it already keeps them.
    pub fn finish(&mut self, keys: &Keys, made_at: i64) -> Result<usize> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(0);
        }
        if self.is_empty {
            // A bundle has them; if one did not, profiles could not be indexed.
            lookup_kind::insert_built_in(i32::from(normalize::VERSION))?;
        }
        let absent = tables::absent_unclaimed(&self.unclaimed, made_at)?;
        for (holder, brief) in &absent {
            let Some(entry) = holder.entry() else { continue };
            match lookup::find(&Snapshot::of_caller(), &entry)? {
                Some(Target { token, .. }) => {
                    tables::lock([&token])?;
                    let is_told =
                        |address: &Holder, brief: &str| self.has_unclaimed(address, brief);
                    consent::release_but(keys, &token, &[entry], is_told)?;
                }
                None => agreement::delete(holder, brief)?,
            }
        }
        Ok(absent.len())
    }
}

/// Of which address an agreement is, and to which legal basis.
fn unclaimed(row: &BundleRow) -> Option<(Holder, String)> {
    let [owner, kind, brief, ..] = row.as_slice() else {
        return None;
    };
    let kind = i16::try_from(kind.as_int()?).ok()?;
    let holder = Holder { owner: fields::uuid(owner)?, kind };
    holder.entry().map(|_| holder).zip(brief.as_text().map(str::to_owned))
}

fn other_kind(ours: &Kind, theirs: Kind) -> Error {
    let same = Kind { normalizer_version: ours.normalizer_version, ..theirs };
    if *ours == same {
        return Error::BadArgument(
            "the bundle's lookup values were indexed by another version of the normaliser",
            "Run bunker_reindex_lookup(kind) where the older version is, then export and import anew.",
        );
    }
    Error::BadArgument(
        "the bundle has another lookup kind under a name or number that is in use here",
        "Copies of a vault that have been given different kinds cannot be merged.",
    )
}

fn take_schema(mut fields: Fields) -> Result<bool> {
    let (version, text) = (fields.int()?, fields.optional_text()?);
    let document = match text {
        Some(text) => {
            schema::check(&text)?;
            check_json(&text)?;
            Some(Jsonb::from(text))
        }
        None => None,
    };
    user_schema::insert_version(version, document, fields.time()?, &fields.text()?)
}

fn take_basis(mut fields: Fields) -> Result<bool> {
    let row = legal_basis::Row {
        brief: fields.text()?,
        status: fields.text()?,
        definition: fields.text()?,
        created_at: fields.time()?,
        updated_at: fields.time()?,
    };
    check_object(&row.definition)?;
    tables::merge_basis(row)
}

fn check_object(text: &str) -> Result<()> {
    if check_json(text)?.is_object() { Ok(()) } else { Err(malformed()) }
}

/// Refuses a text that is no `jsonb`: PostgreSQL's own complaint would quote it.
fn check_json(text: &str) -> Result<serde_json::Value> {
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    let value = profile::parse_json(text, &limits).map_err(|_| malformed())?;
    if has_nul(&value) { Err(malformed()) } else { Ok(value) }
}

fn has_nul(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(has_nul),
        serde_json::Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}
