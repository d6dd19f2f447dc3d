//! Keeps an inline master key, or a command that may hold a credential, out of `pg_file_settings`.
//!
//! That view reads the configuration file and shows what stands there, whatever the flags of a
//! setting say; from PostgreSQL 15 on, members of pg_read_all_settings may be granted it.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use pgrx::pg_sys::{self, Oid};
use pgrx::prelude::*;

use crate::error::Error;
use crate::guc;

type Hook = pg_sys::object_access_hook_type;

static NEXT: OnceLock<Hook> = OnceLock::new();

/// Puts the guard in front of other extensions' hooks.
pub fn install() {
    // SAFETY: called once, while the library is loaded; hooks are plain pointers.
    unsafe {
        if NEXT.set(pg_sys::object_access_hook).is_ok() {
            pg_sys::object_access_hook = Some(on_access);
        }
    }
}

/// # Safety
/// Called by PostgreSQL only.
#[pg_guard]
unsafe extern "C-unwind" fn on_access(
    access: pg_sys::ObjectAccessType::Type,
    class: Oid,
    object: Oid,
    sub: c_int,
    argument: *mut c_void,
) {
    if let Some(Some(next)) = NEXT.get() {
        // SAFETY: what the hook before us would have been called with.
        unsafe { next(access, class, object, sub, argument) };
    }
    if access == pg_sys::ObjectAccessType::OAT_FUNCTION_EXECUTE
        && object.to_u32() == pg_sys::F_PG_SHOW_ALL_FILE_SETTINGS
        && (guc::master_key().is_some() || guc::master_key_command().is_some())
    {
        Error::WouldShowKey.raise();
    }
}
