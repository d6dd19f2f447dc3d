//! Naming a user: `(kind, value)`.

use std::rc::Rc;

use bunker_core::normalize::NormalizeError;
use pgrx::Uuid;

use super::read::confirm;
use crate::error::{Error, Result};
use crate::identity;
use crate::keyring::{self, Keys};
use crate::pg::scan::Snapshot;
use crate::pg::session;
use crate::service::{digests, kinds};
use crate::storage::lookup::{self, Entry, Target};
use crate::storage::record::{self, Record};

/// The kind whose value is the user token itself.
const TOKEN: &str = "token";

/// A user as a caller names him.
pub struct UserRef {
    /// Where he is, when there is such a user as far as the blind index knows.
    pub target: Option<Target>,
    /// By which entry of the blind index he was named.
    pub entry: Option<Entry>,
    /// The opened keyring; `None` in a vault that has never been written to.
    pub keys: Option<Rc<Keys>>,
}

impl UserRef {
    /// Reads `(kind, value)` and follows the blind index.
    ///
    /// # Errors
    /// A bad kind, a malformed token, a value without a normal form; sealed; in a parallel query.
    pub fn resolve(snapshot: &Snapshot, kind: &str, value: &str) -> Result<Self> {
        session::refuse_parallel()?;
        if let Some(token) = Self::as_token(kind, value)? {
            identity::admit_owner(Some(&token))?;
            let keys = keyring::existing()?;
            let target = Some(Target { token, place: None });
            return Ok(Self { target, entry: None, keys });
        }
        let kinds = kinds::all()?;
        let kind = kinds.named(kind)?;
        if value.trim().is_empty() {
            return Err(Error::BadValue(NormalizeError::Blank));
        }
        let Some(keys) = keyring::existing()? else {
            // Nothing can be found, but a value that never could must still be refused.
            kind.normalize(value)?;
            identity::admit_owner(None)?;
            return Ok(Self { target: None, entry: None, keys: None });
        };
        let entry = kind.entry(keys.index(), value)?;
        let target = lookup::find(snapshot, &entry)?;
        identity::admit_owner(target.as_ref().map(|target| &target.token))?;
        Ok(Self { target, entry: Some(entry), keys: Some(keys) })
    }

    /// The token that names a user by itself, without any key: of a tombstone, or in a sealed vault.
    pub fn as_token(kind: &str, value: &str) -> Result<Option<Uuid>> {
        if kind == TOKEN { parse_token(value).map(Some) } else { Ok(None) }
    }

    /// Resolves a user for a change: there has to be one.
    pub fn resolve_existing(kind: &str, value: &str) -> Result<(Uuid, Option<Entry>, Rc<Keys>)> {
        let user = Self::resolve(&Snapshot::of_caller(), kind, value)?;
        match (user.target, user.keys) {
            (Some(target), Some(keys)) => Ok((target.token, user.entry, keys)),
            _ => Err(Error::NoSuchUser),
        }
    }
}

/// A user to whom something is about to be added, or of whose belongings something is about to change.
/// Until the transaction ends he can neither be forgotten nor changed.
pub struct Owner {
    /// His token.
    pub token: Uuid,
    /// His digests, see [`crate::service::digests`].
    pub digests: Vec<u8>,
    /// The opened keyring.
    pub keys: Rc<Keys>,
}

impl Owner {
    /// The user whom `(kind, value)` names.
    ///
    /// # Errors
    /// As [`UserRef::resolve`], and if there is no such user.
    pub fn hold(kind: &str, value: &str) -> Result<Self> {
        let snapshot = Snapshot::of_caller();
        let user = UserRef::resolve(&snapshot, kind, value)?;
        if user.entry.is_some() {
            confirm(&snapshot, &user)?;
        }
        let (Some(Target { token, .. }), Some(keys)) = (user.target, user.keys) else {
            return Err(Error::NoSuchUser);
        };
        let digests = record::keep(&token)?
            .filter(|digests| user.entry.is_none_or(|entry| digests::contains(digests, &entry)))
            .ok_or(Error::NoSuchUser)?;
        Ok(Self { token, digests, keys })
    }
}

/// A living user as he stands now: until the transaction ends nobody else can change or forget him, nor
/// add anything to him.
pub struct Locked {
    /// His record.
    pub record: Record,
    /// The opened keyring.
    pub keys: Rc<Keys>,
}

/// Locks the user whom `(kind, value)` names.
///
/// # Errors
/// As [`UserRef::resolve`], and if there is no such user.
pub fn lock(kind: &str, value: &str) -> Result<Locked> {
    lookup::lock_for_writing()?;
    let (token, entry, keys) = UserRef::resolve_existing(kind, value)?;
    let record = record::lock(&token)?
        .filter(|record| !record.forgotten && still_meant(record, entry.as_ref()))
        .ok_or(Error::NoSuchUser)?;
    Ok(Locked { record, keys })
}

/// A uuid as RFC 9562 writes it, with or without hyphens, or in braces.
fn parse_token(value: &str) -> Result<Uuid> {
    uuid::Uuid::try_parse(value.trim())
        .map(|token| Uuid::from_bytes(token.into_bytes()))
        .map_err(|_| Error::MalformedToken)
}

/// Whether a record, now that it is locked, still is the user whom the caller named: his e-mail may
/// have changed between the look-up and the lock.
pub fn still_meant(record: &Record, entry: Option<&Entry>) -> bool {
    entry.is_none_or(|entry| digests::contains(&record.digests, entry))
}
