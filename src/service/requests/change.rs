//! What each wish would change: how it stands, whether it can be done, and doing it.

use std::rc::Rc;

use pgrx::Uuid;
use serde_json::Value;

use super::{State, Wish};
use crate::audit;
use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::pg::jsonb::Jsonb;
use crate::pg::scan::Snapshot;
use crate::pg::time;
use crate::service::consent::{Status, agreements};
use crate::service::users::{self, Locked, Owner, open_profile, stored_profile};
use crate::service::{apps, documents};
use crate::storage::request::Row;
use crate::storage::{agreement, record, record_version};

/// What a wish would change, as it stands at a moment.
pub struct Basis {
    /// Its version, where it has one that counts: whoever wants to be forgotten wants so whatever his
    /// profile says.
    pub version: Option<i32>,
    /// What it says, where no former versions of it are kept.
    pub original: Option<Value>,
}

/// Checks that a wish could be fulfilled now.
///
/// # Errors
/// As those of doing it.
pub fn rehearse(user: &Locked, wish: &Wish) -> Result<Basis> {
    match wish {
        Wish::ForgetMe => Ok(Basis { version: None, original: None }),
        Wish::ChangeProfile(patch) => {
            users::rehearse(user, patch)?;
            Ok(Basis { version: Some(user.record.version), original: None })
        }
        Wish::ChangeAppData { app, patch } => {
            let current = apps::current(&user.keys, &user.record.token, app)?;
            let version = current.as_ref().map(|(version, _)| *version);
            match (AppChange::of(patch), current) {
                (AppChange::Set(data), _) => documents::check(&data)?,
                (AppChange::Delete, Some(_)) => {}
                (AppChange::Patch(patch), Some((_, text))) => {
                    documents::patched(&text, &patch)?;
                }
                (_, None) => return Err(Error::NotThere("app data")),
            }
            Ok(Basis { version, original: None })
        }
        Wish::WithdrawAgreement { brief } => {
            let original = in_force(&user.keys, &user.record.token, &user.record.digests, brief)?;
            let original = original.ok_or(Error::NotThere("agreement in force"))?;
            Ok(Basis { version: None, original: Some(original) })
        }
    }
}

/// Fulfils a wish, as a consequence of the approval.
///
/// # Errors
/// What it would change is not as it was when the wish was filed; or the change is not possible.
pub fn fulfil(user: Locked, wish: &Wish, filed: &Basis) -> Result<()> {
    match wish {
        Wish::ForgetMe => audit::consequence("delete_user", &record::TABLE, || {
            users::bury(&user.keys, &user.record)
        }),
        Wish::ChangeProfile(patch) => {
            still_as_filed(filed.version == Some(user.record.version))?;
            audit::consequence("update_user", &record::TABLE, || {
                users::change(user, patch).map(drop)
            })
        }
        Wish::ChangeAppData { app, patch } => {
            let owner = owner(user);
            let current = apps::current(&owner.keys, &owner.token, app)?;
            still_as_filed(filed.version == current.map(|(version, _)| version))?;
            change_app_data(&owner, app, AppChange::of(patch))
        }
        Wish::WithdrawAgreement { brief } => {
            let owner = owner(user);
            let current = in_force(&owner.keys, &owner.token, &owner.digests, brief)?;
            still_as_filed(is_same_agreement(current.as_ref(), filed.original.as_ref()))?;
            audit::consequence("withdraw_agreement", &agreement::TABLE, || {
                still_as_filed(agreements::withdraw_of(&owner, brief)?)
            })
        }
    }
}

fn still_as_filed(it_is: bool) -> Result<()> {
    if it_is { Ok(()) } else { Err(Error::Outdated("what the request would change has changed")) }
}

fn owner(user: Locked) -> Owner {
    Owner { token: user.record.token, digests: user.record.digests, keys: user.keys }
}

/// How app data are to be changed.
enum AppChange {
    /// Replaced as a whole, or stored for the first time: a JSON Patch that adds the document.
    Set(Jsonb),
    /// Removed as a whole: a JSON Patch that removes the document.
    Delete,
    /// As any other patch says.
    Patch(Jsonb),
}

impl AppChange {
    fn of(patch: &Value) -> Self {
        let text = |value: &Value| Jsonb::from(value.to_string());
        if let Some([operation]) = patch.as_array().map(Vec::as_slice)
            && operation.get("path").and_then(Value::as_str) == Some("")
        {
            match (operation.get("op").and_then(Value::as_str), operation.get("value")) {
                (Some("add"), Some(data)) => return Self::Set(text(data)),
                (Some("remove"), _) => return Self::Delete,
                _ => {}
            }
        }
        Self::Patch(text(patch))
    }
}

fn change_app_data(owner: &Owner, app: &str, change: AppChange) -> Result<()> {
    match change {
        AppChange::Set(data) => audit::consequence("set_app", apps::TABLE, || {
            let data = Jsonb::canonical(data.as_str().to_owned());
            apps::put(owner, app, &data).map(drop)
        }),
        AppChange::Delete => {
            audit::consequence("delete_app", apps::TABLE, || apps::remove(owner, app).map(drop))
        }
        AppChange::Patch(patch) => audit::consequence("update_app", apps::TABLE, || {
            apps::change(owner, app, &patch).map(drop)
        }),
    }
}

/// What a user agrees to under a legal basis, as long as he does.
fn in_force(keys: &Rc<Keys>, token: &Uuid, digests: &[u8], brief: &str) -> Result<Option<Value>> {
    let now = time::now();
    for agreement in agreements::of_owner(keys, token, digests)? {
        if agreement.brief() == brief {
            let is_in_force = agreement.status(now)? == Status::Yes;
            let described = Value::Object(agreement.describe(now)?);
            return Ok(is_in_force.then_some(described));
        }
    }
    Ok(None)
}

/// Whether nothing was said about an agreement since: that it joined its user by his address, which may
/// make it older, does not count.
fn is_same_agreement(current: Option<&Value>, filed: Option<&Value>) -> bool {
    let said = |agreement: &Value| agreement.get("updated_at").cloned();
    current.is_some() && current.and_then(said) == filed.and_then(said)
}

/// What a request would change, as it is now; of one that was decided, as it was when it was filed. Null
/// once the user is forgotten, and where there is nothing.
pub fn original(keys: &Rc<Keys>, row: &Row, state: State, stored: Option<Value>) -> Result<Value> {
    let is_open = state == State::Open;
    let found = match (row.action.as_str(), row.subject.as_deref()) {
        (Wish::CHANGE_PROFILE, _) if !is_open => former_profile(keys, row)?,
        (Wish::CHANGE_PROFILE, _) => profile(keys, row)?,
        (Wish::FORGET_ME, _) if is_open => profile(keys, row)?,
        (Wish::CHANGE_APP_DATA, Some(app)) => app_data(keys, row, app, is_open)?,
        (Wish::AGREEMENT_WITHDRAW, Some(brief)) if is_open => agreement_now(keys, row, brief)?,
        _ => stored,
    };
    Ok(found.unwrap_or(Value::Null))
}

fn profile(keys: &Keys, row: &Row) -> Result<Option<Value>> {
    let text = users::current(&Snapshot::of_caller(), keys, &row.token)?;
    text.map(|text| stored_profile(&text)).transpose()
}

fn former_profile(keys: &Keys, row: &Row) -> Result<Option<Value>> {
    let Some(found) = record_version::find(&row.token, row.seen.unwrap_or_default())? else {
        return Ok(None);
    };
    let text = open_profile(keys, &row.token, found.version, &found.digests, &found.sealed)?;
    stored_profile(&text).map(Some)
}

fn app_data(keys: &Keys, row: &Row, app: &str, is_open: bool) -> Result<Option<Value>> {
    if !is_open {
        return apps::former(keys, &row.token, app, row.seen.unwrap_or_default());
    }
    let current = apps::current(keys, &row.token, app)?;
    current.map(|(_, text)| documents::read(&text)).transpose()
}

fn agreement_now(keys: &Rc<Keys>, row: &Row, brief: &str) -> Result<Option<Value>> {
    match record::digests(&Snapshot::of_caller(), &row.token)? {
        Some(digests) => in_force(keys, &row.token, &digests, brief),
        None => Ok(None),
    }
}
