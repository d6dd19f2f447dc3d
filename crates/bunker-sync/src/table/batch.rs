//! One batch in a transaction of its own.

use std::thread::sleep;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, GenericClient, Transaction};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::table::sql::{Page, Plan};

/// A row that is no user of the vault.
#[derive(Debug, Deserialize)]
pub struct Failure {
    /// The values of its key, as texts.
    pub key: Vec<String>,
    /// Why: the vault's words, which quote nothing of the row.
    pub message: String,
    /// Their SQLSTATE.
    pub sqlstate: String,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Batch {
    /// How many rows it took.
    pub rows: u64,
    /// How many of them are users now.
    pub users: u64,
    /// The key of the last one, as texts.
    pub last: Option<Vec<String>>,
    /// The others.
    pub failures: Vec<Failure>,
}

/// How often a batch that met somebody else's changes is tried.
const ATTEMPTS: u32 = 6;

/// For the transaction only. The row is found by its key, never by going through the table.
const SETTINGS: &str = "
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;
    SET LOCAL jit = off;
    SET LOCAL lock_timeout = '10s'";

/// Brings in a batch and commits it; does it again if it met somebody else's changes.
pub fn bring(client: &mut Client, plan: &Plan, page: Page, after: &[String]) -> Result<Batch> {
    let sql = plan.batch(page)?;
    let mut attempt = 1;
    loop {
        let mut transaction = client.transaction()?;
        transaction.batch_execute(SETTINGS)?;
        match run(&mut transaction, plan, &sql, after) {
            Ok(batch) => {
                transaction.commit()?;
                return Ok(batch);
            }
            Err(Failed::Again) if attempt < ATTEMPTS => transaction.rollback()?,
            Err(failed) => return Err(failed.into()),
        }
        sleep(Duration::from_millis(20 << attempt));
        attempt += 1;
    }
}

/// Tries a batch in a transaction that the caller will roll back.
pub fn rehearse(
    transaction: &mut Transaction,
    plan: &Plan,
    page: Page,
    after: &[String],
) -> Result<Batch> {
    let mut savepoint = transaction.transaction()?;
    let batch = run(&mut savepoint, plan, &plan.batch(page)?, after)?;
    savepoint.commit()?;
    Ok(batch)
}

/// A batch of the one row over which its statement has failed.
pub fn unusable(
    client: &mut impl GenericClient,
    plan: &Plan,
    page: Page,
    after: &[String],
    (message, sqlstate): (&str, String),
) -> Result<Batch> {
    let key = client.query_opt(&plan.first_key(page)?, &parameters(after)).map_err(failed)?;
    let last: Option<Vec<String>> = key.map(|row| row.get(0));
    let failure = |key| Failure { key, message: message.to_owned(), sqlstate };
    let failures: Vec<_> = last.clone().map(failure).into_iter().collect();
    Ok(Batch { rows: failures.len() as u64, users: 0, last, failures })
}

fn parameters(after: &[String]) -> Vec<&(dyn ToSql + Sync)> {
    after.iter().map(|text| text as &(dyn ToSql + Sync)).collect()
}

/// How many rows have no token yet.
pub fn count(client: &mut Client, plan: &Plan) -> Result<u64> {
    let row = client.query_one(&plan.count(), &[]).map_err(failed)?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// Why a batch is not done.
enum Failed {
    /// Somebody else was at work on the same rows or users.
    Again,
    /// Anything else.
    For(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Again => Self::Refused("the table does not keep the tokens that it is given"),
            Failed::For(error) => error,
        }
    }
}

fn run(
    transaction: &mut Transaction,
    plan: &Plan,
    sql: &str,
    after: &[String],
) -> Result<Batch, Failed> {
    let row = transaction.query_one(sql, &parameters(after)).map_err(failed)?;
    let (rows, users, stored): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    if users != stored && !plan.is_dry {
        return Err(Failed::Again);
    }
    let failures: Option<serde_json::Value> = row.get(4);
    let failures = failures.map_or(Ok(Vec::new()), serde_json::from_value);
    Ok(Batch {
        rows: rows.unsigned_abs(),
        users: users.unsigned_abs(),
        last: row.get(3),
        failures: failures
            .map_err(|_| Failed::For(Error::Refused("the vault's answer is not understood")))?,
    })
}

/// The words of errors in data may quote them.
fn failed(error: postgres::Error) -> Failed {
    let Some(state) = error.code() else {
        return Failed::For(error.into());
    };
    if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(state) {
        return Failed::Again;
    }
    // Of a program, a system or a right: 08 to 58, without those of data (a limit, 54, is met by too many
    // or too large ones) and of triggers.
    const PLAIN: [&str; 10] = ["08", "25", "28", "3F", "40", "42", "53", "55", "57", "58"];
    if PLAIN.iter().any(|class| state.code().starts_with(class)) {
        return Failed::For(error.into());
    }
    let what = "a statement failed over the data of a row, and was undone";
    Failed::For(Error::OfData(what, state.code().to_owned()))
}
