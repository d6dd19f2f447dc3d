//! What can be asked for.

use bunker_core::names;
use bunker_core::profile::{self, Limits};
use serde_json::{Value, json};

use super::DAMAGED;
use crate::error::{Error, Result};
use crate::guc;
use crate::pg::jsonb::Jsonb;
use crate::storage::request::Row;

/// What somebody asks for, complete: `action`, `subject` and `change` of the SQL contract.
pub enum Wish {
    /// To be forgotten.
    ForgetMe,
    /// His profile to be changed, by a patch.
    ChangeProfile(Value),
    /// What an app stores of him to be changed, by a patch.
    ChangeAppData {
        /// The app.
        app: String,
        /// A merge patch or a JSON Patch; the latter may add or remove the whole document.
        patch: Value,
    },
    /// His consent under a legal basis to be withdrawn.
    WithdrawAgreement {
        /// The legal basis.
        brief: String,
    },
}

impl Wish {
    /// The word for [`Wish::ForgetMe`].
    pub const FORGET_ME: &'static str = "forget-me";
    /// The word for [`Wish::ChangeProfile`].
    pub const CHANGE_PROFILE: &'static str = "change-profile";
    /// The word for [`Wish::ChangeAppData`].
    pub const CHANGE_APP_DATA: &'static str = "change-app-data";
    /// The word for [`Wish::WithdrawAgreement`].
    pub const AGREEMENT_WITHDRAW: &'static str = "agreement-withdraw";

    /// Reads a wish from the arguments of a call.
    ///
    /// # Errors
    /// An unknown action; a change or subject that is missing, too much, or unusable.
    pub fn read(action: &str, change: Option<&Jsonb>, subject: Option<&str>) -> Result<Self> {
        let change = match change {
            Some(change) => Some(profile::parse_patch(change.as_str(), &guc::limits())?),
            None => None,
        };
        Self::new(action, change, subject.map(str::to_owned))
    }

    /// The wish of a stored request.
    pub fn of(row: &Row, change: Option<Value>) -> Result<Self> {
        Self::new(&row.action, change, row.subject.clone()).map_err(|_| DAMAGED)
    }

    fn new(action: &str, change: Option<Value>, subject: Option<String>) -> Result<Self> {
        match (action, change, subject) {
            (Self::FORGET_ME, None, None) => Ok(Self::ForgetMe),
            (Self::CHANGE_PROFILE, Some(patch), None) => Ok(Self::ChangeProfile(patch)),
            (Self::CHANGE_APP_DATA, Some(patch), Some(app)) if names::is_app(&app) => {
                Ok(Self::ChangeAppData { app, patch })
            }
            (Self::AGREEMENT_WITHDRAW, None, Some(brief)) if names::is_brief(&brief) => {
                Ok(Self::WithdrawAgreement { brief })
            }
            (
                Self::FORGET_ME
                | Self::CHANGE_PROFILE
                | Self::CHANGE_APP_DATA
                | Self::AGREEMENT_WITHDRAW,
                ..,
            ) => Err(Error::BadArgument(
                "the request lacks something, or has too much",
                "change-profile takes a change, change-app-data a change and an app, \
                     agreement-withdraw a legal basis, forget-me nothing.",
            )),
            _ => Err(Error::BadArgument(
                "unknown action of a request",
                "Use forget-me, change-profile, change-app-data or agreement-withdraw.",
            )),
        }
    }

    /// To have what an app stores changed by a patch.
    pub fn update_app_data(app: &str, patch: &Jsonb) -> Result<Self> {
        let patch = profile::parse_patch(patch.as_str(), &guc::limits())?;
        Ok(Self::ChangeAppData { app: app.to_owned(), patch })
    }

    /// To have all that an app stores replaced, or something stored for the first time.
    pub fn set_app_data(app: &str, data: &Jsonb) -> Result<Self> {
        let data = profile::parse(data.as_str(), &guc::limits())?;
        let patch = json!([{"op": "add", "path": "", "value": data}]);
        Ok(Self::ChangeAppData { app: app.to_owned(), patch })
    }

    /// To have all that an app stores removed.
    pub fn delete_app_data(app: &str) -> Self {
        let patch = json!([{"op": "remove", "path": ""}]);
        Self::ChangeAppData { app: app.to_owned(), patch }
    }

    /// The word for it.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::ForgetMe => Self::FORGET_ME,
            Self::ChangeProfile(_) => Self::CHANGE_PROFILE,
            Self::ChangeAppData { .. } => Self::CHANGE_APP_DATA,
            Self::WithdrawAgreement { .. } => Self::AGREEMENT_WITHDRAW,
        }
    }

    /// Of which app or legal basis.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::ForgetMe | Self::ChangeProfile(_) => None,
            Self::ChangeAppData { app: name, .. } | Self::WithdrawAgreement { brief: name } => {
                Some(name)
            }
        }
    }

    /// Whether it does one thing to what is there now and another to what may be there later: a JSON
    /// Patch copies, moves and counts positions, where a merge patch says what will be there.
    pub fn depends_on_what_is_there(&self) -> bool {
        self.change().is_some_and(Value::is_array)
    }

    /// The patch.
    pub const fn change(&self) -> Option<&Value> {
        match self {
            Self::ForgetMe | Self::WithdrawAgreement { .. } => None,
            Self::ChangeProfile(patch) | Self::ChangeAppData { patch, .. } => Some(patch),
        }
    }
}

/// Reads what was sealed, perhaps when other limits were in force: a patch has some levels more than
/// what it changes.
pub fn stored(text: &str) -> Result<Value> {
    let limits = Limits { max_bytes: usize::MAX, max_depth: usize::MAX, ..Limits::default() };
    profile::parse_json(text, &limits).map_err(|_| DAMAGED)
}
