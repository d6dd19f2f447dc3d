//! Reading app data.

use pgrx::Uuid;
use zeroize::Zeroizing;

use super::{check_name, open_row};
use crate::audit;
use crate::error::Result;
use crate::keyring::Keys;
use crate::pg::document::Document;
use crate::pg::scan::Snapshot;
use crate::service::{guard, users};
use crate::storage::app_data as table;

/// What an app keeps of a user.
pub fn get(kind: &str, value: &str, app: &str) -> Result<Option<Document>> {
    audit::read("get_app", Some(kind), |access| {
        check_name(app)?;
        access.concerns(app);
        let snapshot = Snapshot::of_caller();
        let Some((token, keys)) = users::find_owner(&snapshot, kind, value)? else {
            return Ok(None);
        };
        let found = match table::find(&token, app)? {
            Some(data) => {
                guard::admit(1)?;
                let text = open_row(&keys, &data)?;
                Some(Document::profile(&text))
            }
            None => None,
        };
        Ok(access.outcome(&token, found))
    })
}

/// What an app keeps of a user, opened, and its version. For use cases that read it on their own
/// account, with an event and the bulk guard of their own.
pub fn current(keys: &Keys, token: &Uuid, app: &str) -> Result<Option<(i32, Zeroizing<String>)>> {
    let Some(data) = table::find(token, app)? else {
        return Ok(None);
    };
    open_row(keys, &data).map(|text| Some((data.version, text)))
}

/// The apps that keep something of a user; none when there is no such user.
pub fn names_of(kind: &str, value: &str) -> Result<Vec<String>> {
    let names = audit::read("list_apps", Some(kind), |access| {
        let snapshot = Snapshot::of_caller();
        let Some((token, _)) = users::find_owner(&snapshot, kind, value)? else {
            return Ok(None);
        };
        let names = table::names(&token)?;
        Ok(access.outcome(&token, Some(names)))
    })?;
    Ok(names.unwrap_or_default())
}

/// The apps that keep something of anybody.
pub fn all_names() -> Result<Vec<String>> {
    audit::read("app_names", None, |access| {
        let _snapshot = Snapshot::of_caller();
        let names = table::all_names()?;
        access.told(format!("{} apps", names.len()));
        Ok(names)
    })
}
