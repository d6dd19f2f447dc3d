//! How the audit trail is kept. SUSET, all of them: whom the trail tells of must have no say in it.

use std::ffi::CString;
use std::time::Duration;

use bunker_core::calendar::{Interval, month_of};
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

use crate::error::{Error, Result};
use crate::pg::{interval, setting};

static AUDIT_READS: GucSetting<AuditReads> = GucSetting::<AuditReads>::new(AuditReads::Durable);
static AUDIT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5_000);
static STANDBY_READS: GucSetting<StandbyReads> = GucSetting::<StandbyReads>::new(StandbyReads::Off);
static MAX_AUDIT_RETENTION: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"12 months"));

/// `databunker.audit_reads`: how safe the event of a read has to be before plaintext is returned.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum AuditReads {
    /// On disk.
    #[name = c"durable"]
    Durable,
    /// With the audit writer: it survives a rollback, and may be lost when the server crashes.
    #[name = c"async"]
    Async,
    /// In the caller's transaction: it dies with the caller's rollback.
    #[name = c"transaction"]
    Transaction,
}

impl AuditReads {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Async => "async",
            Self::Transaction => "transaction",
        }
    }
}

/// `databunker.standby_reads`: what becomes of reads on a hot standby.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum StandbyReads {
    /// They are refused.
    #[name = c"off"]
    Off,
    /// Their events go into the server log.
    #[name = c"log"]
    Log,
}

/// Declares these settings.
pub fn register() {
    GucRegistry::define_enum_guc(
        c"databunker.audit_reads",
        c"How safe the audit event of a read is before plaintext is returned.",
        c"durable: on disk; async: may be lost in a crash; transaction: dies with a rollback.",
        &AUDIT_READS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"databunker.audit_timeout",
        c"How long a call waits for its audit event to be written, before it fails.",
        c"It then fails with SQLSTATE 55000, and returns nothing.",
        &AUDIT_TIMEOUT,
        100,
        600_000,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_enum_guc(
        c"databunker.standby_reads",
        c"What becomes of reads on a hot standby.",
        c"off: refused; log: their audit events are written into the server log.",
        &STANDBY_READS,
        GucContext::Suset,
        GucFlags::default(),
    );
    super::define_checked_text(
        c"databunker.max_audit_retention",
        c"How long audit events are kept, in whole months.",
        c"An interval longer than nothing, such as '12 months'.",
        &MAX_AUDIT_RETENTION,
        GucContext::Suset,
        setting::check_interval,
    );
}

/// How safe the event of a read has to be before plaintext is returned.
pub fn audit_reads() -> AuditReads {
    AUDIT_READS.get()
}

/// How long a call waits for its event.
pub fn audit_timeout() -> Duration {
    Duration::from_millis(AUDIT_TIMEOUT.get().unsigned_abs().into())
}

/// What becomes of reads on a hot standby.
pub fn standby_reads() -> StandbyReads {
    STANDBY_READS.get()
}

/// The oldest month whose audit events are kept at the time `now`: the one in which the retention
/// began. What is a month, and how it counts: [`bunker_core::calendar`].
///
/// # Errors
/// Only if the setting's check hook was bypassed.
pub fn oldest_audit_month(now: i64) -> Result<i32> {
    Ok(month_of(interval(&MAX_AUDIT_RETENTION)?.before(now)))
}

/// The value of a setting that holds an interval.
///
/// # Errors
/// If a value was refused when the server started, until it is started again: what was meant is not
/// known.
pub(super) fn interval(value: &GucSetting<Option<CString>>) -> Result<Interval> {
    if setting::interval_refused() {
        return Err(Error::Internal("the configuration file held a span of time that is none"));
    }
    (value.get().and_then(|text| interval::parse(&text)))
        .ok_or(Error::Internal("a setting of the vault is no interval"))
}
