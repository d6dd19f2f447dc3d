//! All batches of a table.

use postgres::{Client, GenericClient};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::table::batch::{self, Batch};
use crate::table::report::Report;
use crate::table::sql::{Page, Plan};

/// What a table is brought in with.
pub struct Import<'a> {
    /// What is brought.
    pub plan: Plan<'a>,
    /// How many rows a batch has.
    pub size: u16,
}

/// What became of a table.
#[derive(Default)]
pub struct Outcome {
    /// How many rows are users of the vault now, or would be.
    pub users: u64,
    /// How many rows still have no token: those that failed, and those that others held or added.
    pub left: u64,
}

impl Import<'_> {
    /// Brings in what has no token yet, batch by batch.
    ///
    /// Rows that somebody else has locked, another run of this tool for one, are passed over at first.
    /// If some are left at the end, they are gone through once more, and waited for.
    pub fn run(&self, client: &mut Client, report: &mut Report) -> Result<Outcome> {
        let left = batch::count(client, &self.plan)?;
        let progress = Progress::start("rows", left);
        let mut outcome = Outcome { users: 0, left };
        for waits in [false, true] {
            if outcome.left > report.told() {
                outcome.users += self.pass(client, waits, report, &progress)?;
                outcome.left = batch::count(client, &self.plan)?;
            }
        }
        Ok(outcome)
    }

    /// Does the same in one transaction, so that each user meets those before him, and takes it back.
    pub fn rehearse(&self, client: &mut Client, report: &mut Report) -> Result<Outcome> {
        let left = batch::count(client, &self.plan)?;
        let progress = Progress::start("rows", left);
        let mut transaction = client.transaction()?;
        let users = self.pages(&mut transaction, false, report, &progress, batch::rehearse)?;
        transaction.rollback()?;
        Ok(Outcome { users, left: left.saturating_sub(users) })
    }

    fn pass(
        &self,
        client: &mut Client,
        waits: bool,
        report: &mut Report,
        progress: &Progress,
    ) -> Result<u64> {
        match self.pages(client, waits, report, progress, batch::bring) {
            // Somebody holds on to his rows. What is done is done.
            Err(Error::Vault(error)) if waits && is_lock_timeout(&error) => Ok(0),
            done => done,
        }
    }

    /// Goes through the table in the order of its key; how many users there are now.
    ///
    /// A statement that fails over the data of a row takes the whole batch with it, and does not say
    /// which row. So the batches become smaller, down to that row, and then larger again.
    fn pages<C: GenericClient>(
        &self,
        client: &mut C,
        waits: bool,
        report: &mut Report,
        progress: &Progress,
        bring: impl Fn(&mut C, &Plan, Page, &[String]) -> Result<Batch>,
    ) -> Result<u64> {
        let mut users = 0;
        let mut after = Vec::new();
        let mut size = self.size;
        loop {
            let page = Page { size, is_next: !after.is_empty(), waits };
            let batch = match bring(client, &self.plan, page, &after) {
                Err(Error::OfData(..)) if size > 1 => {
                    size /= 2;
                    continue;
                }
                Err(Error::OfData(message, sqlstate)) => {
                    batch::unusable(client, &self.plan, page, &after, (message, sqlstate))?
                }
                batch => batch?,
            };
            size = size.saturating_mul(2).min(self.size);
            users += batch.users;
            progress.add(batch.rows);
            for failure in batch.failures {
                report.tell(self.plan.table, failure, progress)?;
            }
            report.flush()?;
            match batch.last {
                Some(last) => after = last,
                None => return Ok(users),
            }
        }
    }
}

fn is_lock_timeout(error: &postgres::Error) -> bool {
    error.code() == Some(&postgres::error::SqlState::LOCK_NOT_AVAILABLE)
}
