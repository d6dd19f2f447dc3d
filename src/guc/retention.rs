//! How long things are kept, and how often it is looked what has to go.
//!
//! The bounds are SUSET: whose data end has no say in when. How often is SIGHUP: one worker serves all
//! databases, so a database or a role cannot have an interval of its own.

use std::ffi::{CStr, CString};
use std::time::Duration;

use bunker_core::calendar::Interval;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

use super::trail::interval;
use crate::error::Result;
use crate::pg::setting;

type Span = GucSetting<Option<CString>>;

static MAX_USER_RETENTION: Span = Span::new(Some(c"1 month"));
static MAX_SESSION_RETENTION: Span = Span::new(Some(c"1 hour"));
static MAX_SHARE_RETENTION: Span = Span::new(Some(c"1 month"));
static MAX_EVENT_RETENTION: Span = Span::new(Some(c"1 month"));
static MAINTENANCE_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(600);

/// Declares these settings.
pub fn register() {
    let bounds: [(&'static CStr, &'static CStr, &'static Span); 4] = [
        (
            c"databunker.max_user_retention",
            c"The longest time after which a user can be set to expire.",
            &MAX_USER_RETENTION,
        ),
        (
            c"databunker.max_session_retention",
            c"The longest time that a session can last.",
            &MAX_SESSION_RETENTION,
        ),
        (
            c"databunker.max_share_retention",
            c"The longest time for which a shared record can be read.",
            &MAX_SHARE_RETENTION,
        ),
        (
            c"databunker.max_event_retention",
            c"How long events for other systems are kept, read or not.",
            &MAX_EVENT_RETENTION,
        ),
    ];
    for (name, description, value) in bounds {
        let details = c"An interval longer than nothing, such as '1 month'.";
        let (context, check) = (GucContext::Suset, setting::check_interval);
        super::define_checked_text(name, description, details, value, context, check);
    }
    GucRegistry::define_int_guc(
        c"databunker.maintenance_interval",
        c"How often the maintenance worker looks what has expired; 0 is never.",
        c"Works when the library is in shared_preload_libraries.",
        &MAINTENANCE_INTERVAL,
        0,
        // As milliseconds it still fits into an integer, as PostgreSQL's own timeouts do.
        i32::MAX / 1_000,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
}

/// The longest time after which a user can be set to expire.
///
/// # Errors
/// As for every span of time: see [`interval`].
pub fn max_user_retention() -> Result<Interval> {
    interval(&MAX_USER_RETENTION)
}

/// The longest time that a session can last.
///
/// # Errors
/// As for every span of time: see [`interval`].
pub fn max_session_retention() -> Result<Interval> {
    interval(&MAX_SESSION_RETENTION)
}

/// The longest time for which a shared record can be read.
///
/// # Errors
/// As for every span of time: see [`interval`].
pub fn max_share_retention() -> Result<Interval> {
    interval(&MAX_SHARE_RETENTION)
}

/// How long events for other systems are kept.
///
/// # Errors
/// As for every span of time: see [`interval`].
pub fn max_event_retention() -> Result<Interval> {
    interval(&MAX_EVENT_RETENTION)
}

/// From the beginning of one round of maintenance to that of the next; `None` for no maintenance.
pub fn maintenance_interval() -> Option<Duration> {
    let seconds = u64::try_from(MAINTENANCE_INTERVAL.get()).unwrap_or(0);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
