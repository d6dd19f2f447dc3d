//! Keeps statements that call the vault, and with them personal data, out of the server log.

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use bunker_core::redact::{MASK, concerns_vault, without_statement};
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::guc;

type Hook = pg_sys::emit_log_hook_type;

static NEXT: OnceLock<Hook> = OnceLock::new();

/// Puts the redaction in front of other extensions' log hooks: they see what the log would.
pub fn install() {
    // SAFETY: called once, while the library is loaded; hooks are plain pointers.
    unsafe {
        if NEXT.set(pg_sys::emit_log_hook).is_ok() {
            pg_sys::emit_log_hook = Some(on_message);
        }
    }
}

/// # Safety
/// Called by PostgreSQL only, with a valid error report.
#[pg_guard]
unsafe extern "C-unwind" fn on_message(report: *mut pg_sys::ErrorData) {
    // SAFETY: the report is PostgreSQL's own and ours to change until the hook returns; its texts
    // and the current statement are C strings or null.
    unsafe {
        // The detail: of an EXECUTE, PostgreSQL logs the prepared statement there.
        if guc::redact_logs()
            && (mentions_vault(pg_sys::debug_query_string)
                || mentions_vault((*report).message)
                || mentions_vault((*report).detail))
        {
            redact(&mut *report);
        }
    }
    if let Some(Some(next)) = NEXT.get() {
        // SAFETY: what the hook before us would have been called with.
        unsafe { next(report) };
    }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn mentions_vault(text: *const c_char) -> bool {
    // SAFETY: the caller's.
    unsafe { !text.is_null() && concerns_vault(&CStr::from_ptr(text).to_string_lossy()) }
}

fn redact(report: &mut pg_sys::ErrorData) {
    report.hide_stmt = true;
    // SAFETY: `message` is null or a C string of the report's own.
    let logged_statement =
        unsafe { text_of(report.message) }.and_then(|message| without_statement(&message));
    if let Some(masked) = logged_statement {
        set(report.assoc_context, &mut report.message, &masked);
        // The parameters' values.
        mask(report.assoc_context, &mut report.detail);
        mask(report.assoc_context, &mut report.detail_log);
    }
    // Input functions quote what they could not read, and error contexts quote statements and the
    // values of parameters. Ours quote nothing, and set none of them.
    let quotes_input = report.sqlerrcode
        == PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION as i32
        || report.sqlerrcode == PgSqlErrorCode::ERRCODE_UNTRANSLATABLE_CHARACTER as i32;
    if quotes_input {
        mask(report.assoc_context, &mut report.detail);
    }
    mask(report.assoc_context, &mut report.context);
    report.internalquery = std::ptr::null_mut();
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text_of(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's.
    unsafe { (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned()) }
}

/// Puts the mask in the place of a text, if there is one.
fn mask(memory: pg_sys::MemoryContext, text: &mut *mut c_char) {
    if !text.is_null() {
        set(memory, text, MASK);
    }
}

fn set(memory: pg_sys::MemoryContext, place: &mut *mut c_char, text: &str) {
    if let Ok(text) = CString::new(text) {
        // SAFETY: the report's own memory context, from which its texts are freed with it.
        *place = unsafe { pg_sys::MemoryContextStrdup(memory, text.as_ptr()) };
    }
}
