//! Points in time, as the page shows them: always in UTC, to the minute where seconds tell nothing.

use jiff::Timestamp;

use crate::calendar::SINCE_1970;

/// A point in time between the years -9999 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Timestamp);

impl Moment {
    /// Reads what RFC 3339 allows, as PostgreSQL writes it into `jsonb`; none for anything else, such
    /// as `infinity`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// From microseconds since 2000-01-01 00:00 UTC; saturates.
    pub fn from_microseconds(at: i64) -> Self {
        let furthest = if at < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let at = at.checked_add(SINCE_1970).and_then(|at| Timestamp::from_microsecond(at).ok());
        Self(at.unwrap_or(furthest))
    }

    /// Microseconds since 2000-01-01 00:00 UTC.
    pub fn microseconds(self) -> i64 {
        self.0.as_microsecond() - SINCE_1970
    }

    /// For machines: `2026-11-22T10:00:00.123456Z`.
    pub fn machine(self) -> String {
        self.0.to_string()
    }

    /// `22 Nov 2026, 10:00`
    pub fn minute(self) -> String {
        self.format("%-d %b %Y, %H:%M")
    }

    /// `22 Nov 2026, 10:00:07`
    pub fn second(self) -> String {
        self.format("%-d %b %Y, %H:%M:%S")
    }

    /// `22 Nov 2026`
    pub fn date(self) -> String {
        self.format("%-d %b %Y")
    }

    /// As `strftime` has it.
    pub fn format(self, pattern: &str) -> String {
        self.0.strftime(pattern).to_string()
    }
}
