//! The sliding window, on a clock of the tests' own.

use bunker_core::rate::{ROLES, RateTable, Refused};
use proptest::prelude::*;

const ANN: u32 = 16_384;

/// How many of `attempts` single reads pass.
fn passed(table: &mut RateTable, role: u32, attempts: u32, limit: u32, now: u64) -> u32 {
    (0..attempts).filter(|_| table.take(role, 1, limit, now).is_ok()).count() as u32
}

#[test]
fn exactly_the_limit_passes() {
    for limit in [1, 2, 99, 1_000] {
        let mut table = RateTable::new();
        assert_eq!(passed(&mut table, ANN, 2_000, limit, 0), limit);
    }
}

#[test]
fn a_minutes_border_doubles_nothing() {
    for start in 0..70 {
        let mut table = RateTable::new();
        assert_eq!(passed(&mut table, ANN, 20, 10, start), 10);
        for later in 1..60 {
            assert_eq!(passed(&mut table, ANN, 20, 10, start + later), 0, "{start} + {later}");
        }
        assert_eq!(passed(&mut table, ANN, 20, 10, start + 65), 10);
    }
}

#[test]
fn a_refused_call_takes_nothing() {
    let mut table = RateTable::new();
    assert_eq!(table.take(ANN, 11, 10, 0), Err(Refused::OverLimit));
    assert_eq!(table.take(ANN, u64::MAX, 10, 0), Err(Refused::OverLimit));
    assert_eq!(table.take(ANN, 10, 10, 0), Ok(()));
    assert_eq!(table.take(ANN, u64::MAX, u32::MAX, 0), Err(Refused::OverLimit));
    assert_eq!(table.take(ANN, 0, 10, 0), Ok(()));
}

#[test]
fn the_highest_limit_does_not_overflow() {
    let mut table = RateTable::new();
    let most = u64::from(u32::MAX);
    assert_eq!(table.take(ANN, most, u32::MAX, 0), Ok(()));
    assert_eq!(table.take(ANN, 1, u32::MAX, 0), Err(Refused::OverLimit));
    assert_eq!(table.take(ANN, most, u32::MAX, u64::MAX), Ok(()));
}

#[test]
fn a_clock_that_goes_back_frees_nothing() {
    let mut table = RateTable::new();
    assert_eq!(passed(&mut table, ANN, 20, 10, 1_000), 10);
    for earlier in [999, 930, 500, 0] {
        assert_eq!(passed(&mut table, ANN, 20, 10, earlier), 0);
    }
    assert_eq!(passed(&mut table, ANN, 20, 10, 1_059), 0);
    assert_eq!(passed(&mut table, ANN, 20, 10, 1_065), 10);
}

#[test]
fn roles_have_meters_of_their_own() {
    let mut table = RateTable::new();
    for role in 1..=ROLES as u32 {
        assert_eq!(passed(&mut table, role, 3, 2, 7), 2);
    }
    for role in 1..=ROLES as u32 {
        assert_eq!(table.take(role, 1, 2, 8), Err(Refused::OverLimit));
    }
}

#[test]
fn a_full_table_refuses_and_recovers() {
    let mut table = RateTable::new();
    for role in 1..=ROLES as u32 {
        assert_eq!(table.take(role, 1, 5, 0), Ok(()));
    }
    let stranger = ROLES as u32 + 1;
    for now in [0, 30, 64] {
        assert_eq!(table.take(stranger, 1, 5, now), Err(Refused::TableFull));
    }
    assert_eq!(table.take(1, 5, 5, 64), Err(Refused::OverLimit));
    assert_eq!(table.take(1, 4, 5, 64), Ok(()));
    // Whoever came back keeps his meter, the others' are free.
    assert_eq!(passed(&mut table, stranger, 9, 5, 65), 5);
    assert_eq!(table.take(1, 2, 5, 65), Err(Refused::OverLimit));
}

#[test]
fn roles_that_come_and_go_reuse_the_meters() {
    let mut table = RateTable::new();
    for generation in 0..50 {
        for number in 0..100 {
            let role = ANN + generation * 100 + number;
            assert_eq!(passed(&mut table, role, 3, 2, u64::from(generation) * 65), 2);
        }
    }
}

proptest! {
    /// Whatever is asked when: no 60 seconds see more than the limit, and after 65 quiet seconds
    /// all of it is there again.
    #[test]
    fn no_minute_sees_more_than_the_limit(
        asked in prop::collection::vec((0u64..30, 1u64..20), 1..200),
        limit in 1u32..60,
    ) {
        let mut table = RateTable::new();
        let (mut now, mut log) = (0, Vec::new());
        for (pause, records) in asked {
            now += pause;
            if table.take(ANN, records, limit, now).is_ok() {
                log.push((now, records));
            }
            let minute: u64 =
                log.iter().filter(|(at, _)| at + 60 > now).map(|(_, records)| records).sum();
            prop_assert!(minute <= u64::from(limit));
        }
        prop_assert_eq!(table.take(ANN, u64::from(limit), limit, now + 65), Ok(()));
    }

    /// One role's reads are nothing to another's, however they are mixed.
    #[test]
    fn roles_do_not_disturb_each_other(
        asked in prop::collection::vec((1u32..9, 0u64..20), 1..200),
    ) {
        let mut together = RateTable::new();
        let mut apart: Vec<_> = (0..9).map(|_| RateTable::new()).collect();
        let mut now = 0;
        for (role, pause) in asked {
            now += pause;
            let alone = apart[role as usize].take(role, 1, 3, now);
            prop_assert_eq!(together.take(role, 1, 3, now), alone);
        }
    }
}
