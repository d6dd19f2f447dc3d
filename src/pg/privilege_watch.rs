//! Notices that PostgreSQL has refused somebody a function of ours: our code is never reached then.
//!
//! It sees errors on their way to the server log. One that the caller's own code catches does not get
//! there.

use std::ffi::CStr;
use std::sync::OnceLock;

use pgrx::pg_sys;
use pgrx::prelude::*;

type Hook = pg_sys::emit_log_hook_type;

static NEXT: OnceLock<Hook> = OnceLock::new();
static OBSERVER: OnceLock<fn(&str)> = OnceLock::new();

/// What a function of ours is called before its own name.
const PREFIX: &str = "bunker_";

/// Tells `observer` the name of each function that somebody was refused, without its prefix. Called
/// by `_PG_init`.
pub fn install(observer: fn(&str)) {
    // SAFETY: called once, while the library is loaded; hooks are plain pointers.
    unsafe {
        if OBSERVER.set(observer).is_ok() && NEXT.set(pg_sys::emit_log_hook).is_ok() {
            pg_sys::emit_log_hook = Some(on_message);
        }
    }
}

/// # Safety
/// Called by PostgreSQL only, with a valid error report.
#[pg_guard]
unsafe extern "C-unwind" fn on_message(report: *mut pg_sys::ErrorData) {
    // SAFETY: see above.
    unsafe {
        if let (Some(name), Some(observer)) = (refused_function(&*report), OBSERVER.get()) {
            observer(&name);
        }
        if let Some(Some(next)) = NEXT.get() {
            next(report);
        }
    }
}

/// The function that the report says was refused, if it may be one of ours.
///
/// aclcheck_error (aclchk.c) raises it; the template is in English whatever lc_messages says.
fn refused_function(report: &pg_sys::ErrorData) -> Option<String> {
    if report.sqlerrcode != PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as i32
        || report.message.is_null()
        || report.message_id.is_null()
    {
        return None;
    }
    // SAFETY: C strings of the report.
    let (message, template) =
        unsafe { (CStr::from_ptr(report.message), CStr::from_ptr(report.message_id)) };
    if template != c"permission denied for function %s" {
        return None;
    }
    let message = message.to_string_lossy();
    let (_, name) = message.split_once(PREFIX)?;
    let length = name.bytes().take_while(|c| c.is_ascii_lowercase() || *c == b'_').count();
    (1..=40).contains(&length).then(|| name[..length].to_owned())
}
