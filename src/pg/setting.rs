//! What PostgreSQL calls when a setting of ours is changed or shown, and how the library was loaded.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use bunker_core::names;
use bunker_core::normalize::Region;
use pgrx::pg_sys;
use pgrx::prelude::*;

/// What PostgreSQL calls to have a new value judged (guc.h, GucStringCheckHook).
pub type CheckHook = unsafe extern "C-unwind" fn(
    *mut *mut c_char,
    *mut *mut c_void,
    pg_sys::GucSource::Type,
) -> bool;

/// What every key setting shows.
const MASK: &CStr = c"********";

static KEY_SOURCE_GENERATION: AtomicU32 = AtomicU32::new(0);
static REGION_GENERATION: AtomicU32 = AtomicU32::new(0);
static PRELOADED: AtomicBool = AtomicBool::new(false);
static INTERVAL_REFUSED: AtomicBool = AtomicBool::new(false);

/// Counts the changes of the key settings; cached keys carry the number they were made under.
pub fn key_source_generation() -> u32 {
    KEY_SOURCE_GENERATION.load(Relaxed)
}

/// Counts the changes of the default region.
pub fn region_generation() -> u32 {
    REGION_GENERATION.load(Relaxed)
}

/// Whether the library came in through shared_preload_libraries. Only then were the key settings
/// hidden from the server's first moment.
pub fn preloaded() -> bool {
    PRELOADED.load(Relaxed)
}

/// Notes how the library is being loaded. Called by `_PG_init`.
pub fn note_load() {
    // SAFETY: a flag that the postmaster sets while it loads libraries.
    PRELOADED.store(unsafe { pg_sys::process_shared_preload_libraries_in_progress }, Relaxed);
}

/// Refuses settings named `databunker.…` that do not exist: a misspelt one must not pass unnoticed.
pub fn reserve_prefix() {
    // SAFETY: called by `_PG_init`, after all settings are defined.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"databunker".as_ptr()) };
}

/// Sets a setting of PostgreSQL's until the (sub)transaction ends, or the level of settings that the
/// caller has begun (NewGUCNestLevel).
///
/// # Safety
/// Inside a transaction, with a value that the setting takes.
pub unsafe fn set_for_now(name: &CStr, value: &CStr) {
    // SAFETY: the caller's; both texts are copied.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}

/// Show hook of the key settings.
///
/// # Safety
/// Called by PostgreSQL only. PostgreSQL does not write to what a show hook returns.
pub unsafe extern "C-unwind" fn show_masked() -> *const c_char {
    MASK.as_ptr()
}

/// Assign hook of the key settings: cached keys are from another source now.
///
/// # Safety
/// Called by PostgreSQL only.
pub unsafe extern "C-unwind" fn key_source_changed(_: *const c_char, _: *mut c_void) {
    KEY_SOURCE_GENERATION.fetch_add(1, Relaxed);
}

/// Assign hook of `databunker.default_region`.
///
/// # Safety
/// Called by PostgreSQL only.
pub unsafe extern "C-unwind" fn region_changed(_: *const c_char, _: *mut c_void) {
    REGION_GENERATION.fetch_add(1, Relaxed);
}

/// The longest text that a caller may have written into each audit event.
pub const MAX_FREE_TEXT: usize = 1_000;

/// Check hook of the texts that callers put into the audit trail.
///
/// # Safety
/// Called by PostgreSQL only, with a valid pointer to the new value.
#[pg_guard]
pub unsafe extern "C-unwind" fn check_free_text(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: see above; null is "not set".
    let text = unsafe { (!(*value).is_null()).then(|| CStr::from_ptr(*value).to_bytes()) };
    text.is_none_or(|text| text.len() <= MAX_FREE_TEXT)
}

/// Check hook of `databunker.self_service`.
///
/// # Safety
/// Called by PostgreSQL only, with a valid pointer to the new value.
#[pg_guard]
pub unsafe extern "C-unwind" fn check_self_service(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: see above; a null value never gets here because the default is not null.
    let text = unsafe { (!(*value).is_null()).then(|| CStr::from_ptr(*value)) };
    text.and_then(|text| text.to_str().ok())
        .is_some_and(|list| names::parse_self_service(list).is_some())
}

/// Check hook of `databunker.default_region`.
///
/// # Safety
/// Called by PostgreSQL only, with a valid pointer to the new value.
#[pg_guard]
pub unsafe extern "C-unwind" fn check_region(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: see above; a null value never gets here because the default is not null.
    let text = unsafe { (!(*value).is_null()).then(|| CStr::from_ptr(*value)) };
    text.and_then(|text| text.to_str().ok()).is_some_and(|code| Region::parse(code).is_ok())
}

/// Check hook of spans of time, which have to be longer than nothing.
///
/// # Safety
/// Called by PostgreSQL only, with a valid pointer to the new value.
#[pg_guard]
pub unsafe extern "C-unwind" fn check_interval(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: see above; a null value never gets here because the default is not null.
    let text = unsafe { (!(*value).is_null()).then(|| CStr::from_ptr(*value)) };
    let usable =
        text.and_then(super::interval::parse).is_some_and(|interval| interval.is_positive());
    // SAFETY: a flag that the postmaster sets while it loads libraries.
    if !usable && unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        INTERVAL_REFUSED.store(true, Relaxed);
    }
    usable
}

/// Whether a span of time was refused when the server started. PostgreSQL then warns and goes on
/// with the default: '7 yeers' must not become twelve months, and six years of events be dropped.
pub fn interval_refused() -> bool {
    INTERVAL_REFUSED.load(Relaxed)
}
