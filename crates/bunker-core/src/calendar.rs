//! Months and spans of time in UTC, for points in time as PostgreSQL counts them: microseconds since
//! 2000-01-01 00:00 UTC. Months count from the same point: January 2000 is 0, December 1999 is -1.
//!
//! The calendar is the proleptic Gregorian one, without leap seconds, as in PostgreSQL
//! (`date2j` and `j2date` in datetime.c). The algorithms are Howard Hinnant's `days_from_civil` and
//! `civil_from_days`.

/// Microseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// Days of 400 years, after which the calendar repeats itself.
const DAYS_OF_ERA: i64 = 146_097;
/// Days from 0000-03-01, where an era begins, to 2000-01-01.
const EPOCH: i64 = 730_425;

/// Microseconds from 1970-01-01, where Unix begins to count, to 2000-01-01.
pub const SINCE_1970: i64 = 946_684_800_000_000;

/// The month that a point in time lies in.
#[must_use]
pub fn month_of(at: i64) -> i32 {
    let (month, _) = month_and_day(at.div_euclid(DAY));
    narrow(month)
}

/// When a month begins; months further away than PostgreSQL's range of time saturate.
#[must_use]
pub fn month_start(month: i32) -> i64 {
    first_day(i64::from(month)).saturating_mul(DAY)
}

/// Year and month (1 to 12) of a month, as people name it.
#[must_use]
pub fn year_and_month(month: i32) -> (i32, i32) {
    (2000 + month.div_euclid(12), month.rem_euclid(12) + 1)
}

/// A span of time with the three parts of PostgreSQL's `interval`, which differ in length: months
/// have 28 to 31 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Months, years included.
    pub months: i32,
    /// Days, weeks included.
    pub days: i32,
    /// Microseconds.
    pub microseconds: i64,
}

impl Interval {
    /// Whether it is longer than nothing, a month taken as 30 days, as PostgreSQL compares intervals
    /// (`interval_cmp_value` in timestamp.c).
    #[must_use]
    pub fn is_positive(&self) -> bool {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(DAY) + i128::from(self.microseconds) > 0
    }

    /// The point in time so long before `at`. The 31st of a shorter month is its last day, as in
    /// `timestamptz_mi_interval`, in UTC. Saturates.
    #[must_use]
    pub fn before(&self, at: i64) -> i64 {
        self.moved(at, -1)
    }

    /// The point in time so long after `at`, as `timestamptz_pl_interval` has it in UTC: first the
    /// months, then the days, then the rest. Saturates beyond the range of `timestamptz`.
    #[must_use]
    pub fn after(&self, at: i64) -> i64 {
        self.moved(at, 1)
    }

    /// `direction` is 1 or -1.
    fn moved(&self, at: i64, direction: i64) -> i64 {
        let (month, day) = month_and_day(at.div_euclid(DAY));
        let month = month + direction * i64::from(self.months);
        let length = first_day(month + 1) - first_day(month);
        let day = first_day(month) + day.min(length - 1) + direction * i64::from(self.days);
        day.saturating_mul(DAY)
            .saturating_add(at.rem_euclid(DAY))
            .saturating_add(self.microseconds.saturating_mul(direction))
    }
}

/// Month since 2000-01 and day in it, from 0, of a day since 2000-01-01.
fn month_and_day(day: i64) -> (i64, i64) {
    let day = day + EPOCH;
    let (era, day) = (day.div_euclid(DAYS_OF_ERA), day.rem_euclid(DAYS_OF_ERA));
    // In an era years begin in March: the leap day is their last one.
    let year = (day - day / 1_460 + day / 36_524 - day / (DAYS_OF_ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    ((era * 400 + year - 2000) * 12 + month + 2, day - first)
}

/// The first day of a month, as a day since 2000-01-01; the inverse of [`month_and_day`].
fn first_day(month: i64) -> i64 {
    // Counted from March of the year 0.
    let month = month + 2000 * 12 - 2;
    let (years, month) = (month.div_euclid(12), month.rem_euclid(12));
    let (era, year) = (years.div_euclid(400), years.rem_euclid(400));
    era * DAYS_OF_ERA + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 - EPOCH
}

/// No `i64` of microseconds lies so far away that its month would not fit.
fn narrow(month: i64) -> i32 {
    i32::try_from(month).unwrap_or(if month < 0 { i32::MIN } else { i32::MAX })
}
