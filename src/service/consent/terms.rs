//! The options of `bunker_accept_agreement`.

use std::ffi::CString;

use serde_json::{Map, Value};

use super::agreement::{Agreement, Status};
use super::shape::{Form, Shape};
use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::{interval, time};

/// The members that are sealed; the others are read one by one.
pub(super) const DETAILS: Shape = Shape {
    members: &[
        ("agreementmethod", Form::Text(1_000)),
        ("referencecode", Form::Text(1_000)),
        ("lastmodifiedby", Form::Text(1_000)),
    ],
    hint: "The options are status (yes, no, true, false); the texts agreementmethod, referencecode \
           and lastmodifiedby; starttime and expiration, each a time such as \
           2030-01-31T00:00:00Z or an interval from now such as 30 days.",
};

/// What somebody agrees to, or refuses.
pub struct Terms {
    /// Yes or no.
    pub status: Status,
    /// When it starts and ends: `None` when that was not given, `Some(None)` for never.
    starts_at: Option<Option<i64>>,
    expires_at: Option<Option<i64>>,
    details: Map<String, Value>,
}

impl Terms {
    /// Reads the options. Intervals count from `now`.
    ///
    /// # Errors
    /// Not an object; a member that is unknown, or not what it should be.
    pub fn read(options: Option<&Jsonb>, now: i64) -> Result<Self> {
        let mut given = DETAILS.read(options)?;
        Ok(Self {
            status: given.remove("status").map_or(Ok(Status::Yes), |value| status(&value))?,
            starts_at: given.remove("starttime").map(|value| moment(&value, now)).transpose()?,
            expires_at: given.remove("expiration").map(|value| moment(&value, now)).transpose()?,
            // Now, and not when it is stored: a bad option is refused whatever else there is.
            details: DETAILS.merge(&mut Map::new(), given.clone()).map(|_| given)?,
        })
    }

    /// Whether this could end an agreement: at once, or by its times.
    pub fn may_end_it(&self) -> bool {
        self.status == Status::No || self.starts_at.is_some() || self.expires_at.is_some()
    }

    /// The agreement under these terms. What they do not say stays as it was, but for times that are
    /// over: they were those of another agreement.
    ///
    /// # Errors
    /// It would end before it starts, or has ended already.
    pub fn apply(&self, mut agreement: Agreement, now: i64) -> Result<Agreement> {
        if agreement.has_ended(now) {
            (agreement.row.starts_at, agreement.row.expires_at) = (None, None);
        }
        let row = &mut agreement.row;
        row.starts_at = self.starts_at.unwrap_or(row.starts_at);
        row.expires_at = self.expires_at.unwrap_or(row.expires_at);
        let begins = row.starts_at.map_or(now, |time| time.max(now));
        if row.expires_at.is_some_and(|time| time <= begins) {
            return Err(Error::BadArgument(
                "the agreement would end before it is in force",
                "Give an expiration that is in the future, and after starttime.",
            ));
        }
        DETAILS.merge(&mut agreement.details, self.details.clone())?;
        agreement.advance(self.status, now)?;
        Ok(agreement)
    }
}

fn status(value: &Value) -> Result<Status> {
    match value {
        Value::Bool(true) => Ok(Status::Yes),
        Value::Bool(false) => Ok(Status::No),
        Value::String(word) if word == Status::Yes.as_str() => Ok(Status::Yes),
        Value::String(word) if word == Status::No.as_str() => Ok(Status::No),
        _ => Err(DETAILS.misshapen()),
    }
}

/// A time; null is none. A text of digits alone is neither a time nor an interval: nobody could say of
/// which unit it is.
fn moment(value: &Value, now: i64) -> Result<Option<i64>> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim(),
        _ => return Err(DETAILS.misshapen()),
    };
    let is_number = text.bytes().all(|c| c.is_ascii_digit() || b"+-.".contains(&c));
    let is_date = text.matches('-').count() == 2;
    let text = CString::new(text).ok().filter(|_| !is_number || is_date);
    text.and_then(|text| {
        time::parse(&text).or_else(|| interval::parse(&text).map(|span| span.after(now)))
    })
    .filter(|time| time::is_storable(*time))
    .map(Some)
    .ok_or_else(|| DETAILS.misshapen())
}
