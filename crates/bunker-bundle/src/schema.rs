//! The tables of a bundle: those of the vault that hold its content, without what only its own server
//! needs (access tokens, login codes, the trail, places of rows).

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A uuid.
    Uuid,
    /// A number of up to 64 bits.
    Int,
    /// A time, in microseconds since 1970-01-01 UTC.
    Time,
    /// A text.
    Text,
    /// A JSON document, as text.
    Json,
    /// Bytes.
    Bytes,
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub optional: bool,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name in the bundle; in targets it begins with `bunker_`.
    pub name: &'static str,
    /// Its columns, in the order of a row's values.
    pub columns: &'static [Column],
    /// The names of the columns of its primary key.
    pub key: &'static [&'static str],
    /// The column that says whose the row is, where rows belong to users.
    pub user: Option<&'static str>,
    /// The column with the time at which the row is over, where rows end by themselves. A bundle has none
    /// that had ended when it was made, and removes those from its target.
    pub ends: Option<&'static str>,
}

impl Table {
    /// Where the column of that name stands in a row.
    #[must_use]
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    /// Whether a row may take the place of another user's, who is told of later in the same bundle: an
    /// address that has changed hands.
    #[must_use]
    pub fn takes_over(&self) -> bool {
        self.name == "lookup"
    }

    /// The names of its columns, in the order of a row's values.
    #[must_use]
    pub fn column_names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }
}

impl PartialEq for &'static Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, optional: false }
}

const fn optional(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, optional: true }
}

use Kind::{Bytes, Int, Json, Text, Time, Uuid};

/// All tables, in the order in which a whole bundle has them.
pub static TABLES: &[Table] = &[
    Table {
        name: "keyring",
        columns: &[
            column("id", Int),
            column("purpose", Text),
            column("version", Int),
            column("sealed", Bytes),
            column("created_at", Time),
        ],
        key: &["id"],
        user: None,
        ends: None,
    },
    Table {
        name: "lookup_kind",
        columns: &[
            column("id", Int),
            column("name", Text),
            column("path", Text),
            column("normalizer", Text),
            column("normalizer_version", Int),
        ],
        key: &["id"],
        user: None,
        ends: None,
    },
    Table {
        name: "user_schema",
        columns: &[
            column("version", Int),
            optional("document", Json),
            column("created_at", Time),
            column("created_by", Text),
        ],
        key: &["version"],
        user: None,
        ends: None,
    },
    Table {
        name: "legal_basis",
        columns: &[
            column("brief", Text),
            column("status", Text),
            column("definition", Json),
            column("created_at", Time),
            column("updated_at", Time),
        ],
        key: &["brief"],
        user: None,
        ends: None,
    },
    Table {
        name: "activity",
        columns: &[
            column("activity", Text),
            column("definition", Json),
            column("created_at", Time),
            column("updated_at", Time),
        ],
        key: &["activity"],
        user: None,
        ends: None,
    },
    Table {
        name: "activity_basis",
        columns: &[column("activity", Text), column("brief", Text)],
        key: &["activity", "brief"],
        user: None,
        ends: None,
    },
    // Of addresses that are nobody's yet: `owner` and `kind` are the entry in the blind index.
    Table {
        name: "unclaimed_agreement",
        columns: &[
            column("owner", Uuid),
            column("kind", Int),
            column("brief", Text),
            column("version", Int),
            column("status", Text),
            column("created_at", Time),
            column("updated_at", Time),
            optional("starts_at", Time),
            optional("expires_at", Time),
            column("sealed", Bytes),
        ],
        key: &["owner", "kind", "brief"],
        user: None,
        ends: None,
    },
    Table {
        name: "record",
        columns: &[
            column("token", Uuid),
            column("created_at", Time),
            column("updated_at", Time),
            optional("forgotten_at", Time),
            column("version", Int),
            column("changed_by", Text),
            column("digests", Bytes),
            optional("sealed", Bytes),
        ],
        key: &["token"],
        user: Some("token"),
        ends: None,
    },
    Table {
        name: "lookup",
        columns: &[column("digest", Bytes), column("kind", Int), column("token", Uuid)],
        key: &["digest", "kind"],
        user: Some("token"),
        ends: None,
    },
    Table {
        name: "record_version",
        columns: &[
            column("token", Uuid),
            column("version", Int),
            column("changed_at", Time),
            column("changed_by", Text),
            column("digests", Bytes),
            column("sealed", Bytes),
        ],
        key: &["token", "version"],
        user: Some("token"),
        ends: None,
    },
    Table {
        name: "app_data",
        columns: &[
            column("token", Uuid),
            column("app", Text),
            column("version", Int),
            column("created_at", Time),
            column("updated_at", Time),
            column("changed_by", Text),
            optional("sealed", Bytes),
        ],
        key: &["token", "app"],
        user: Some("token"),
        ends: None,
    },
    Table {
        name: "app_data_version",
        columns: &[
            column("token", Uuid),
            column("app", Text),
            column("version", Int),
            column("changed_at", Time),
            column("changed_by", Text),
            column("sealed", Bytes),
        ],
        key: &["token", "app", "version"],
        user: Some("token"),
        ends: None,
    },
    Table {
        name: "session",
        columns: &[
            column("session", Uuid),
            column("token", Uuid),
            column("created_at", Time),
            column("expires_at", Time),
            column("sealed", Bytes),
        ],
        key: &["session"],
        user: Some("token"),
        ends: Some("expires_at"),
    },
    Table {
        name: "share",
        columns: &[
            column("record", Uuid),
            column("token", Uuid),
            column("created_at", Time),
            column("expires_at", Time),
            column("sealed", Bytes),
        ],
        key: &["record"],
        user: Some("token"),
        ends: Some("expires_at"),
    },
    Table {
        name: "agreement",
        columns: &[
            column("token", Uuid),
            column("brief", Text),
            column("version", Int),
            column("status", Text),
            column("created_at", Time),
            column("updated_at", Time),
            optional("starts_at", Time),
            optional("expires_at", Time),
            column("sealed", Bytes),
        ],
        key: &["token", "brief"],
        user: Some("token"),
        ends: None,
    },
    Table {
        name: "request",
        columns: &[
            column("request", Uuid),
            column("token", Uuid),
            column("action", Text),
            optional("subject", Text),
            column("status", Text),
            column("created_at", Time),
            column("updated_at", Time),
            column("requested_by", Text),
            optional("requested_as", Text),
            optional("decided_by", Text),
            optional("decided_as", Text),
            optional("seen", Int),
            optional("sealed", Bytes),
            column("reason", Bytes),
        ],
        key: &["request"],
        user: Some("token"),
        ends: None,
    },
    Table {
        name: "expiration",
        columns: &[
            column("token", Uuid),
            column("expiration", Uuid),
            column("status", Text),
            column("started_at", Time),
            column("expires_at", Time),
            optional("announced_at", Time),
            optional("decided_at", Time),
        ],
        key: &["token"],
        user: Some("token"),
        ends: None,
    },
];

/// The table of that name.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The tables whose rows belong to no user: each bundle brings them whole, where it brings them.
pub fn registers() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| table.user.is_none())
}

/// The tables whose rows end by themselves, each with the column that says when.
pub fn ending() -> impl Iterator<Item = (&'static Table, &'static str)> {
    TABLES.iter().filter_map(|table| Some((table, table.ends?)))
}

/// The tables whose rows belong to users.
pub fn of_users() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| table.user.is_some())
}
