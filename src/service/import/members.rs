//! Reading a row: a JSON object whose members are taken out one by one.

use std::ffi::CString;

use bunker_core::jsonb;
use pgrx::Uuid;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::pg::jsonb::Jsonb;
use crate::pg::time;
use crate::service::lifetime::{Life, Since};

/// The members of a row that are yet to be read. One that is null is as one that is missing.
pub struct Members<'a> {
    members: Vec<(String, &'a str)>,
    /// What members such a row has.
    hint: &'static str,
    /// When it is brought, in microseconds since 2000-01-01 UTC.
    now: i64,
}

impl<'a> Members<'a> {
    /// Those of a row that is brought `now`.
    ///
    /// # Errors
    /// It is no object.
    pub fn of(row: &'a Jsonb, now: i64) -> Result<Self> {
        let hint = "A row is a JSON object with a member kind and others, which depend on it.";
        match jsonb::members(row.as_str()) {
            Ok(members) => Ok(Self { members, hint, now }),
            Err(jsonb::NotCanonical) => Err(Error::BadArgument("a row is not a JSON object", hint)),
        }
    }

    /// Now that its kind is known, what members it has.
    pub fn expect(&mut self, hint: &'static str) {
        self.hint = hint;
    }

    /// Nothing is left.
    ///
    /// # Errors
    /// A member that such a row does not have.
    pub fn finish(self) -> Result<()> {
        if self.members.is_empty() {
            return Ok(());
        }
        Err(Error::BadArgument("the row has a member that is unknown", self.hint))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let position = self.members.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.members.swap_remove(position);
        (value != "null").then_some(value)
    }

    fn required<T>(&self, member: Option<T>) -> Result<T> {
        member.ok_or(Error::BadArgument("the row lacks a member", self.hint))
    }

    fn misshapen(&self) -> Error {
        Error::BadArgument("a member of the row is not what it should be", self.hint)
    }

    /// A member of a simple type.
    pub fn simple<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>> {
        let value = self.take(name).map(serde_json::from_str).transpose();
        value.map_err(|_| self.misshapen())
    }

    /// A text that may be missing.
    pub fn optional_text(&mut self, name: &str) -> Result<Option<String>> {
        self.simple(name)
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Result<String> {
        let text = self.optional_text(name)?;
        self.required(text)
    }

    /// A uuid that may be missing. The nil and the max uuid name nothing.
    pub fn optional_uuid(&mut self, name: &str) -> Result<Option<Uuid>> {
        let Some(text) = self.optional_text(name)? else {
            return Ok(None);
        };
        let uuid = uuid::Uuid::try_parse(&text).ok().filter(|id| !id.is_nil() && !id.is_max());
        let uuid = uuid.ok_or(Error::BadArgument(
            "a member of the row is not a usable uuid",
            "Neither the nil nor the max uuid can name a user, a session, a share or a request.",
        ))?;
        Ok(Some(Uuid::from_bytes(uuid.into_bytes())))
    }

    /// A uuid.
    pub fn uuid(&mut self, name: &str) -> Result<Uuid> {
        let uuid = self.optional_uuid(name)?;
        self.required(uuid)
    }

    /// The text of any JSON but null, not read yet.
    pub fn json(&mut self, name: &str) -> Result<&'a str> {
        let json = self.take(name);
        self.required(json)
    }

    /// Any JSON but null, not read yet, that may be missing.
    pub fn optional_document(&mut self, name: &str) -> Option<Jsonb> {
        self.take(name).map(|text| Jsonb::from(text.to_owned()))
    }

    /// Any JSON but null, not read yet.
    pub fn document(&mut self, name: &str) -> Result<Jsonb> {
        let document = self.optional_document(name);
        self.required(document)
    }

    /// A point in time that may be missing.
    pub fn optional_time(&mut self, name: &str) -> Result<Option<i64>> {
        let read = |json| moment(json).ok_or(UNUSABLE_TIME);
        self.take(name).map(read).transpose()
    }

    /// A point in time that has been.
    pub fn past(&mut self, name: &str) -> Result<Option<i64>> {
        match self.optional_time(name)? {
            Some(time) if time > self.now => Err(UNUSABLE_TIME),
            time => Ok(time),
        }
    }

    /// `created_at` and `updated_at`, now unless given.
    pub fn since(&mut self) -> Result<Since> {
        let created_at = self.past("created_at")?.unwrap_or(self.now);
        let updated_at = self.past("updated_at")?.unwrap_or(self.now);
        if updated_at < created_at {
            return Err(UNUSABLE_TIME);
        }
        Ok(Since { created_at, updated_at })
    }

    /// The life of something named by `name`, which was made at `created_at`, now unless given; and
    /// whether it has ended.
    pub fn life(&mut self, name: &str) -> Result<(Life, bool)> {
        let id = self.uuid(name)?;
        let created_at = self.past("created_at")?.unwrap_or(self.now);
        let expires_at = self.optional_time("expires_at")?;
        let expires_at = self.required(expires_at)?;
        Ok((Life { id, created_at, expires_at }, expires_at <= self.now))
    }

    /// When the row is brought.
    pub const fn now(&self) -> i64 {
        self.now
    }
}

const UNUSABLE_TIME: Error = Error::BadArgument(
    "a time of the row is not usable",
    "Times are RFC 3339, such as 2020-01-31T12:00:00Z, or Unix seconds; created_at and updated_at have \
     been, in this order.",
);

/// A point in time: an RFC 3339 text, or a number of seconds since 1970-01-01 UTC.
fn moment(json: &str) -> Option<i64> {
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).ok()?;
        return parse(&text);
    }
    time::from_unix(json.parse().ok()?)
}

fn parse(text: &str) -> Option<i64> {
    // PostgreSQL reads much more, and takes a time without a zone for one of the session's.
    let zoned = text.replace('Z', "+00:00");
    let (local, zone) = zoned.split_at_checked(zoned.len().checked_sub(6)?)?;
    let (second, fraction) = local.split_at_checked("2020-01-31T12:00:00".len())?;
    let is_fraction = fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
        });
    let is_rfc3339 = is_fraction
        && (fits(second, "0000-00-00T00:00:00") || fits(second, "0000-00-00 00:00:00"))
        && (fits(zone, "+00:00") || fits(zone, "-00:00"));
    let zoned = CString::new(zoned).ok().filter(|_| is_rfc3339)?;
    time::parse(&zoned)
}

/// Whether a text is like a pattern, in which 0 is any digit.
fn fits(text: &str, pattern: &str) -> bool {
    let alike = |(byte, sample): (u8, u8)| match sample {
        b'0' => byte.is_ascii_digit(),
        sample => byte == sample,
    };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(alike)
}
