//! How much may be read. SUSET: who reads must not decide it.

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

static BULK_READ_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(100);
static READ_RATE_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Declares these settings.
pub fn register() {
    GucRegistry::define_int_guc(
        c"databunker.bulk_read_limit",
        c"Records that one transaction may read without an unlock; 0 is no limit.",
        c"Over it reads are refused with SQLSTATE 42501 until bunker_unlock_bulk is called.",
        &BULK_READ_LIMIT,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"databunker.read_rate_limit",
        c"Records that one role may read in a minute, over all its sessions; 0 is no limit.",
        c"Over it reads are refused with SQLSTATE 54000. Needs preloading.",
        &READ_RATE_LIMIT,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// Records that one transaction may read without an unlock, if there is a limit.
pub fn bulk_read_limit() -> Option<u32> {
    limit(&BULK_READ_LIMIT)
}

/// Records that one role may read in a minute, if there is a limit.
pub fn read_rate_limit() -> Option<u32> {
    limit(&READ_RATE_LIMIT)
}

/// A setting of which 0 says that there is no limit.
fn limit(value: &GucSetting<i32>) -> Option<u32> {
    u32::try_from(value.get()).ok().filter(|limit| *limit > 0)
}
