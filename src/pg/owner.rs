//! Running our own statements as the owner of the vault's tables.
//!
//! The SQL functions are not SECURITY DEFINER: PostgreSQL would change the role and the settings
//! around every call, also around look-ups, which touch tables without SQL and need neither. What a
//! SECURITY DEFINER function with a pinned search_path gets from fmgr_security_definer (fmgr.c),
//! this scope gives to the statements that need it, and the audit trail still sees who called.

use pgrx::pg_sys::{self, Oid};

use super::setting;

/// The search path of every statement of ours.
const SEARCH_PATH: &std::ffi::CStr = c"pg_catalog, pg_temp";

/// Changes the role, and gives it back when it goes out of scope.
struct RoleScope {
    role: Oid,
    security_context: i32,
}

impl RoleScope {
    fn enter(new_role: Oid) -> Self {
        let (mut role, mut security_context) = (Oid::INVALID, 0);
        // SAFETY: the sequence of fmgr_security_definer. When an error leaves the scope, the end of
        // the (sub)transaction gives the role back, as it does there.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut role, &mut security_context);
            pg_sys::SetUserIdAndSecContext(
                new_role,
                security_context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        Self { role, security_context }
    }
}

impl Drop for RoleScope {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: undoes `enter`, once.
            unsafe { pg_sys::SetUserIdAndSecContext(self.role, self.security_context) };
        }
    }
}

/// Pins the search path, and gives the caller's back when it goes out of scope.
struct PathScope {
    settings_level: i32,
}

impl PathScope {
    fn enter() -> Self {
        // SAFETY: as above; the end of the (sub)transaction restores settings, too.
        unsafe {
            let settings_level = pg_sys::NewGUCNestLevel();
            setting::set_for_now(c"search_path", SEARCH_PATH);
            Self { settings_level }
        }
    }
}

impl Drop for PathScope {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: undoes `enter`, once.
            unsafe { pg_sys::AtEOXact_GUC(true, self.settings_level) };
        }
    }
}

/// Runs `work` as another role.
pub fn as_role<R>(role: Oid, work: impl FnOnce() -> R) -> R {
    let _role = RoleScope::enter(role);
    work()
}

/// Runs `work` as `owner`, with `search_path` set to `pg_catalog, pg_temp`.
pub fn as_owner<R>(owner: Oid, work: impl FnOnce() -> R) -> R {
    let _role = RoleScope::enter(owner);
    let _path = PathScope::enter();
    work()
}
