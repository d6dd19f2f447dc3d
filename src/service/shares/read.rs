//! Reading what is shared.

use bunker_core::profile::Field;
use pgrx::Uuid;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::Terms;
use crate::audit;
use crate::error::{Error, Result};
use crate::identity;
use crate::keyring::{self, Keys};
use crate::pg::document::Document;
use crate::pg::scan::Snapshot;
use crate::pg::time;
use crate::service::users::MAX_BULK_BYTES;
use crate::service::{apps, documents, guard, sessions, users};
use crate::storage::mortal::Mortal;
use crate::storage::record;
use crate::storage::share as table;

/// What is shared, as it is now: with fields an object of them, by their names, with null for what is
/// not there; without fields everything.
pub fn get(record: &Uuid) -> Result<Option<Document>> {
    audit::read("get_shared", None, |access| {
        let keys = keyring::existing()?;
        let snapshot = Snapshot::of_caller();
        let share = table::find(&snapshot, record)?;
        identity::admit_owner(share.as_ref().map(|share| &share.token))?;
        let (Some(share), Some(keys)) = (share, keys) else {
            return Ok(None);
        };
        let found = if share.lives(time::now()) && record::exists(&snapshot, &share.token)? {
            guard::admit(1)?;
            let terms = Terms::open(&keys, &share).map_err(|e| e.of_user(share.token))?;
            if let Some(app) = &terms.app {
                access.concerns(app);
            }
            present(&snapshot, &keys, &share, &terms)?
        } else {
            None
        };
        Ok(access.outcome(&share.token, found))
    })
}

/// What the terms lead to; `None` when it is gone.
fn present(
    snapshot: &Snapshot,
    keys: &Keys,
    share: &Mortal,
    terms: &Terms,
) -> Result<Option<Document>> {
    let Some(text) = source(snapshot, keys, &share.token, terms)? else {
        return Ok(None);
    };
    let Some(paths) = terms.paths()? else {
        return Ok(Some(Document::profile(&text)));
    };
    let is_profile = terms.app.is_none() && terms.session.is_none();
    let token = is_profile.then_some(&share.token);
    let selected = select(&documents::read(&text)?, &paths, token)?;
    Ok(Some(Document::profile(&selected)))
}

fn source(
    snapshot: &Snapshot,
    keys: &Keys,
    token: &Uuid,
    terms: &Terms,
) -> Result<Option<Zeroizing<String>>> {
    match (&terms.app, &terms.session) {
        (Some(app), _) => Ok(apps::current(keys, token, app)?.map(|(_, text)| text)),
        (None, Some(session)) => sessions::current(snapshot, keys, token, session),
        (None, None) => users::current(snapshot, keys, token),
    }
}

/// The parts of a document that the paths lead to, as JSON text. Of a profile, `token` is the user's
/// token, whatever the profile itself calls so.
fn select(document: &Value, paths: &[Field], token: Option<&Uuid>) -> Result<Zeroizing<String>> {
    let token = token.map(|token| json!(token.to_string()));
    let mut parts = Map::with_capacity(paths.len());
    let mut bytes = 0;
    for path in paths {
        let part = match &token {
            Some(token) if path.as_str() == "token" => Some(token),
            _ => path.find(document),
        };
        let part = part.cloned().unwrap_or(Value::Null);
        // Fields may lie in each other, and together be many times what there is.
        bytes += part.to_string().len();
        if bytes > MAX_BULK_BYTES {
            return Err(Error::TooMany("At most 256 MB in one share."));
        }
        parts.insert(path.as_str().to_owned(), part);
    }
    Ok(Zeroizing::new(Value::Object(parts).to_string()))
}

/// A user's shares that live, a page at a time, with their terms. For use cases that read them on their
/// own account, with an event and the bulk guard of their own.
pub fn of_user(
    keys: &Keys,
    token: &Uuid,
    after: Option<&Uuid>,
    max_rows: i32,
) -> Result<Vec<(Mortal, Terms)>> {
    let shares = table::page(token, time::now(), after, max_rows)?;
    let open = |share: Mortal| {
        let terms = Terms::open(keys, &share).map_err(|error| error.of_user(*token))?;
        Ok((share, terms))
    };
    shares.into_iter().map(open).collect()
}
