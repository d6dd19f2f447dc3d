//! App data before and after a change, for the audit trail.

use pgrx::Uuid;
use serde_json::Value;

use super::open;
use crate::error::Result;
use crate::keyring::Keys;
use crate::service::{documents, guard};
use crate::storage::app_data_version as table;

/// Whether events of this action tell of versions of app data.
pub fn is_change(action: &str) -> bool {
    matches!(action, "set_app" | "update_app" | "delete_app" | "import_rows")
}

/// The data before and after a version was made; null where there are none, or not any more.
pub fn around(keys: &Keys, token: &Uuid, app: &str, version: i32) -> Result<(Value, Value)> {
    let [before, after] = [version.saturating_sub(1), version];
    let old = table::find(token, app, before)?;
    let new = table::find(token, app, after)?;
    // Both at once: a call that is refused counts for nothing.
    guard::admit(old.iter().chain(&new).count() as u64)?;
    let old = read_version(keys, token, app, before, old)?;
    let new = read_version(keys, token, app, after, new)?;
    Ok((old.unwrap_or_default(), new.unwrap_or_default()))
}

/// The data in a version, if they are still there. For use cases that read them on their own account,
/// with an event and the bulk guard of their own.
pub fn former(keys: &Keys, token: &Uuid, app: &str, version: i32) -> Result<Option<Value>> {
    read_version(keys, token, app, version, table::find(token, app, version)?)
}

fn read_version(
    keys: &Keys,
    token: &Uuid,
    app: &str,
    version: i32,
    sealed: Option<Vec<u8>>,
) -> Result<Option<Value>> {
    let read = |sealed: Vec<u8>| documents::read(&open(keys, token, app, version, &sealed)?);
    sealed.map(read).transpose()
}
