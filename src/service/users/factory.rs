//! Making users: check, index, seal, store.

use std::rc::Rc;

use bunker_core::crypto::RandomPool;
use bunker_core::crypto::random::SEAL_BYTES;
use bunker_core::profile::UserSchema;
use bunker_core::profile::{self, Limits};
use pgrx::Uuid;

use super::seal_profile;
use crate::audit;
use crate::error::{Error, Result};
use crate::guc;
use crate::keyring::{self, Keys};
use crate::outbox::{self, Announcement};
use crate::pg::time;
use crate::service::kinds::{self, Kinds};
use crate::service::lifetime::Since;
use crate::service::{digests, schema};
use crate::storage::lookup::{self, Entry, Target};
use crate::storage::record::{self, Record};

/// Random bytes of a token.
const TOKEN_BYTES: usize = 16;

/// What every new user of one call needs, fetched once.
pub struct Factory {
    keys: Rc<Keys>,
    kinds: Rc<Kinds>,
    schema: Option<Rc<UserSchema>>,
    limits: Limits,
    author: String,
    now: i64,
    pool: RandomPool,
}

/// A user who is yet to be stored.
pub struct NewUser {
    record: Record,
    entries: Vec<Entry>,
}

impl NewUser {
    /// His token.
    pub fn token(&self) -> &Uuid {
        &self.record.token
    }

    /// His entries of the blind index.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Factory {
    /// Makes ready for so many users, who are going to be written.
    ///
    /// # Errors
    /// Sealed; a schema or a kind that is damaged.
    pub fn new(users: usize) -> Result<Self> {
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

    /// The opened keyring.
    pub fn keys(&self) -> &Rc<Keys> {
        &self.keys
    }

    /// Checks, indexes and seals the profile of somebody who is new in this transaction.
    pub fn make(&mut self, profile: &str) -> Result<NewUser> {
        let token = self.new_token()?;
        self.make_known(profile, &token, Since::at(self.now))
    }

    /// The same of somebody whom another system has known, under `token`, for longer.
    pub fn make_known(&mut self, profile: &str, token: &Uuid, since: Since) -> Result<NewUser> {
        let value = profile::parse(profile, &self.limits)?;
        if let Some(schema) = &self.schema {
            schema.check(&value)?;
        }
        let entries = self.kinds.entries(self.keys.index(), &value)?;
        let digests = digests::encode(&entries);
        let sealed = seal_profile(&self.keys, token, 1, &digests, profile, &mut self.pool)?;
        let record = Record {
            token: *token,
            created_at: since.created_at,
            updated_at: since.updated_at,
            forgotten: false,
            version: 1,
            changed_by: self.author.clone(),
            digests,
            sealed: Some(sealed),
        };
        Ok(NewUser { record, entries })
    }

    /// A random uuid (RFC 9562, version 4), which tells nothing about the user.
    pub fn new_token(&mut self) -> Result<Uuid> {
        let mut bytes = [0; TOKEN_BYTES];
        self.pool.fill(&mut bytes)?;
        Ok(Uuid::from_bytes(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes()))
    }

    /// Stores users, as part of the running operation on `bunker.record`, and announces them. If others
    /// have one of their lookup values, the position of the first user of whom that is so, and the
    /// error about it; the (sub)transaction must end then.
    ///
    /// The records are written first, because the entries remember where they stand.
    pub fn store<'a>(
        &self,
        users: impl ExactSizeIterator<Item = &'a NewUser> + Clone,
    ) -> Result<Result<(), (usize, Error)>> {
        let places = record::insert(users.clone().map(|user| &user.record))?;
        let mut rows = Vec::with_capacity(users.len() * 3);
        for (position, user) in users.clone().enumerate() {
            let target = Target { token: user.record.token, place: places.get(position).copied() };
            let row = |&entry| (lookup::Row { entry, target }, position);
            rows.extend(user.entries.iter().map(row));
        }
        // In the order of the index: neighbours share pages, and no two calls wait in a circle.
        rows.sort_unstable_by_key(|(row, _)| row.entry);
        if let Err(at) = lookup::insert(rows.iter().map(|(row, _)| row))? {
            let (row, position) = &rows[at];
            return Ok(Err((*position, self.duplicate(&row.entry))));
        }
        outbox::announce_all(Announcement::UserCreated, users.map(NewUser::token))?;
        Ok(Ok(()))
    }

    /// Another user has the entry.
    pub fn duplicate(&self, entry: &Entry) -> Error {
        duplicate(&self.kinds, entry)
    }
}

/// Another user has the entry.
pub(super) fn duplicate(kinds: &Kinds, entry: &Entry) -> Error {
    Error::Duplicate(kinds.name_of(entry.kind).to_owned())
}
