//! Creating users, one or many.

use bunker_core::crypto::RandomPool;
use bunker_core::crypto::random::SEAL_BYTES;
use bunker_core::profile::UserSchema;
use bunker_core::profile::{self, Limits};
use pgrx::Uuid;
use std::rc::Rc;

use super::seal_profile;
use crate::audit;
use crate::error::{Error, Result};
use crate::guc::{self, MAX_BULK};
use crate::keyring::{self, Keys};
use crate::outbox::{self, Announcement};
use crate::pg::jsonb::Jsonb;
use crate::pg::{session, time};
use crate::service::kinds::{self, Kinds};
use crate::service::{digests, schema};
use crate::storage::lookup::{self, Entry, Target};
use crate::storage::record::{self, Record};

/// Random bytes of a token.
const TOKEN_BYTES: usize = 16;

/// What every new user of one call needs, fetched once.
struct Factory {
    keys: Rc<Keys>,
    kinds: Rc<Kinds>,
    schema: Option<Rc<UserSchema>>,
    limits: Limits,
    author: String,
    now: i64,
    pool: RandomPool,
}

impl Factory {
    fn new(users: usize) -> Result<Self> {
        let keys = keyring::for_writing()?;
        // Before the kinds are read: whoever adds a kind keeps this lock to himself until every
        // user has an entry of that kind.
        lookup::lock_for_writing()?;
        Ok(Self {
            keys,
            kinds: kinds::all()?,
            schema: schema::current()?,
            limits: guc::limits(),
            author: audit::author(),
            now: time::transaction_start(),
            pool: RandomPool::with_capacity(users.saturating_mul(SEAL_BYTES + TOKEN_BYTES)),
        })
    }

    /// Checks, indexes and seals a profile.
    fn make(&mut self, profile: &Jsonb) -> Result<(Record, Vec<Entry>)> {
        let value = profile::parse(profile.as_str(), &self.limits)?;
        if let Some(schema) = &self.schema {
            schema.check(&value)?;
        }
        let entries = self.kinds.entries(self.keys.index(), &value)?;
        let digests = digests::encode(&entries);
        let token = self.new_token()?;
        let sealed =
            seal_profile(&self.keys, &token, 1, &digests, profile.as_str(), &mut self.pool)?;
        let record = Record {
            token,
            created_at: self.now,
            updated_at: self.now,
            forgotten: false,
            version: 1,
            changed_by: self.author.clone(),
            digests,
            sealed: Some(sealed),
        };
        Ok((record, entries))
    }

    /// A random uuid (RFC 9562, version 4), which tells nothing about the user.
    fn new_token(&mut self) -> Result<Uuid> {
        let mut bytes = [0; TOKEN_BYTES];
        self.pool.fill(&mut bytes)?;
        Ok(Uuid::from_bytes(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()))
    }
}

/// Creates a user; his token.
pub fn create(profile: &Jsonb) -> Result<Uuid> {
    audit::operation("create_user", None, &record::TABLE, || {
        let mut factory = Factory::new(1)?;
        let (record, entries) = factory.make(profile)?;
        let token = record.token;
        let place = record::insert([&record])?.pop();
        let target = Target { token, place };
        let rows: Vec<_> = entries.into_iter().map(|entry| lookup::Row { entry, target }).collect();
        lookup::insert(&rows)?
            .map_err(|position| duplicate(&factory.kinds, &rows[position].entry))?;
        outbox::announce(Announcement::UserCreated, &token)?;
        Ok(token)
    })
}

/// Creates users, all or none; their tokens in the order of the profiles.
pub fn create_many(profiles: &[Option<Jsonb>]) -> Result<Vec<Uuid>> {
    if profiles.is_empty() {
        return audit::admit("create_users").map(|()| Vec::new());
    }
    audit::operation("create_users", None, &record::TABLE, || {
        if profiles.len() > MAX_BULK {
            return Err(Error::TooMany("At most 100,000 profiles in one call."));
        }
        let mut factory = Factory::new(profiles.len())?;
        let mut records = Vec::with_capacity(profiles.len());
        let mut all_entries = Vec::with_capacity(profiles.len());
        for (position, profile) in profiles.iter().enumerate() {
            session::check_for_interrupts();
            let (record, entries) = profile
                .as_ref()
                .ok_or(Error::BadProfile(profile::ProfileError::NotAnObject))
                .and_then(|profile| factory.make(profile))
                .map_err(|error| error.at(position + 1))?;
            all_entries.push(entries);
            records.push(record);
        }
        let places = record::insert(&records)?;
        let mut rows = Vec::with_capacity(profiles.len() * 3);
        for (position, entries) in all_entries.into_iter().enumerate() {
            let target =
                Target { token: records[position].token, place: places.get(position).copied() };
            rows.extend(entries.into_iter().map(|entry| (lookup::Row { entry, target }, position)));
        }
        // In the order of the index: neighbours share pages, and no two calls wait in a circle.
        rows.sort_unstable_by_key(|(row, _)| row.entry);
        lookup::insert(rows.iter().map(|(row, _)| row))?.map_err(|at| {
            let (row, position) = &rows[at];
            duplicate(&factory.kinds, &row.entry).at(position + 1)
        })?;
        let tokens: Vec<_> = records.iter().map(|record| record.token).collect();
        outbox::announce_all(Announcement::UserCreated, &tokens)?;
        Ok(tokens)
    })
}

/// Another user has the entry.
pub(super) fn duplicate(kinds: &Kinds, entry: &Entry) -> Error {
    Error::Duplicate(kinds.name_of(entry.kind).to_owned())
}
