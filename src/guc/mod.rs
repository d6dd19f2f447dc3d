//! Every setting, with the reason for its context and flags (`API.md`, "Settings").

mod access;
mod read_limits;
mod retention;
mod trail;

use std::cell::Cell;
use std::ffi::{CStr, CString};

use bunker_core::normalize::Region;
use bunker_core::profile::{Limits, MAX_BYTES};
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

use crate::error::Result;
use crate::pg::setting;

pub use access::{require_access_token, self_service_allows};
pub use read_limits::{bulk_read_limit, read_rate_limit};
pub use retention::{
    maintenance_interval, max_event_retention, max_session_retention, max_share_retention,
    max_user_retention,
};
pub use trail::{
    AuditReads, StandbyReads, audit_reads, audit_timeout, oldest_audit_month, standby_reads,
};

static MASTER_KEY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static MASTER_KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static MASTER_KEY_COMMAND: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static DEFAULT_REGION: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"GB"));
static MAX_PROFILE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(1024 * 1024);
static REASON: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static ACTOR: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static REDACT_LOGS: GucSetting<bool> = GucSetting::<bool>::new(true);

/// The deepest nesting of a profile: what common JSON parsers take.
const MAX_DEPTH: usize = 128;
/// The most operations in one JSON Patch.
const MAX_PATCH_OPERATIONS: usize = 1_000;
/// The most elements in one array argument; bounds the memory of a bulk call.
pub const MAX_BULK: usize = 100_000;

/// Declares all settings. Called once, when the library is loaded.
pub fn register() {
    register_key_sources();
    // SAFETY: the check hook is guarded against panics, see pg::setting.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            c"databunker.default_region",
            c"ISO 3166 region of phone numbers without a country code.",
            c"Part of the lookup digest of such numbers: changing it changes which user they find.",
            &DEFAULT_REGION,
            GucContext::Suset,
            GucFlags::default(),
            Some(setting::check_region),
            Some(setting::region_changed),
            None,
        );
    }
    GucRegistry::define_int_guc(
        c"databunker.max_profile_size",
        c"The largest profile, as JSON text.",
        c"Larger profiles are refused with SQLSTATE 54000.",
        &MAX_PROFILE_SIZE,
        1024,
        MAX_BYTES as i32,
        // An application must not lift a limit that protects the server.
        GucContext::Suset,
        GucFlags::UNIT_BYTE,
    );
    for (name, description, value) in [
        (c"databunker.reason", c"Purpose of the access, for the audit trail.", &REASON),
        (c"databunker.actor", c"Whom the application says it acts for.", &ACTOR),
    ] {
        let (details, context) = (c"At most 1,000 bytes.", GucContext::Userset);
        define_checked_text(name, description, details, value, context, setting::check_free_text);
    }
    GucRegistry::define_bool_guc(
        c"databunker.redact_logs",
        c"Masks statements that call the vault's functions in the server log.",
        c"Works when the library is in shared_preload_libraries.",
        &REDACT_LOGS,
        // The caller must not be able to switch it off to plant personal data in the log.
        GucContext::Suset,
        GucFlags::default(),
    );
    access::register();
    trail::register();
    read_limits::register();
    retention::register();
    setting::reserve_prefix();
}

/// The settings that say where the master key comes from.
///
/// SIGHUP: from the configuration file only, so that neither ALTER DATABASE nor ALTER ROLE can put
/// it into a catalog; DISALLOW_IN_AUTO_FILE: nor ALTER SYSTEM into postgresql.auto.conf. NO_SHOW_ALL
/// keeps it out of pg_settings, whose reset_val and boot_val no show hook covers.
fn register_key_sources() {
    let hidden = GucFlags::SUPERUSER_ONLY
        | GucFlags::NO_SHOW_ALL
        | GucFlags::NO_RESET_ALL
        | GucFlags::DISALLOW_IN_AUTO_FILE;
    let sources: [(&'static CStr, &'static CStr, &'static GucSetting<Option<CString>>); 3] = [
        (
            c"databunker.master_key",
            c"The master key: 64 hex digits, or base64 of 32 bytes.",
            &MASTER_KEY,
        ),
        (
            c"databunker.master_key_file",
            c"A file with the master key that group and others cannot read.",
            &MASTER_KEY_FILE,
        ),
        (
            c"databunker.master_key_command",
            c"A shell command that prints the master key.",
            &MASTER_KEY_COMMAND,
        ),
    ];
    for (name, description, value) in sources {
        // SAFETY: the hooks neither panic nor allocate, see pg::setting.
        unsafe {
            GucRegistry::define_string_guc_with_hooks(
                name,
                description,
                c"Set in the configuration file; never shown.",
                value,
                GucContext::Sighup,
                hidden,
                None,
                Some(setting::key_source_changed),
                Some(setting::show_masked),
            );
        }
    }
}

/// Defines a text that a check hook judges.
fn define_checked_text(
    name: &'static CStr,
    description: &'static CStr,
    details: &'static CStr,
    value: &'static GucSetting<Option<CString>>,
    context: GucContext,
    check: setting::CheckHook,
) {
    let flags = GucFlags::default();
    // SAFETY: the check hooks are guarded against panics and raise nothing, see pg::setting.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            name,
            description,
            details,
            value,
            context,
            flags,
            Some(check),
            None,
            None,
        );
    }
}

fn text(value: &GucSetting<Option<CString>>) -> Option<String> {
    value.get().map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// The inline master key's text.
pub fn master_key() -> Option<zeroize::Zeroizing<Vec<u8>>> {
    MASTER_KEY
        .get()
        .map(|value| zeroize::Zeroizing::new(value.into_bytes()))
        .filter(|value| !value.is_empty())
}

/// The path of the master key's file.
pub fn master_key_file() -> Option<String> {
    text(&MASTER_KEY_FILE)
}

/// The command that prints the master key.
pub fn master_key_command() -> Option<String> {
    text(&MASTER_KEY_COMMAND)
}

/// The region of phone numbers without a country code.
///
/// # Errors
/// Only if the setting's check hook was bypassed.
pub fn default_region() -> Result<Region> {
    thread_local! {
        static KNOWN: Cell<Option<(u32, Region)>> = const { Cell::new(None) };
    }
    let generation = setting::region_generation();
    if let Some((known, region)) = KNOWN.get()
        && known == generation
    {
        return Ok(region);
    }
    let region = Region::parse(&text(&DEFAULT_REGION).unwrap_or_default())?;
    KNOWN.set(Some((generation, region)));
    Ok(region)
}

/// What a profile may be like.
pub fn limits() -> Limits {
    Limits {
        max_bytes: usize::try_from(MAX_PROFILE_SIZE.get()).unwrap_or(0),
        max_depth: MAX_DEPTH,
        max_patch_ops: MAX_PATCH_OPERATIONS,
    }
}

/// The stated purpose of the access.
pub fn reason() -> Option<String> {
    text(&REASON)
}

/// Whom the application says it acts for.
pub fn claimed_actor() -> Option<String> {
    text(&ACTOR)
}

/// Whether statements that call our functions are masked in the server log.
pub fn redact_logs() -> bool {
    REDACT_LOGS.get()
}
