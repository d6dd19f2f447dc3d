//! Storing, patching and deleting app data.

use bunker_core::names::SelfService;

use super::{TABLE, check_name, open_row, seal};
use crate::audit;
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::documents;
use crate::service::lifetime::Since;
use crate::service::requests::{Wish, self_service};
use crate::service::users::Owner;
use crate::storage::app_data::{self as table, AppData};
use crate::storage::{app_data_version, lookup};

/// Stores what an app keeps of a user, in place of what it had; the version, or `None` if it
/// waits for approval.
pub fn set(kind: &str, value: &str, app: &str, data: &Jsonb) -> Result<Option<i32>> {
    let wish = || Wish::set_app_data(app, data);
    unless_it_waits("set_app", kind, value, app, wish, |owner| put(owner, app, data))
}

/// Applies a patch to what an app keeps of a user; the new version, or `None` if it waits for
/// approval.
pub fn update(kind: &str, value: &str, app: &str, patch: &Jsonb) -> Result<Option<i32>> {
    let wish = || Wish::update_app_data(app, patch);
    unless_it_waits("update_app", kind, value, app, wish, |owner| change(owner, app, patch))
}

/// Deletes what an app keeps of a user, with its former versions; false when there is nothing, `None`
/// if it waits for approval.
pub fn delete(kind: &str, value: &str, app: &str) -> Result<Option<bool>> {
    let wish = || Ok(Wish::delete_app_data(app));
    unless_it_waits("delete_app", kind, value, app, wish, |owner| {
        let removed = remove(owner, app)?;
        if !removed {
            audit::nothing_found(Some(&owner.token), Some(app));
        }
        Ok(removed)
    })
}

/// Does `work` as the operation `action` with the app data of a user, or files the wish for it when it is
/// the user himself who calls, and he may not; then `None`.
fn unless_it_waits<R>(
    action: &'static str,
    kind: &str,
    value: &str,
    app: &str,
    wish: impl FnOnce() -> Result<Wish>,
    work: impl FnOnce(&Owner) -> Result<R>,
) -> Result<Option<R>> {
    audit::operation(action, Some(kind), TABLE, || {
        check_name(app)?;
        if self_service::waits(SelfService::ChangeAppData(app)) {
            self_service::file_for(kind, value, &wish()?)?;
            return Ok(None);
        }
        lookup::lock_for_writing()?;
        work(&Owner::hold(kind, value)?).map(Some)
    })
}

// What follows is done inside an operation of the caller's on [`TABLE`].

/// Stores what an app keeps of `owner`, in place of what it had; the version.
///
/// # Errors
/// As [`documents::check`].
pub fn put(owner: &Owner, app: &str, data: &Jsonb) -> Result<i32> {
    documents::check(data)?;
    // Whoever finds no row may still be the second to add it, and then finds that of the first.
    for _ in 0..2 {
        if let Some(old) = table::lock(&owner.token, app)? {
            return next_version(owner, old, Some(data));
        }
        if add(owner, app, data, Since::at(time::transaction_start()))? {
            return Ok(1);
        }
    }
    Err(Error::Outdated("the app data come and go"))
}

/// Applies a patch to what an app keeps of `owner`; the new version.
///
/// # Errors
/// The app keeps nothing of him; as [`documents::patched`]. Nothing was changed then.
pub fn change(owner: &Owner, app: &str, patch: &Jsonb) -> Result<i32> {
    let nothing = || Error::NotThere("app data");
    let old = table::lock(&owner.token, app)?.ok_or_else(nothing)?;
    if old.sealed.is_none() {
        return Err(nothing());
    }
    let text = open_row(&owner.keys, &old)?;
    let new = documents::patched(&text, patch)?;
    next_version(owner, old, Some(&new))
}

/// Deletes what an app keeps of `owner`, with its former versions; false when there is nothing.
pub fn remove(owner: &Owner, app: &str) -> Result<bool> {
    let Some(old) = table::lock(&owner.token, app)?.filter(|old| old.sealed.is_some()) else {
        return Ok(false);
    };
    app_data_version::delete(&owner.token, app)?;
    next_version(owner, old, None)?;
    Ok(true)
}

/// Stores what an app has kept of `owner` in another system; false if it is there already.
///
/// # Errors
/// The app keeps something else of him here, or has deleted it; a bad name; as [`documents::check`].
pub fn bring(owner: &Owner, app: &str, data: &Jsonb, since: Since) -> Result<bool> {
    check_name(app)?;
    documents::check(data)?;
    if add(owner, app, data, since)? {
        return Ok(true);
    }
    let kept = table::lock(&owner.token, app)?.filter(|kept| kept.sealed.is_some());
    match kept {
        Some(kept) if documents::same(&open_row(&owner.keys, &kept)?, data)? => Ok(false),
        _ => Err(Error::Exists(
            "the app keeps something else of the user, or has deleted it",
            "Leave these data out, or store them with bunker_set_app.",
        )),
    }
}

/// False when somebody else was quicker.
fn add(owner: &Owner, app: &str, data: &Jsonb, since: Since) -> Result<bool> {
    table::insert(&AppData {
        token: owner.token,
        app: app.to_owned(),
        version: 1,
        created_at: since.created_at,
        updated_at: since.updated_at,
        changed_by: audit::author(),
        sealed: Some(seal(&owner.keys, &owner.token, app, 1, data.as_str())?),
    })
}

/// Puts data, or nothing, in the place of a version; the new version's number.
fn next_version(owner: &Owner, old: AppData, data: Option<&Jsonb>) -> Result<i32> {
    let version = old.version.checked_add(1).ok_or(Error::Internal("too many versions"))?;
    let sealed = match data {
        Some(data) => {
            app_data_version::insert(&old)?;
            Some(seal(&owner.keys, &owner.token, &old.app, version, data.as_str())?)
        }
        None => None,
    };
    let updated_at = time::transaction_start();
    table::update(&AppData { version, updated_at, changed_by: audit::author(), sealed, ..old })?;
    Ok(version)
}
