//! The tables of a store, and what is read of them.

/// The kinds of rows, in the order in which they are brought: what others refer to comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Why data may be processed.
    LegalBasis,
    /// What data is processed for.
    Activity,
    /// A user.
    User,
    /// What an app keeps of a user.
    AppData,
    /// A session.
    Session,
    /// A shared record.
    Share,
    /// An agreement to a legal basis.
    Agreement,
    /// What a user asked for.
    Request,
    /// An event of the audit trail.
    Fact,
}

impl Kind {
    /// The columns that are read; a table of one app has no column for its name. Of an event, nothing
    /// that says who was looked for, or what was changed.
    pub fn columns(self, is_of_one_app: bool) -> &'static [&'static str] {
        match self {
            Self::LegalBasis => &[
                "brief",
                "status",
                "module",
                "shortdesc",
                "fulldesc",
                "basistype",
                "requiredmsg",
                "usercontrol",
                "requiredflag",
                "creationtime",
            ],
            Self::Activity => &[
                "activity",
                "title",
                "script",
                "fulldesc",
                "legalbasis",
                "applicableto",
                "creationtime",
            ],
            Self::User => &[
                "token",
                "key",
                "data",
                "expstatus",
                "endtime",
                "loginidx",
                "emailidx",
                "phoneidx",
                "customidx",
            ],
            Self::AppData if is_of_one_app => &["token", "data", "when"],
            Self::AppData => &["token", "data", "when", "appname"],
            Self::Session => &["token", "session", "key", "data", "endtime", "when"],
            Self::Share => {
                &["token", "record", "partner", "session", "app", "fields", "endtime", "when"]
            }
            Self::Agreement => &[
                "who",
                "mode",
                "token",
                "brief",
                "status",
                "referencecode",
                "lastmodifiedby",
                "agreementmethod",
                "creationtime",
                "starttime",
                "endtime",
                "when",
            ],
            Self::Request => &[
                "rtoken",
                "token",
                "app",
                "brief",
                "action",
                "status",
                "change",
                "reason",
                "creationtime",
                "when",
            ],
            Self::Fact => &["atoken", "record", "mode", "app", "title", "status", "when"],
        }
    }

    /// Whether its rows belong to users by their column `token`.
    pub fn is_of_users(self) -> bool {
        !matches!(self, Self::LegalBasis | Self::Activity | Self::User | Self::Fact)
    }

    /// The columns that name a row, and are no personal data where they are what they should be.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::LegalBasis => &["brief"],
            Self::Activity => &["activity"],
            Self::User => &["token"],
            Self::AppData => &["token", "appname"],
            Self::Session => &["session"],
            Self::Share => &["record"],
            Self::Agreement => &["token", "brief"],
            Self::Request => &["rtoken"],
            Self::Fact => &["atoken"],
        }
    }
}
