//! Keeps statements that call the vault, and with them personal data, out of the server log.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use bunker_core::redact::{
    MASK, concerns_key, concerns_vault, may_call_vault, only_measures, quotes_more_than,
    without_audited, without_quoted, without_statement,
};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::privilege_watch;
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

thread_local! {
    /// When the last statement began that got at the vault's keys.
    static LAST_CALL: Cell<i64> = const { Cell::new(i64::MIN) };
}

/// Notes that the running statement calls the vault, by whatever name: a function, view or rule of the
/// caller's may hide it. What is logged of it from now on is masked.
pub fn note_call() {
    // SAFETY: reads the backend's state.
    LAST_CALL.set(unsafe { pg_sys::GetCurrentStatementStartTimestamp() });
}

/// Whether the running statement has called the vault, or the last one between two statements: the
/// extended protocol ends a query, and so writes its plan, with the transaction only.
fn has_called() -> bool {
    // SAFETY: reads the backend's state.
    LAST_CALL.get() == unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// # Safety
/// Called by PostgreSQL only, with a valid error report.
#[pg_guard]
unsafe extern "C-unwind" fn on_message(report: *mut pg_sys::ErrorData) {
    // SAFETY: the report is PostgreSQL's own and ours to change until the hook returns.
    unsafe {
        privilege_watch::look_at(&*report);
        if shows_key(&*report) || (guc::redact_logs() && concerned(&*report)) {
            redact(&mut *report);
        }
    }
    if let Some(Some(next)) = NEXT.get() {
        // SAFETY: what the hook before us would have been called with.
        unsafe { next(report) };
    }
}

/// Whether a report, such as that of a reload, tells a new value of a key setting. No setting of ours
/// may let that through.
fn shows_key(report: &pg_sys::ErrorData) -> bool {
    // SAFETY: C strings or null.
    unsafe {
        [report.message, pg_sys::debug_query_string]
            .into_iter()
            .any(|text| text_of(text).is_some_and(|text| concerns_key(&text)))
    }
}

/// Whether a report may hold personal data: of the statement that is running, or of another one that
/// it tells of (the other side of a deadlock, a process that died).
fn concerned(report: &pg_sys::ErrorData) -> bool {
    // SAFETY: the report's texts, and the current statement's, are C strings or null.
    unsafe {
        is_ours(report)
            || is_fast_path(report)
            || text_of(pg_sys::debug_query_string).is_some_and(|text| may_call_vault(&text))
            || !is_about_connection(report)
                && (has_called()
                    || text_of(report.message).is_some_and(|text| concerns_vault(&text)))
            || text_of(report.context).is_some_and(|text| concerns_vault(&text))
            || [report.detail, report.detail_log]
                .into_iter()
                .any(|detail| text_of(detail).is_some_and(|text| may_call_vault(&text)))
    }
}

/// Whether a client's input could not be read outside of any statement: that is the fast-path
/// protocol (fastpath.c), which calls a function by its oid. Nobody can tell whose function it was.
fn is_fast_path(report: &pg_sys::ErrorData) -> bool {
    // The class of a SQLSTATE, as ERRCODE_TO_CATEGORY (elog.h) has it.
    let class = |code: i32| code & 0xfff;
    let data_exception = PgSqlErrorCode::ERRCODE_DATA_EXCEPTION as i32;
    // SAFETY: reads the backend's state.
    unsafe {
        pg_sys::debug_query_string.is_null()
            && pg_sys::MyBackendType == pg_sys::BackendType::B_BACKEND
            && class(report.sqlerrcode) == class(data_exception)
    }
}

/// Whether PostgreSQL reports that a client came or went (postinit.c, postgres.c). Such a line names
/// role, database and application, which may begin like a function of ours: nobody must be able to
/// hide his own connection that way.
fn is_about_connection(report: &pg_sys::ErrorData) -> bool {
    // SAFETY: a C string or null.
    unsafe { text_of(report.funcname) }
        .is_some_and(|name| name == "PerformAuthentication" || name == "log_disconnections")
}

/// Whether an error was raised by [`crate::error::Error::raise`]. Such a one quotes nothing; but the
/// statement may be a call of anybody's function, which called ours.
fn is_ours(report: &pg_sys::ErrorData) -> bool {
    // SAFETY: a C string or null.
    unsafe { text_of(report.funcname) }.is_some_and(|name| name.starts_with("databunker::"))
}

fn redact(report: &mut pg_sys::ErrorData) {
    report.hide_stmt = true;
    // SAFETY: null or C strings of the report's own; `message_id` is what PostgreSQL made the message
    // from: in English, and with placeholders for what it quotes.
    let (message, template) = unsafe { (text_of(report.message), text_of(report.message_id)) };
    let (message, template) = (message.unwrap_or_default(), template.unwrap_or_default());
    let is_error = report.elevel >= PgLogLevel::WARNING as i32;
    let is_for_log =
        [PgLogLevel::LOG as i32, PgLogLevel::LOG_SERVER_ONLY as i32].contains(&report.elevel);
    let masked = if let Some(statement) = without_statement(&message) {
        Some(statement)
    } else if is_ours(report) {
        None
    } else if let Some(event) = without_audited(&message) {
        Some(event)
    } else if let Some(statement) = without_statement(&template) {
        // The same line in another language of lc_messages.
        Some(statement)
    } else if is_error && quotes_more_than(&template, &message) {
        // So is this: who knows what that language quotes with.
        Some(template)
    } else if is_error {
        // Raised by PostgreSQL, about the caller's text.
        without_quoted(&message)
    } else {
        // Written by another extension's hook, a whole statement perhaps.
        let may_quote = is_for_log && !only_measures(&template);
        (may_quote || concerns_vault(&message)).then(|| MASK.to_owned())
    };
    if let Some(masked) = masked {
        set(report.assoc_context, &mut report.message, &masked);
    }
    // Details quote parameters, rows, parse trees and other sessions' statements; contexts quote
    // statements and parameters. Ours set neither.
    mask(report.assoc_context, &mut report.detail);
    mask(report.assoc_context, &mut report.detail_log);
    mask(report.assoc_context, &mut report.context);
    report.internalquery = std::ptr::null_mut();
    // A place in that statement: without it, some drivers take the whole answer for damaged.
    report.internalpos = 0;
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
