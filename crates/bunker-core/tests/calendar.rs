//! The calendar against known dates, against PostgreSQL, and against itself.

#![allow(clippy::unwrap_used, clippy::panic)]

use bunker_core::calendar::{Interval, month_of, month_start, year_and_month};
use proptest::prelude::*;

const DAY: i64 = 86_400_000_000;

/// Unix time in seconds, as `date -u +%s` prints it, in PostgreSQL's count.
fn unix(seconds: i64) -> i64 {
    (seconds - 946_684_800) * 1_000_000
}

#[test]
fn months_begin_where_other_calendars_say() {
    for (year, month, start) in [
        (1970, 1, 0),
        (1999, 12, 944_006_400),
        (2000, 1, 946_684_800),
        (2000, 2, 949_363_200),
        (2000, 3, 951_868_800),
        (2024, 2, 1_706_745_600),
        (2024, 3, 1_709_251_200),
        (2026, 1, 1_767_225_600),
        (2100, 3, 4_107_542_400),
        (1600, 2, -11_673_417_600),
    ] {
        let number = (year - 2000) * 12 + month - 1;
        assert_eq!(month_start(number), unix(start), "{year}-{month}");
        assert_eq!(year_and_month(number), (year, month));
        assert_eq!(month_of(unix(start)), number);
        assert_eq!(month_of(unix(start) - 1), number - 1);
    }
}

#[test]
fn the_ends_of_time_have_months() {
    assert!(month_start(month_of(i64::MAX)) > i64::MAX - 31 * DAY);
    // The month of the first microsecond begins before it, where no number is left.
    assert_eq!(month_start(month_of(i64::MIN)), i64::MIN);
    assert_eq!(month_start(i32::MIN), i64::MIN);
    assert_eq!(month_start(i32::MAX), i64::MAX);
}

fn months(months: i32) -> Interval {
    Interval { months, days: 0, microseconds: 0 }
}

#[test]
fn an_interval_goes_back_by_the_calendar() {
    let noon = DAY / 2;
    let (march_31, february_29) = (unix(1_711_843_200), unix(1_709_164_800));
    assert_eq!(months(1).before(march_31 + noon), february_29 + noon);
    assert_eq!(months(12).before(february_29), unix(1_677_542_400), "2023-02-28");
    assert_eq!(months(0).before(march_31), march_31);
    let mixed = Interval { months: 1, days: 1, microseconds: 1 };
    assert_eq!(mixed.before(march_31), february_29 - DAY - 1);
    let longest = Interval { months: i32::MAX, days: i32::MAX, microseconds: i64::MAX };
    assert_eq!(longest.before(0), i64::MIN);
}

#[test]
fn an_interval_is_positive_as_postgresql_compares() {
    let interval = |months, days, microseconds| Interval { months, days, microseconds };
    for positive in
        [interval(1, 0, 0), interval(0, 0, 1), interval(1, -29, 0), interval(0, 1, 1 - DAY)]
    {
        assert!(positive.is_positive(), "{positive:?}");
    }
    for other in [interval(0, 0, 0), interval(-1, 0, 0), interval(1, -30, 0), interval(1, -31, DAY)]
    {
        assert!(!other.is_positive(), "{other:?}");
    }
}

proptest! {
    #[test]
    fn a_point_lies_in_its_month(at in any::<i64>()) {
        let month = month_of(at);
        prop_assert!(month_start(month) <= at);
        prop_assert!(at < month_start(month + 1) || month_start(month + 1) == i64::MAX);
    }

    #[test]
    fn a_month_has_28_to_31_days(month in -50_000..50_000) {
        let length = month_start(month + 1) - month_start(month);
        prop_assert!((28 * DAY..=31 * DAY).contains(&length) && length % DAY == 0);
        prop_assert_eq!(month_of(month_start(month)), month);
    }

    #[test]
    fn going_back_months_changes_the_month_by_so_many(at in -9_000_000_000_000_000i64..9_000_000_000_000_000, back in 0..5_000) {
        prop_assert_eq!(month_of(months(back).before(at)), month_of(at) - back);
    }
}

#[test]
fn an_interval_goes_forward_as_in_postgresql() {
    const VECTORS: &str = include_str!("calendar_vectors.tsv");
    let mut seen = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<i64> = line.split('\t').map(|n| n.parse().unwrap()).collect();
        let [at, months, days, microseconds, sum] = columns[..] else { panic!("{line}") };
        let narrow = |number: i64| i32::try_from(number).unwrap();
        let interval = Interval { months: narrow(months), days: narrow(days), microseconds };
        assert_eq!(interval.after(at), sum, "{line}");
        seen += 1;
    }
    assert!(seen >= 400, "only {seen} vectors");
}

#[test]
fn going_forward_saturates() {
    let longest = Interval { months: i32::MAX, days: i32::MAX, microseconds: i64::MAX };
    assert_eq!(longest.after(0), i64::MAX);
    let shortest = Interval { months: i32::MIN, days: i32::MIN, microseconds: i64::MIN };
    assert_eq!(shortest.after(0), i64::MIN);
}
