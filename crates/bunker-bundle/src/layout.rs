//! The tables of a bundle in a target: a SQLite file or a MySQL database.

use crate::schema::{Column, Kind, TABLES, Table};

/// What kind of database a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// SQLite 3.
    Sqlite,
    /// MySQL 8 or MariaDB.
    Mysql,
}

/// The table in which a target keeps what it was brought to by the bundle it has applied last: one row.
/// `next_cursor` is where the next bundle begins, `summary` and `signature` are those of
/// [`crate::Signed`], the latter in hex.
pub const STATE: &str = "bunker_bundle";

/// The columns of that row after `only_row`.
pub const STATE_COLUMNS: [&str; 8] =
    ["number", "id", "vault", "previous", "made_at", "next_cursor", "summary", "signature"];

/// The name of a table in a target.
#[must_use]
pub fn name(table: &Table) -> String {
    format!("bunker_{}", table.name)
}

/// The statements that make a target's tables, where they are not there yet. Each is one line.
#[must_use]
pub fn definitions(flavor: Flavor) -> Vec<String> {
    let mut statements = vec![state(flavor)];
    for table in TABLES {
        statements.push(definition(flavor, table));
        if flavor == Flavor::Sqlite
            && let Some(user) = index_of_users(table)
        {
            let name = name(table);
            statements.push(format!("CREATE INDEX IF NOT EXISTS {name}_{user} ON {name} ({user})"));
        }
    }
    statements
}

fn state(flavor: Flavor) -> String {
    let (int, uuid, text, hex) = match flavor {
        Flavor::Sqlite => ("INTEGER", "TEXT", "TEXT", "TEXT"),
        Flavor::Mysql => ("BIGINT", ASCII_UUID, LONG_TEXT, "CHAR(64) CHARACTER SET ascii"),
    };
    let columns = [
        format!("only_row {int} NOT NULL PRIMARY KEY CHECK (only_row = 1)"),
        format!("number {int} NOT NULL"),
        format!("id {uuid} NOT NULL"),
        format!("vault {uuid} NOT NULL"),
        format!("previous {uuid}"),
        format!("made_at {int} NOT NULL"),
        format!("next_cursor {text} NOT NULL"),
        format!("summary {text} NOT NULL"),
        format!("signature {hex} NOT NULL"),
    ];
    format!("CREATE TABLE IF NOT EXISTS {STATE} ({}){}", columns.join(", "), options(flavor))
}

fn definition(flavor: Flavor, table: &Table) -> String {
    let mut parts: Vec<_> = table.columns.iter().map(|it| column(flavor, table, it)).collect();
    parts.push(format!("PRIMARY KEY ({})", table.key.join(", ")));
    if flavor == Flavor::Mysql
        && let Some(user) = index_of_users(table)
    {
        parts.push(format!("KEY {}_{user} ({user})", name(table)));
    }
    // Small rows that are found by their key only.
    let is_index = flavor == Flavor::Sqlite && table.name == "lookup";
    let without = if is_index { " WITHOUT ROWID" } else { "" };
    let (name, parts) = (name(table), parts.join(", "));
    format!("CREATE TABLE IF NOT EXISTS {name} ({parts}){without}{}", options(flavor))
}

/// The column of the user, if no key begins with it.
fn index_of_users(table: &Table) -> Option<&'static str> {
    table.user.filter(|user| table.key.first() != Some(user))
}

const ASCII_UUID: &str = "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin";
const SHORT_TEXT: &str = "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
const LONG_TEXT: &str = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

fn column(flavor: Flavor, table: &Table, column: &Column) -> String {
    let in_key = table.key.contains(&column.name);
    let kind = match (flavor, column.kind) {
        (Flavor::Sqlite, Kind::Int | Kind::Time) => "INTEGER",
        (Flavor::Sqlite, Kind::Uuid | Kind::Text | Kind::Json) => "TEXT",
        (Flavor::Sqlite, Kind::Bytes) => "BLOB",
        (Flavor::Mysql, Kind::Int | Kind::Time) => "BIGINT",
        (Flavor::Mysql, Kind::Uuid) => ASCII_UUID,
        (Flavor::Mysql, Kind::Text) if in_key => SHORT_TEXT,
        (Flavor::Mysql, Kind::Text | Kind::Json) => LONG_TEXT,
        (Flavor::Mysql, Kind::Bytes) if in_key => "VARBINARY(32)",
        (Flavor::Mysql, Kind::Bytes) => "LONGBLOB",
    };
    format!("{} {kind}{}", column.name, if column.optional { "" } else { " NOT NULL" })
}

fn options(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Sqlite => "",
        Flavor::Mysql => " ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    }
}
