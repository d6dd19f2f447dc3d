//! Steps of a time axis that people count in.

use crate::calendar;
use crate::report::time::Moment;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2000-01-01 was a Saturday: from the Monday after it, weeks and all that divides a day are counted.
const MONDAY: i64 = 2 * DAY;

/// A step, which divides time into equal parts as the calendar has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Minutes(i64),
    Hours(i64),
    Days(i64),
    Weeks(i64),
    Months(i32),
    Years(i32),
}

use Step::{Days, Hours, Minutes, Months, Weeks, Years};

/// All steps, each up to four times as long as the one before.
pub const STEPS: [Step; 30] = [
    Minutes(1),
    Minutes(2),
    Minutes(5),
    Minutes(10),
    Minutes(15),
    Minutes(30),
    Hours(1),
    Hours(2),
    Hours(3),
    Hours(6),
    Hours(12),
    Days(1),
    Days(2),
    Weeks(1),
    Weeks(2),
    Months(1),
    Months(3),
    Months(6),
    Years(1),
    Years(2),
    Years(5),
    Years(10),
    Years(20),
    Years(50),
    Years(100),
    Years(200),
    Years(500),
    Years(1_000),
    Years(2_000),
    Years(5_000),
];

impl Step {
    /// The number of the part that a point in time lies in.
    pub fn part_of(self, at: i64) -> i64 {
        match self.length() {
            Length::Time(length) => (at - MONDAY).div_euclid(length),
            Length::Months(months) => i64::from(calendar::month_of(at).div_euclid(months)),
        }
    }

    /// When a part begins.
    pub fn start(self, part: i64) -> i64 {
        match self.length() {
            Length::Time(length) => part.saturating_mul(length).saturating_add(MONDAY),
            Length::Months(months) => {
                let month = part.saturating_mul(i64::from(months));
                calendar::month_start(i32::try_from(month).unwrap_or(i32::MAX))
            }
        }
    }

    /// As a line says it: `15 minutes`.
    pub fn name(self) -> String {
        let (count, unit) = match self {
            Minutes(count) => (count, "minute"),
            Hours(count) => (count, "hour"),
            Days(count) => (count, "day"),
            Weeks(count) => (count, "week"),
            Months(count) => (i64::from(count), "month"),
            Years(count) => (i64::from(count), "year"),
        };
        if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
    }

    /// What the axis calls the beginning of a part: short, and larger units where they change.
    pub fn label(self, at: i64) -> String {
        let moment = Moment::from_microseconds(at);
        moment.format(match self {
            Minutes(_) | Hours(_) if at.rem_euclid(DAY) != 0 => "%H:%M",
            Minutes(_) | Hours(_) | Days(_) | Weeks(_) => "%-d %b",
            Months(_) if calendar::month_of(at).rem_euclid(12) != 0 => "%b",
            Months(_) | Years(_) => "%Y",
        })
    }

    fn length(self) -> Length {
        match self {
            Minutes(count) => Length::Time(count * MINUTE),
            Hours(count) => Length::Time(count * HOUR),
            Days(count) => Length::Time(count * DAY),
            Weeks(count) => Length::Time(count * 7 * DAY),
            Months(count) => Length::Months(count),
            Years(count) => Length::Months(count * 12),
        }
    }
}

/// How long a step is: months differ.
enum Length {
    Time(i64),
    Months(i32),
}
