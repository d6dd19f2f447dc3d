//! The tables of a store, as the server makes them.
//!
//! But for the lengths of texts in MySQL: the server's TINYTEXT and TEXT hold 255 bytes and 64 kB, and
//! the vault's texts may be longer. The server reads the longer types just as well.

use bunker_bundle::layout::Flavor;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name, a uuid, or a hash.
    Word,
    /// A text of people, or what is encrypted of it, in a column that the server takes for short.
    Text,
    /// A long text.
    Data,
    /// A number.
    Int,
    /// A truth value.
    Flag,
}

use Kind::{Data, Flag, Int, Text, Word};

/// A table.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [(&'static str, Kind)],
    /// The names of its indexes, and their columns.
    indexes: &'static [(&'static str, &'static [&'static str])],
}

/// All tables.
pub static TABLES: &[Table] = &[
    Table {
        name: "users",
        columns: &[
            ("token", Word),
            ("key", Word),
            ("md5", Word),
            ("loginidx", Word),
            ("emailidx", Word),
            ("phoneidx", Word),
            ("customidx", Word),
            ("expstatus", Word),
            ("exptoken", Word),
            ("endtime", Int),
            ("tempcodeexp", Int),
            ("tempcode", Int),
            ("data", Data),
        ],
        indexes: &[
            ("users_token", &["token"]),
            ("users_login", &["loginidx"]),
            ("users_email", &["emailidx"]),
            ("users_phone", &["phoneidx"]),
            ("users_custom", &["customidx"]),
            ("users_endtime", &["endtime"]),
            ("users_exptoken", &["exptoken"]),
        ],
    },
    Table {
        name: "xtokens",
        columns: &[
            ("xtoken", Word),
            ("token", Word),
            ("type", Word),
            ("app", Word),
            ("fields", Word),
            ("endtime", Int),
        ],
        indexes: &[("xtokens_xtoken", &["xtoken"]), ("xtokens_type", &["type"])],
    },
    Table {
        name: "audit",
        columns: &[
            ("atoken", Word),
            ("identity", Word),
            ("record", Word),
            ("who", Text),
            ("mode", Word),
            ("app", Word),
            ("title", Text),
            ("status", Word),
            ("msg", Text),
            ("debug", Text),
            ("before", Data),
            ("after", Data),
            ("when", Int),
        ],
        indexes: &[("audit_atoken", &["atoken"]), ("audit_record", &["record"])],
    },
    Table {
        name: "sessions",
        columns: &[
            ("token", Word),
            ("session", Word),
            ("key", Word),
            ("data", Data),
            ("endtime", Int),
            ("when", Int),
        ],
        indexes: &[("sessions_a_token", &["token"]), ("sessions_a_session", &["session"])],
    },
    Table {
        name: "userapps",
        columns: &[
            ("appname", Word),
            ("token", Word),
            ("md5", Word),
            ("data", Data),
            ("status", Word),
            ("when", Int),
        ],
        indexes: &[
            ("userapps_appname", &["appname"]),
            ("userapps_token_appname", &["token", "appname"]),
        ],
    },
    Table {
        name: "requests",
        columns: &[
            ("rtoken", Word),
            ("token", Word),
            ("app", Word),
            ("brief", Word),
            ("action", Word),
            ("status", Word),
            ("change", Text),
            ("reason", Text),
            ("creationtime", Int),
            ("when", Int),
        ],
        indexes: &[
            ("requests_rtoken", &["rtoken"]),
            ("requests_token", &["token"]),
            ("requests_status", &["status"]),
        ],
    },
    Table {
        name: "sharedrecords",
        columns: &[
            ("token", Word),
            ("record", Word),
            ("partner", Text),
            ("session", Word),
            ("app", Word),
            ("fields", Text),
            ("endtime", Int),
            ("when", Int),
        ],
        indexes: &[("sharedrecords_record", &["record"])],
    },
    Table {
        name: "processingactivities",
        columns: &[
            ("activity", Word),
            ("title", Text),
            ("script", Text),
            ("fulldesc", Text),
            ("legalbasis", Text),
            ("applicableto", Text),
            ("creationtime", Int),
        ],
        indexes: &[("processingactivities_activity", &["activity"])],
    },
    Table {
        name: "legalbasis",
        columns: &[
            ("brief", Word),
            ("status", Word),
            ("module", Text),
            ("shortdesc", Text),
            ("fulldesc", Text),
            ("basistype", Word),
            ("requiredmsg", Text),
            ("usercontrol", Flag),
            ("requiredflag", Flag),
            ("creationtime", Int),
        ],
        indexes: &[("legalbasis_brief", &["brief"])],
    },
    Table {
        name: "agreements",
        columns: &[
            ("who", Text),
            ("mode", Word),
            ("token", Word),
            ("brief", Word),
            ("status", Word),
            ("referencecode", Text),
            ("lastmodifiedby", Text),
            ("agreementmethod", Text),
            ("creationtime", Int),
            ("starttime", Int),
            ("endtime", Int),
            ("when", Int),
        ],
        indexes: &[("agreements_token", &["token"]), ("agreements_brief", &["brief"])],
    },
];

/// The indexes that keep values apart.
const UNIQUE: &[&str] = &["users_token", "userapps_token_appname", "xtokens_xtoken"];

impl Table {
    /// The statement that makes it.
    pub fn definition(&self, flavor: Flavor) -> String {
        let columns =
            self.columns.iter().map(|(name, kind)| format!("`{name}` {}", kind.name(flavor)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        match flavor {
            Flavor::Sqlite => format!("CREATE TABLE {} ({columns})", self.name),
            // Hashes are told apart by upper and lower case.
            Flavor::Mysql => format!(
                "CREATE TABLE {} ({columns}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB",
                self.name
            ),
        }
    }

    /// The statements that make its indexes.
    pub fn indexes(&self, flavor: Flavor) -> impl Iterator<Item = String> + '_ {
        self.indexes.iter().map(move |(name, columns)| {
            let unique = if UNIQUE.contains(name) { "UNIQUE " } else { "" };
            let columns: Vec<_> =
                columns.iter().map(|column| self.indexed(column, flavor)).collect();
            format!("CREATE {unique}INDEX {name} ON {} ({})", self.name, columns.join(", "))
        })
    }

    /// A column as it stands in an index: of texts, MySQL takes so many characters.
    fn indexed(&self, column: &str, flavor: Flavor) -> String {
        let is_int = self.columns.iter().any(|(name, kind)| *name == column && *kind == Int);
        match flavor {
            Flavor::Mysql if !is_int => format!("{column}(36)"),
            _ => column.to_owned(),
        }
    }

    /// The statement that adds a row, with a parameter for each column.
    pub fn insertion(&self) -> String {
        let places = vec!["?"; self.columns.len()].join(", ");
        format!("INSERT INTO {} VALUES ({places})", self.name)
    }
}

impl Kind {
    fn name(self, flavor: Flavor) -> &'static str {
        match (flavor, self) {
            (_, Int) => "int",
            (_, Flag) => "BOOLEAN",
            // What SQLite takes for NUMERIC, as the server has it.
            (Flavor::Sqlite, Word | Text) => "STRING",
            (Flavor::Sqlite, Data) => "TEXT",
            (Flavor::Mysql, Word) => "TINYTEXT",
            (Flavor::Mysql, Text) => "MEDIUMTEXT",
            (Flavor::Mysql, Data) => "LONGTEXT",
        }
    }
}

/// The table of that name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}
