//! The versions of a profile.

use pgrx::Uuid;

use super::{UserRef, open_profile};
use crate::audit;
use crate::error::Result;
use crate::keyring::Keys;
use crate::pg::document::Document;
use crate::pg::scan::Snapshot;
use crate::service::guard;
use crate::storage::lookup::Target;
use crate::storage::{record, record_version};

/// A version, without its content.
pub struct Version {
    /// Number, from 1.
    pub version: i32,
    /// When it was made.
    pub changed_at: i64,
    /// By which role.
    pub changed_by: String,
    /// How.
    pub operation: &'static str,
}

/// All versions of a user, oldest first; none when there is no such user.
pub fn versions(kind: &str, value: &str) -> Result<Vec<Version>> {
    let versions = audit::read("user_versions", Some(kind), |access| {
        let snapshot = Snapshot::of_caller();
        let user = UserRef::resolve(&snapshot, kind, value)?;
        let Some(Target { token, .. }) = user.target else {
            return Ok(None);
        };
        let living = record::exists(&snapshot, &token)?;
        let versions = if living { Some(record_version::all(&token)?) } else { None };
        Ok(access.outcome(&token, versions))
    })?;
    Ok(versions
        .into_iter()
        .flatten()
        .map(|(version, changed_at, changed_by)| Version {
            version,
            changed_at,
            changed_by,
            operation: operation_of(version),
        })
        .collect())
}

/// How a version was made.
pub fn operation_of(version: i32) -> &'static str {
    if version == 1 { "create" } else { "update" }
}

/// The profile as it was in a version.
pub fn version(kind: &str, value: &str, version: i32) -> Result<Option<Document>> {
    audit::read("user_version", Some(kind), |access| {
        let snapshot = Snapshot::of_caller();
        let user = UserRef::resolve(&snapshot, kind, value)?;
        let (Some(Target { token, .. }), Some(keys)) = (user.target, user.keys) else {
            return Ok(None);
        };
        let profile = open_version(&snapshot, &keys, &token, version);
        let profile = profile.map_err(|error| error.of_user(token))?;
        Ok(access.outcome(&token, profile))
    })
}

fn open_version(
    snapshot: &Snapshot,
    keys: &Keys,
    token: &Uuid,
    version: i32,
) -> Result<Option<Document>> {
    if !record::exists(snapshot, token)? {
        return Ok(None);
    }
    let Some(found) = record_version::find(token, version)? else {
        return Ok(None);
    };
    guard::admit(1)?;
    let profile = open_profile(keys, token, found.version, &found.digests, &found.sealed)?;
    Ok(Some(Document::profile(&profile)))
}
