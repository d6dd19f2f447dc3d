//! SQL for the `sqlite3` shell, 3.40 or later.
//!
//! The shell cannot test a condition and stop, but a trigger can: every line but the definitions is an
//! INSERT into a view of the session, whose trigger adds the values to a sum, carries them out, or
//! raises an error that rolls everything back. The definitions are compared at the end with those the
//! sum was meant for, in the database's own catalogue.

use sha3::{Digest, Sha3_256};
use uuid::Uuid;

use super::ABOUT;
use super::literal::{hexadecimal, optional_uuid, plain, state};
use crate::FORMAT;
use crate::header::Header;
use crate::layout::{self, Flavor, STATE, STATE_COLUMNS};
use crate::schema::{self, Kind, TABLES, Table, of_users};
use crate::summary::Signed;
use crate::value::Value;
use crate::writer::Dialect;

/// The first line: the shell is to stop at the first error.
pub(super) const FIRST: &str = ".bail on";

/// Begins the second line, before the version of the format.
pub(super) const TITLE: &str = "-- databunker bundle for SQLite, format ";

pub(super) const END_LINES: usize = 2;

const ALTERED: &str = "databunker: the bundle is incomplete or altered; nothing was changed";
const OTHER_VAULT: &str = "databunker: the bundle is of another vault; nothing was changed";
const OUT_OF_ORDER: &str = "databunker: the bundle is out of order; nothing was changed";
const OTHER_TABLES: &str =
    "databunker: the bundle is altered, or made for tables of another version; nothing was changed";
const NOT_UTF_8: &str = "databunker: the database is not in UTF-8; nothing was changed";

/// The views with a trigger that is more than the table's rows: name, columns.
const BEGIN: (&str, &[&str]) = ("begin", &["number", "id", "vault", "previous", "made_at"]);
const REPLACE: (&str, &[&str]) = ("replace", &["name"]);
const USER: (&str, &[&str]) = ("user", &["token"]);
const CLOSE: (&str, &[&str]) = ("close", &["sum", "definitions"]);

/// The dialect of the `sqlite3` shell.
pub struct Sqlite {
    /// SHA3-256 of the sum before and of the values, as `quote()` has them.
    sum: Vec<u8>,
}

impl Default for Sqlite {
    fn default() -> Self {
        Self::new()
    }
}

impl Sqlite {
    /// A dialect that has written nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sum: Vec::new() }
    }

    /// A line that gives rows to a view, and adds them to the sum.
    fn give(&mut self, view: &str, rows: &[Vec<Value<'_>>]) -> String {
        let mut line = format!("INSERT INTO bunker_in_{view} VALUES ");
        for (index, row) in rows.iter().enumerate() {
            line.push_str(if index == 0 { "(" } else { ",(" });
            let mut sum = Sha3_256::new_with_prefix(hexadecimal(&self.sum));
            sum.update(view);
            for (index, value) in row.iter().enumerate() {
                let quoted = plain(value);
                sum.update(",");
                sum.update(&quoted);
                if index > 0 {
                    line.push(',');
                }
                match value {
                    Value::Text(_) => line.extend(["CAST(", &quoted, " AS TEXT)"]),
                    _ => line.push_str(&quoted),
                }
            }
            line.push(')');
            self.sum = sum.finalize().to_vec();
        }
        line.push(';');
        line
    }
}

impl Dialect for Sqlite {
    fn begin(&mut self, header: &Header, lines: &mut Vec<String>) {
        lines.extend([FIRST.to_owned(), format!("{TITLE}{FORMAT}")]);
        lines.extend(ABOUT.map(|line| format!("-- {line}")));
        lines.push("-- To apply it: sqlite3 vault.db < this file".to_owned());
        lines.push(".timeout 60000".to_owned());
        // Either of the two opens a transaction: no damage to one line leaves us without.
        lines.extend(["BEGIN IMMEDIATE;".to_owned(), "SAVEPOINT bunker;".to_owned()]);
        lines.extend(before_definitions());
        lines.extend(definitions().into_iter().map(|statement| format!("{statement};")));
        lines.push("DELETE FROM bunker_sum;".to_owned());
        lines.push("INSERT INTO bunker_sum VALUES (X'',0);".to_owned());
        let row = vec![
            Value::Int(header.number),
            Value::Uuid(header.id),
            Value::Uuid(header.vault),
            optional_uuid(header.previous),
            Value::Int(header.made_at),
        ];
        lines.push(self.give(BEGIN.0, &[row]));
    }

    fn replace(&mut self, tables: &[&'static Table], lines: &mut Vec<String>) {
        let rows: Vec<_> =
            tables.iter().map(|table| vec![Value::Text(table.name.into())]).collect();
        lines.push(self.give(REPLACE.0, &rows));
    }

    fn users(&mut self, tokens: &[Uuid], lines: &mut Vec<String>) {
        let rows: Vec<_> = tokens.iter().map(|token| vec![Value::Uuid(*token)]).collect();
        lines.push(self.give(USER.0, &rows));
    }

    fn rows(
        &mut self,
        table: &'static Table,
        rows: &[Vec<Value<'static>>],
        lines: &mut Vec<String>,
    ) {
        lines.push(self.give(table.name, rows));
    }

    fn close(&mut self, lines: &mut Vec<String>) {
        let sum = hexadecimal(&self.sum);
        let definitions = hexadecimal(&sum_of_definitions());
        lines.push(format!("INSERT INTO bunker_in_close VALUES ({sum},{definitions});"));
    }

    fn end(&mut self, signed: &Signed, lines: &mut Vec<String>) {
        // Of these values alone, so that the line follows from what is signed.
        let mut end = Self::new();
        let line = end.give("end", &[state(signed).to_vec()]);
        let values = line.strip_suffix(");").unwrap_or_default();
        // In one line: whatever befalls it, there is no COMMIT without the state.
        lines.push(format!("{values},{});COMMIT;", hexadecimal(&end.sum)));
        // An error if the transaction is still open, lest the shell ends as if all were well.
        lines.push("BEGIN;ROLLBACK;".to_owned());
    }
}

/// Notes what is in the database before anything is defined in it.
fn before_definitions() -> [String; 3] {
    [
        format!("{BEFORE};"),
        "DELETE FROM bunker_before;".to_owned(),
        "INSERT INTO bunker_before SELECT name FROM main.sqlite_master;".to_owned(),
    ]
}

const BEFORE: &str = "CREATE TEMP TABLE IF NOT EXISTS bunker_before (name TEXT)";

/// The tables of the target, and the views and triggers of the session.
fn definitions() -> Vec<String> {
    let mut statements = layout::definitions(Flavor::Sqlite);
    let sum = "CREATE TEMP TABLE IF NOT EXISTS bunker_sum (sum BLOB, closed INTEGER)";
    statements.push(sum.to_owned());
    for (name, columns) in [BEGIN, REPLACE, USER, CLOSE] {
        statements.push(view(name, columns));
    }
    for table in TABLES {
        statements.push(view(table.name, &table.column_names()));
        statements.push(trigger(table.name, &[insert(table), add_row(table)]));
        statements.push(replacing(table));
    }
    statements
        .push(trigger(BEGIN.0, &[checks_at_begin(), ended(), add(BEGIN.0, &quoted(BEGIN.1))]));
    statements
        .push(trigger(REPLACE.0, &[add(REPLACE.0, &["quote(CAST(NEW.name AS BLOB))".into()])]));
    statements.push(trigger(USER.0, &[deletes(), add(USER.0, &quoted(USER.1))]));
    statements.push(trigger(CLOSE.0, &[checks_at_close()]));
    statements.extend(ending());
    statements
}

fn view(name: &str, columns: &[&str]) -> String {
    let nothing = vec!["NULL"; columns.len()].join(",");
    let columns = columns.join(",");
    format!("CREATE TEMP VIEW IF NOT EXISTS bunker_in_{name} ({columns}) AS SELECT {nothing}")
}

fn trigger(view: &str, statements: &[String]) -> String {
    format!(
        "CREATE TEMP TRIGGER IF NOT EXISTS bunker_take_{view} INSTEAD OF INSERT ON bunker_in_{view} \
         BEGIN {}; END",
        statements.join("; ")
    )
}

fn insert(table: &Table) -> String {
    let columns = table.column_names();
    let values: Vec<_> = columns.iter().map(|name| format!("NEW.{name}")).collect();
    let (name, columns) = (layout::name(table), columns.join(","));
    let verb = if table.takes_over() { "INSERT OR REPLACE" } else { "INSERT" };
    format!("{verb} INTO {name} ({columns}) VALUES ({})", values.join(","))
}

fn add_row(table: &Table) -> String {
    let quoted = |column: &crate::schema::Column| match column.kind {
        Kind::Text | Kind::Json => format!("quote(CAST(NEW.{} AS BLOB))", column.name),
        Kind::Int | Kind::Time | Kind::Uuid | Kind::Bytes => format!("quote(NEW.{})", column.name),
    };
    add(table.name, &table.columns.iter().map(quoted).collect::<Vec<_>>())
}

fn quoted(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| format!("quote(NEW.{name})")).collect()
}

/// Adds the values of a row to the sum; the other half of [`Sqlite::give`].
fn add(view: &str, quoted: &[String]) -> String {
    format!("UPDATE bunker_sum SET sum = {}", sum_of("quote(sum)", view, quoted))
}

fn sum_of(before: &str, view: &str, quoted: &[String]) -> String {
    format!("sha3({before} || '{view},' || {})", quoted.join(" || ',' || "))
}

fn replacing(table: &Table) -> String {
    let name = table.name;
    format!(
        "CREATE TEMP TRIGGER IF NOT EXISTS bunker_replace_{name} INSTEAD OF INSERT ON \
         bunker_in_replace WHEN NEW.name = '{name}' BEGIN DELETE FROM {}; END",
        layout::name(table)
    )
}

fn deletes() -> String {
    let of_user = |table: &'static Table| {
        let column = table.user?;
        Some(format!("DELETE FROM {} WHERE {column} = NEW.token", layout::name(table)))
    };
    of_users().filter_map(of_user).collect::<Vec<_>>().join("; ")
}

fn ended() -> String {
    let ended = |(table, ends): (&Table, &str)| {
        format!("DELETE FROM {} WHERE {ends} <= NEW.made_at", layout::name(table))
    };
    schema::ending().map(ended).collect::<Vec<_>>().join("; ")
}

fn refuse(message: &str, condition: &str) -> String {
    format!("SELECT RAISE(ROLLBACK, '{message}') WHERE {condition}")
}

fn checks_at_begin() -> String {
    let in_order = format!(
        "coalesce((SELECT CASE WHEN NEW.previous IS NULL THEN number <= NEW.number \
         ELSE id IN (NEW.previous, NEW.id) END FROM {STATE}), NEW.previous IS NULL)"
    );
    [
        refuse(NOT_UTF_8, "CAST('a' AS BLOB) <> X'61'"),
        refuse(OTHER_VAULT, &format!("EXISTS (SELECT 1 FROM {STATE} WHERE vault <> NEW.vault)")),
        refuse(OUT_OF_ORDER, &format!("NOT {in_order}")),
    ]
    .join("; ")
}

fn checks_at_close() -> String {
    let names: Vec<_> = catalogue(&layout::definitions(Flavor::Sqlite))
        .into_iter()
        .map(|(name, _)| format!("'{name}'"))
        .collect();
    let definitions = format!(
        "(SELECT sha3(group_concat(sql, ';')) FROM (SELECT sql FROM (SELECT name, sql FROM \
         sqlite_temp_master UNION ALL SELECT name, sql FROM sqlite_master WHERE name IN ({}) OR name \
         NOT IN (SELECT name FROM bunker_before)) WHERE sql IS NOT NULL ORDER BY name))",
        names.join(",")
    );
    [
        refuse(ALTERED, "NEW.sum IS NOT (SELECT sum FROM bunker_sum)"),
        refuse(OTHER_TABLES, &format!("NEW.definitions IS NOT {definitions}")),
        "UPDATE bunker_sum SET closed = 1".to_owned(),
    ]
    .join("; ")
}

/// The view that takes the state, and its trigger.
fn ending() -> [String; 2] {
    let columns = [&STATE_COLUMNS[..], &["proof"]].concat();
    let texts = ["next_cursor", "summary", "signature"];
    let quoted = STATE_COLUMNS.map(|name| {
        if texts.contains(&name) {
            format!("quote(CAST(NEW.{name} AS BLOB))")
        } else {
            format!("quote(NEW.{name})")
        }
    });
    let proof = sum_of("'X'''''", "end", &quoted);
    let values = STATE_COLUMNS.map(|name| format!("NEW.{name}")).join(",");
    let statements = [
        refuse(ALTERED, "(SELECT closed FROM bunker_sum) IS NOT 1"),
        refuse(ALTERED, &format!("NEW.proof IS NOT {proof}")),
        "UPDATE bunker_sum SET closed = 0".to_owned(),
        format!("DELETE FROM {STATE}"),
        format!("INSERT INTO {STATE} (only_row,{}) VALUES (1,{values})", STATE_COLUMNS.join(",")),
    ];
    [view("end", &columns), trigger("end", &statements)]
}

/// What the triggers have to find in the catalogue at the end: SHA3-256 of all definitions.
fn sum_of_definitions() -> Vec<u8> {
    let mut catalogue = catalogue(&definitions());
    catalogue.extend(self::catalogue(&[BEFORE.to_owned()]));
    catalogue.sort();
    let texts: Vec<_> = catalogue.into_iter().map(|(_, sql)| sql).collect();
    Sha3_256::digest(texts.join(";")).to_vec()
}

/// Definitions as SQLite keeps them: name, and text without TEMP and IF NOT EXISTS.
fn catalogue(statements: &[String]) -> Vec<(String, String)> {
    let entry = |statement: &String| {
        let (head, definition) = statement.split_once(" IF NOT EXISTS ")?;
        let name = definition.split([' ', '(']).next()?;
        Some((name.to_owned(), format!("{} {definition}", head.replace(" TEMP", ""))))
    };
    statements.iter().filter_map(entry).collect()
}
