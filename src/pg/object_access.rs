//! PostgreSQL's object access hook: told of every object that is made, changed, dropped or executed,
//! and free to refuse it. One hook serves all guards of ours.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use pgrx::pg_sys::{self, Oid};
use pgrx::prelude::*;

use super::{expression_guard, settings_guard};
use crate::error::{OrRaise, Result};

type Hook = pg_sys::object_access_hook_type;

static NEXT: OnceLock<Hook> = OnceLock::new();

/// What is being done to an object.
pub struct Access {
    /// One of PostgreSQL's `ObjectAccessType` (objectaccess.h).
    pub kind: pg_sys::ObjectAccessType::Type,
    /// The catalog that the object is a row of.
    pub class: Oid,
    /// The object.
    pub object: Oid,
}

/// Who is asked. An error ends the statement that the access belongs to.
const GUARDS: [fn(&Access) -> Result<()>; 2] = [settings_guard::check, expression_guard::check];

/// Puts the guards behind the hooks that other extensions have set already.
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
    kind: pg_sys::ObjectAccessType::Type,
    class: Oid,
    object: Oid,
    sub: c_int,
    argument: *mut c_void,
) {
    if let Some(Some(next)) = NEXT.get() {
        // SAFETY: what the hook before us would have been called with.
        unsafe { next(kind, class, object, sub, argument) };
    }
    let access = Access { kind, class, object };
    GUARDS.iter().try_for_each(|guard| guard(&access)).or_raise();
}
