//! App data: what an application keeps of a user besides his profile.
//!
//! Each app has one JSON object a user. The app's name stands in the clear; the object is sealed under
//! the user's token, the name and the version.

mod change;
mod history;
mod read;

use bunker_core::names;
use bunker_core::place;
use pgrx::Uuid;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keyring::Keys;
use crate::pg::relation::TableRef;
use crate::service::sealed::{Field, Place};
use crate::storage::app_data::{self, AppData};

pub use change::{bring, change, delete, put, remove, set, update};
pub use history::{around, former, is_change};
pub use read::{all_names, current, get, names_of};

/// The table, for operations that change app data among others.
pub static TABLE: &TableRef = &app_data::TABLE;

/// App data, and their former versions: a version keeps its bytes when it moves from one table to the
/// other.
const DATA: Field = Field::new(place::APP_DATA);

fn seal(keys: &Keys, token: &Uuid, app: &str, version: i32, text: &str) -> Result<Vec<u8>> {
    DATA.seal_one(keys, &Place { owner: token, version, extra: app.as_bytes() }, text)
}

fn open(
    keys: &Keys,
    token: &Uuid,
    app: &str,
    version: i32,
    sealed: &[u8],
) -> Result<Zeroizing<String>> {
    DATA.open(keys, &Place { owner: token, version, extra: app.as_bytes() }, sealed)
}

/// Opens the data of a row that has some.
///
/// # Errors
/// Damaged when the bytes, or the row they stand in, are not as they were sealed.
pub fn open_row(keys: &Keys, row: &AppData) -> Result<Zeroizing<String>> {
    let sealed = row.sealed.as_deref().ok_or(Error::Damaged("app data"))?;
    open(keys, &row.token, &row.app, row.version, sealed).map_err(|error| error.of_user(row.token))
}

/// Refuses what names no app.
pub fn check_name(app: &str) -> Result<()> {
    if names::is_app(app) {
        return Ok(());
    }
    Err(Error::BadArgument(
        "the name of the app is not usable",
        "Use 2 to 31 lower-case letters, digits and underscores; the first one a letter.",
    ))
}
