//! Notices that PostgreSQL has refused somebody a function of ours: our code is never reached then.
//!
//! It sees errors on their way to the server log. One that the caller's own code catches does not get
//! there.

use std::ffi::CStr;
use std::sync::OnceLock;

use pgrx::{PgSqlErrorCode, pg_sys};

static OBSERVER: OnceLock<fn(&str)> = OnceLock::new();

/// What a function of ours is called before its own name.
const PREFIX: &str = "bunker_";

/// Tells `observer` the name of each function that somebody was refused, without its prefix. Called
/// by `_PG_init`.
pub fn tell(observer: fn(&str)) {
    // A second observer would be a second initialisation of the library, which there is none of.
    let _ = OBSERVER.set(observer);
}

/// Looks at a report before anything in it is masked. Called by our log hook.
pub fn look_at(report: &pg_sys::ErrorData) {
    if let (Some(name), Some(observer)) = (refused_function(report), OBSERVER.get()) {
        observer(&name);
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
