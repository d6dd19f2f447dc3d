//! What callers may do. SUSET: whom they bind must have no say in them.

use std::ffi::CString;

use bunker_core::names::{self, SelfService};
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

use crate::pg::setting;

static REQUIRE_ACCESS_TOKEN: GucSetting<bool> = GucSetting::<bool>::new(false);
static SELF_SERVICE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// Declares these settings.
pub fn register() {
    GucRegistry::define_bool_guc(
        c"databunker.require_access_token",
        c"Refuses every call before bunker_authenticate has succeeded in its transaction.",
        c"Set it for roles that applications share: ALTER ROLE web SET ....",
        &REQUIRE_ACCESS_TOKEN,
        GucContext::Suset,
        GucFlags::default(),
    );
    super::define_checked_text(
        c"databunker.self_service",
        c"What a user who has logged in may do himself, without approval.",
        c"A list of forget-me, change-profile and change-app-data:NAME.",
        &SELF_SERVICE,
        GucContext::Suset,
        setting::check_self_service,
    );
}

/// Whether calls are refused until somebody has authenticated.
pub fn require_access_token() -> bool {
    REQUIRE_ACCESS_TOKEN.get()
}

/// Whether a user may do that himself.
pub fn self_service_allows(what: SelfService<'_>) -> bool {
    let list = super::text(&SELF_SERVICE).unwrap_or_default();
    names::parse_self_service(&list).is_some_and(|allowed| allowed.contains(&what))
}
