//! What came of each row.

use std::borrow::Cow;

use pgrx::Uuid;

use crate::audit::Finding;
use crate::error::{Error, Result, Status};
use crate::pg::subtransaction::Undone;

/// What came of a row.
pub struct Verdict {
    /// Whose it is, if it is a user's and he is known.
    pub token: Option<Uuid>,
    outcome: Outcome,
}

enum Outcome {
    Created,
    Present,
    Ended,
    Failed(Undone),
}

impl Verdict {
    /// It was brought, or else it is there already.
    pub fn brought(token: Option<Uuid>, is_new: bool) -> Self {
        let outcome = if is_new { Outcome::Created } else { Outcome::Present };
        Self { token, outcome }
    }

    /// It was left out: it has ended by itself.
    pub fn ended(token: Uuid) -> Self {
        Self { token: Some(token), outcome: Outcome::Ended }
    }

    /// It cannot be brought.
    pub fn failed(token: Option<Uuid>, undone: Undone) -> Self {
        Self { token, outcome: Outcome::Failed(undone) }
    }

    /// The word for it.
    pub const fn outcome(&self) -> &'static str {
        match self.outcome {
            Outcome::Created => "created",
            Outcome::Present => "present",
            Outcome::Ended => "skipped",
            Outcome::Failed(_) => "failed",
        }
    }

    /// The SQLSTATE of a failure.
    pub fn sqlstate(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Failed(Undone::Failed(error)) => Some(error.sqlstate_text()),
            Outcome::Failed(Undone::Refused(failure)) => Some(failure.sqlstate()),
            _ => None,
        }
    }

    /// Why it was not brought, and what to do, without any value.
    pub fn message(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Failed(Undone::Failed(error)) => {
                Some(format!("{}. {}", error.message(), error.hint()))
            }
            _ => self.reason().map(Cow::into_owned),
        }
    }

    fn reason(&self) -> Option<Cow<'static, str>> {
        Some(match &self.outcome {
            Outcome::Created => return None,
            Outcome::Present => "it is there already".into(),
            Outcome::Ended => "has ended".into(),
            Outcome::Failed(Undone::Failed(error)) => error.message(),
            Outcome::Failed(Undone::Refused(_)) => "PostgreSQL has refused it".into(),
        })
    }

    /// What the trail has to say about a row that was not brought.
    pub fn finding(&self) -> Option<Finding> {
        let status = match &self.outcome {
            Outcome::Failed(Undone::Failed(error)) => error.status(),
            Outcome::Failed(Undone::Refused(_)) => Status::Failed,
            _ => Status::Ok,
        };
        self.reason().map(|message| Finding { token: self.token, status, message })
    }
}

/// The verdicts on all rows of a call, as they come.
pub struct Verdicts(Vec<Option<Verdict>>);

impl Verdicts {
    /// On so many rows.
    pub fn of(rows: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(rows).collect())
    }

    /// Takes down what came of the row at that position, from 0.
    pub fn set(&mut self, position: usize, verdict: Verdict) {
        self.0[position] = Some(verdict);
    }

    /// All of them, in the order of the rows.
    pub fn finish(self) -> Result<Vec<Verdict>> {
        let all = self.0.into_iter().collect::<Option<Vec<_>>>();
        all.ok_or(Error::Internal("a row was passed over"))
    }
}
