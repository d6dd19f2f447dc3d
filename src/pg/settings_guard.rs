//! Keeps an inline master key, or a command that may hold a credential, out of `pg_file_settings`.
//!
//! That view reads the configuration file and shows what stands there, whatever the flags of a
//! setting say; from PostgreSQL 15 on, members of pg_read_all_settings may be granted it.

use pgrx::pg_sys;

use super::object_access::Access;
use crate::error::{Error, Result};
use crate::guc;

/// Refuses the function behind the view while the configuration file holds such a secret.
pub fn check(access: &Access) -> Result<()> {
    let reads_file = access.kind == pg_sys::ObjectAccessType::OAT_FUNCTION_EXECUTE
        && access.object.to_u32() == pg_sys::F_PG_SHOW_ALL_FILE_SETTINGS;
    if reads_file && (guc::master_key().is_some() || guc::master_key_command().is_some()) {
        return Err(Error::WouldShowKey);
    }
    Ok(())
}
