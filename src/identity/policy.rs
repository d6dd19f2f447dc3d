//! Who may call what. The same as the GRANTs of `sql/`, which a test compares with it: PostgreSQL
//! applies those to database roles, and [`super::admit`] applies these to access tokens.

use std::ffi::CStr;

/// A group role of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `bunker_reader`
    Reader,
    /// `bunker_app`, to whom `bunker_reader` is granted
    App,
    /// `bunker_dpo`
    Dpo,
    /// `bunker_admin`
    Admin,
}

impl Role {
    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        let roles = [Self::Reader, Self::App, Self::Dpo, Self::Admin];
        roles.into_iter().find(|role| role.name().to_bytes() == name.as_bytes())
    }

    /// Its name in PostgreSQL.
    pub const fn name(self) -> &'static CStr {
        match self {
            Self::Reader => c"bunker_reader",
            Self::App => c"bunker_app",
            Self::Dpo => c"bunker_dpo",
            Self::Admin => c"bunker_admin",
        }
    }

    /// Whether whoever has this role has `other`, too.
    pub fn includes(self, other: Self) -> bool {
        self.bits() & other.bits() == other.bits()
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Reader => READER,
            Self::App => APP | READER,
            Self::Dpo => DPO,
            Self::Admin => ADMIN,
        }
    }
}

const READER: u8 = 1;
const APP: u8 = 2;
const DPO: u8 = 4;
const ADMIN: u8 = 8;
/// A user who has logged in, about himself.
const SUBJECT: u8 = 16;
/// Anyone who has EXECUTE, whomever he acts as.
const OPEN: u8 = 32;

/// Each function without its `bunker_`, by name, and who may call it.
const ACTIONS: &[(&str, u8)] = &[
    ("accept_agreement", APP | DPO | SUBJECT),
    ("add_lookup", ADMIN),
    ("app_names", APP | DPO),
    ("approve_request", DPO),
    ("audit", DPO | SUBJECT),
    ("audit_all", DPO),
    ("audit_anchor", DPO | ADMIN),
    ("audit_event", DPO),
    ("authenticate", OPEN),
    ("cancel_expiration", DPO | ADMIN),
    ("cancel_request", APP | DPO | SUBJECT),
    ("check", DPO | ADMIN),
    ("create_access_token", ADMIN),
    ("create_session", APP),
    ("create_user", APP),
    ("create_users", APP),
    ("delete_activity", DPO),
    ("delete_app", APP | SUBJECT),
    ("delete_expired", APP | DPO | ADMIN),
    ("delete_legal_basis", DPO),
    ("delete_session", APP),
    ("delete_user", APP | SUBJECT),
    ("events", APP | DPO | ADMIN),
    ("expiration", APP | DPO | ADMIN | SUBJECT),
    ("export_bundle", ADMIN),
    ("find_token", READER | SUBJECT),
    ("generate_key", ADMIN),
    ("get_agreement", APP | DPO | SUBJECT),
    ("get_app", APP | SUBJECT),
    ("get_request", APP | DPO | SUBJECT),
    ("get_session", APP | SUBJECT),
    ("get_shared", APP | SUBJECT),
    ("get_user", READER | SUBJECT),
    ("get_users", READER | SUBJECT),
    ("import_bundle", ADMIN),
    ("import_rows", ADMIN),
    ("link_activity", DPO),
    ("list_activities", DPO),
    ("list_agreements", APP | DPO | SUBJECT),
    ("list_apps", APP | SUBJECT),
    ("list_legal_bases", APP | DPO | SUBJECT),
    ("list_requests", DPO),
    ("list_sessions", APP | SUBJECT),
    ("list_users", APP | DPO | ADMIN),
    ("login", APP),
    ("login_code", APP),
    ("lookup", READER | SUBJECT),
    ("maintain", DPO | ADMIN),
    ("reindex_lookup", ADMIN),
    ("request", APP | DPO | SUBJECT),
    ("retain_user", APP | DPO | ADMIN),
    ("revoke_access_token", ADMIN),
    ("revoke_agreements", DPO),
    ("revoke_share", APP | SUBJECT),
    ("set_activity", DPO),
    ("set_app", APP | SUBJECT),
    ("set_legal_basis", DPO),
    ("set_user_schema", ADMIN),
    ("share", APP | SUBJECT),
    ("start_expiration", DPO | ADMIN),
    ("status", READER | DPO | ADMIN),
    ("tombstone", DPO | ADMIN),
    ("unlink_activity", DPO),
    ("unlock_bulk", ADMIN),
    ("update_app", APP | SUBJECT),
    ("update_user", APP | SUBJECT),
    ("user_report", DPO | SUBJECT),
    ("user_report_html", DPO | SUBJECT),
    ("user_requests", APP | DPO | SUBJECT),
    ("user_schema", READER | DPO | ADMIN),
    ("user_version", APP | DPO | SUBJECT),
    ("user_versions", APP | DPO | SUBJECT),
    ("verify_audit", DPO | ADMIN),
    ("verify_audit_anchor", DPO | ADMIN),
    ("withdraw_agreement", APP | DPO | SUBJECT),
];

fn who_may(action: &str) -> Option<u8> {
    let at = ACTIONS.binary_search_by_key(&action, |(name, _)| name).ok()?;
    Some(ACTIONS[at].1)
}

/// Whether `action` is a function of ours.
pub fn is_action(action: &str) -> bool {
    who_may(action).is_some()
}

/// Whether a holder of an access token for `role` may call `action`.
pub fn may_call(role: Role, action: &str) -> bool {
    who_may(action).is_some_and(|who| who & role.bits() != 0)
}

/// Whether a user who has logged in may call `action` about himself.
pub fn is_for_subjects(action: &str) -> bool {
    who_may(action).is_some_and(|who| who & SUBJECT != 0)
}

/// Whether `action` asks for no identity.
pub fn is_open(action: &str) -> bool {
    who_may(action).is_some_and(|who| who & OPEN != 0)
}
