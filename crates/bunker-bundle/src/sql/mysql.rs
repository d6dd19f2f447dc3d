//! SQL for the client of MySQL 8.0.16 and later, or MariaDB.
//!
//! A statement travels as a text: it is added to a running sum, run by PREPARE and EXECUTE if the sum is
//! then what it should be, and counted if it did what it should. What happens instead is a refusal that
//! violates a named constraint, so that the client stops with that name. Sum and count live in variables
//! of the session: after a lost connection they are gone, and nothing runs. So nothing is committed
//! without all that came before, whatever befell a line, even if the client goes on after errors.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::ABOUT;
use super::literal::{plain, state};
use crate::FORMAT;
use crate::header::Header;
use crate::layout::{self, Flavor, STATE, STATE_COLUMNS};
use crate::schema::{Table, ending, of_users};
use crate::summary::Signed;
use crate::value::Value;
use crate::writer::Dialect;

/// Begins the first line, before the version of the format.
pub(super) const TITLE: &str = "-- databunker bundle for MySQL and MariaDB, format ";

pub(super) const END_LINES: usize = 4;

/// Takes the verdict on the bundle and the users that it replaces. Empty outside a transaction, and as
/// two bundles at once collide here, also the lock against that.
const INCOMING: &str = "CREATE TABLE IF NOT EXISTS bunker_incoming (item CHAR(36) CHARACTER SET \
     ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, \
     CONSTRAINT databunker_bundle_is_of_another_vault CHECK (item <> 'of another vault'), \
     CONSTRAINT databunker_bundle_is_out_of_order CHECK (item <> 'out of order'), \
     CONSTRAINT databunker_bundle_is_incomplete_or_altered CHECK (item <> 'altered')) ENGINE=InnoDB";

/// Sets the session up, whatever the server's own settings are.
const SETTINGS: [&str; 5] = [
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION';",
    "SET NAMES utf8mb4;",
    "SET SESSION autocommit = 0;",
    // A client with --safe-updates refuses to empty a table, and to join large ones.
    "SET SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1;",
    "SET @bunker_refusal = 'INSERT INTO bunker_incoming VALUES (''altered'')';",
];

/// The dialect of the client of MySQL and MariaDB.
pub struct Mysql(Chain);

impl Default for Mysql {
    fn default() -> Self {
        Self::new()
    }
}

impl Mysql {
    /// A dialect that has written nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Chain::new("begin"))
    }
}

/// Statements that run one after the other or not at all.
struct Chain {
    /// SHA-256, in hex, of the sum before and of the statement.
    sum: String,
    done: u64,
}

impl Chain {
    fn new(sum: &str) -> Self {
        Self { sum: sum.to_owned(), done: 0 }
    }

    /// A line that runs a statement. `effect` is what it does to the number of rows if all is well.
    fn run(&mut self, statement: &str, effect: Effect) -> String {
        let sum = Sha256::new_with_prefix(&self.sum).chain_update(statement).finalize();
        self.sum = base16ct::lower::encode_string(&sum);
        self.done += 1;
        let quoted = statement.replace('\'', "''");
        format!(
            "SET @bunker_sql = '{quoted}'; \
             SET @bunker_sum = SHA2(CONCAT(@bunker_sum, @bunker_sql), 256); \
             SET @bunker_sql = IF({}, @bunker_sql, @bunker_refusal); \
             PREPARE bunker FROM @bunker_sql; EXECUTE bunker; \
             SET @bunker_done = @bunker_done + (ROW_COUNT() {effect}); DEALLOCATE PREPARE bunker;",
            self.sum_is_right()
        )
    }

    fn sum_is_right(&self) -> String {
        format!("@bunker_sum = '{}' AND @@autocommit = 0", self.sum)
    }

    /// A condition that is only met when all statements so far have run.
    fn is_done(&self) -> String {
        format!("{} AND @bunker_done = {}", self.sum_is_right(), self.done)
    }
}

/// How many rows a statement adds or removes.
#[derive(Clone, Copy)]
enum Effect {
    Exactly(usize),
    AtLeast(usize),
}

impl std::fmt::Display for Effect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(rows) => write!(formatter, "= {rows}"),
            Self::AtLeast(rows) => write!(formatter, ">= {rows}"),
        }
    }
}

impl Dialect for Mysql {
    fn begin(&mut self, header: &Header, lines: &mut Vec<String>) {
        lines.push(format!("{TITLE}{FORMAT}"));
        lines.extend(ABOUT.map(|line| format!("-- {line}")));
        lines.push("-- To apply it: mysql NAME_OF_DATABASE < this file".to_owned());
        lines.extend(SETTINGS.map(str::to_owned));
        // A bundle before this one, in the same session, may have been cut off. Its rows must not be
        // committed by the definitions that follow: these need the sum, which comes with the ROLLBACK.
        lines.push("ROLLBACK; SET @bunker_sum = 'begin', @bunker_done = 0;".to_owned());
        for statement in
            std::iter::once(INCOMING.to_owned()).chain(layout::definitions(Flavor::Mysql))
        {
            lines.push(self.0.run(&statement, Effect::AtLeast(0)));
        }
        lines.push(self.0.run(&verdict(header), Effect::Exactly(1)));
        for (table, ends) in ending() {
            let (name, time) = (layout::name(table), header.made_at);
            let statement = format!("DELETE FROM {name} WHERE {ends} <= {time}");
            lines.push(self.0.run(&statement, Effect::AtLeast(0)));
        }
    }

    fn replace(&mut self, tables: &[&'static Table], lines: &mut Vec<String>) {
        for table in tables {
            let statement = format!("DELETE FROM {}", layout::name(table));
            lines.push(self.0.run(&statement, Effect::AtLeast(0)));
        }
    }

    fn users(&mut self, tokens: &[Uuid], lines: &mut Vec<String>) {
        if tokens.is_empty() {
            return;
        }
        let rows: Vec<_> = tokens.iter().map(|token| format!("('{token}')")).collect();
        let count = Effect::Exactly(tokens.len());
        let statement = format!("INSERT INTO bunker_incoming VALUES {}", rows.join(","));
        lines.push(self.0.run(&statement, count));
        for table in of_users() {
            let Some(column) = table.user else { continue };
            let statement = format!(
                "DELETE theirs FROM bunker_incoming STRAIGHT_JOIN {} AS theirs ON theirs.{column} = \
                 bunker_incoming.item",
                layout::name(table)
            );
            lines.push(self.0.run(&statement, Effect::AtLeast(0)));
        }
        lines.push(self.0.run("DELETE FROM bunker_incoming WHERE item <> 'accepted'", count));
    }

    fn rows(
        &mut self,
        table: &'static Table,
        rows: &[Vec<Value<'static>>],
        lines: &mut Vec<String>,
    ) {
        let columns = table.column_names().join(",");
        let values: Vec<_> = rows.iter().map(|row| tuple(row)).collect();
        let (name, values) = (layout::name(table), values.join(","));
        // A row that takes another's place counts twice.
        let (verb, effect) = if table.takes_over() {
            ("REPLACE", Effect::AtLeast(rows.len()))
        } else {
            ("INSERT", Effect::Exactly(rows.len()))
        };
        let statement = format!("{verb} INTO {name} ({columns}) VALUES {values}");
        lines.push(self.0.run(&statement, effect));
    }

    fn close(&mut self, lines: &mut Vec<String>) {
        lines.push(format!(
            "SET @bunker_sum = IF({}, 'closed', 'altered'); SET @bunker_done = 0;",
            self.0.is_done()
        ));
    }

    fn end(&mut self, signed: &Signed, lines: &mut Vec<String>) {
        // A chain of its own, so that these lines follow from what is signed.
        let mut chain = Chain::new("closed");
        lines.push(chain.run(&state_row(signed), Effect::AtLeast(1)));
        // Where MariaDB does not check constraints, a verdict that was a refusal ends here.
        let accepted = "DELETE FROM bunker_incoming WHERE item = 'accepted'";
        lines.push(chain.run(accepted, Effect::Exactly(1)));
        lines.push(format!(
            "SET @bunker_sql = IF({}, 'COMMIT', @bunker_refusal); \
             PREPARE bunker FROM @bunker_sql; EXECUTE bunker; DEALLOCATE PREPARE bunker;",
            chain.is_done()
        ));
        lines.push("ROLLBACK;".to_owned());
    }
}

/// Decides whether the target may take the bundle. Its state stays locked until the end.
fn verdict(header: &Header) -> String {
    let (number, id) = (header.number, header.id);
    let in_order = match header.previous {
        None => format!("COALESCE(MAX(number), {number}) <= {number}"),
        Some(previous) => format!("MAX(id) IN ('{previous}', '{id}')"),
    };
    format!(
        "INSERT INTO bunker_incoming SELECT CASE WHEN MAX(vault) <> '{}' THEN 'of another vault' \
         WHEN {in_order} THEN 'accepted' ELSE 'out of order' END FROM {STATE} FOR UPDATE",
        header.vault
    )
}

fn state_row(signed: &Signed) -> String {
    let values = tuple(&state(signed)).replacen('(', "(1,", 1);
    format!("REPLACE INTO {STATE} (only_row,{}) VALUES {values}", STATE_COLUMNS.join(","))
}

fn tuple(row: &[Value<'_>]) -> String {
    let values: Vec<_> = row.iter().map(literal).collect();
    format!("({})", values.join(","))
}

fn literal(value: &Value<'_>) -> String {
    match value {
        Value::Text(_) => format!("_utf8mb4 {}", plain(value)),
        _ => plain(value),
    }
}
