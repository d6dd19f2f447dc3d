//! Handing rows to the vault.

use postgres::{Client, Row};
use serde_json::Value;

use super::report::{Outcome, Place};
use crate::error::{Error, Result};
use crate::vault;

/// A row on its way to the vault.
pub struct Pending {
    /// Which row it is in the store.
    pub place: Place,
    /// As `bunker_import_rows` takes it.
    pub row: Value,
}

/// What the vault says of a row.
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// The SQLSTATE of its refusal.
    pub sqlstate: Option<String>,
    /// Its refusal in words.
    pub message: Option<String>,
}

/// The vault, as it takes rows.
pub struct Vault {
    client: Client,
    /// The statement that takes rows.
    send: String,
    is_rehearsal: bool,
}

impl Vault {
    /// What is sent lasts at once, or, in a rehearsal, not at all. A rehearsal is one transaction, since
    /// what belongs to users needs them.
    pub fn new(mut client: Client, is_rehearsal: bool) -> Result<Self> {
        let send = format!(
            "SELECT \"row\", outcome, sqlstate, message \
             FROM {}.bunker_import_rows($1::pg_catalog.jsonb[]) ORDER BY \"row\"",
            vault::schema(&mut client)?
        );
        if is_rehearsal {
            client.batch_execute("BEGIN")?;
        }
        Ok(Self { client, send, is_rehearsal })
    }

    /// Sends rows, in one transaction; what became of each.
    pub fn send(&mut self, rows: &[Pending]) -> Result<Vec<Answer>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match self.attempt(rows) {
            Err(Error::Vault(error)) if is_of_a_row(&error) => {
                match rows.split_at(rows.len() / 2) {
                    ([], _) => Ok(vec![refusal(&error)]),
                    (first, second) => {
                        let mut answers = self.send(first)?;
                        answers.extend(self.send(second)?);
                        Ok(answers)
                    }
                }
            }
            result => result,
        }
    }

    fn attempt(&mut self, rows: &[Pending]) -> Result<Vec<Answer>> {
        let values: Vec<_> = rows.iter().map(|pending| &pending.row).collect();
        let answers = self.query(&values)?;
        let answers: Vec<_> = answers.iter().map(answer).collect::<Result<_>>()?;
        if answers.len() != rows.len() {
            return Err(Error::Refused("the vault has not answered for each row"));
        }
        Ok(answers)
    }

    fn query(&mut self, rows: &[&Value]) -> Result<Vec<Row>> {
        if !self.is_rehearsal {
            return Ok(self.client.query(&self.send, &[&rows])?);
        }
        self.client.batch_execute("SAVEPOINT batch")?;
        let answers = self.client.query(&self.send, &[&rows]);
        let end = match &answers {
            Ok(_) => "RELEASE SAVEPOINT batch",
            Err(_) => "ROLLBACK TO SAVEPOINT batch",
        };
        self.client.batch_execute(end)?;
        Ok(answers?)
    }
}

/// Whether PostgreSQL could not even read a row: jsonb has no U+0000, and bounds on numbers and depth.
fn is_of_a_row(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code().get(..2), Some("22" | "54")))
}

/// What is said of a row that PostgreSQL cannot read. Its own words may show the row.
fn refusal(error: &postgres::Error) -> Answer {
    Answer {
        outcome: Outcome::Failed,
        sqlstate: error.code().map(|code| code.code().to_owned()),
        message: Some("PostgreSQL's jsonb cannot hold it: U+0000, or too big".to_owned()),
    }
}

fn answer(row: &Row) -> Result<Answer> {
    let outcome = match row.try_get("outcome")? {
        "created" => Outcome::Created,
        "present" => Outcome::Present,
        "skipped" => Outcome::Ended,
        _ => Outcome::Failed,
    };
    Ok(Answer { outcome, sqlstate: row.try_get("sqlstate")?, message: row.try_get("message")? })
}
