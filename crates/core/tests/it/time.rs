//! Time is an argument, and never gives anything back (invariant 17).

use proptest::prelude::*;
use quell_core::time::{Timestamp, after, after_millis, hour_of, seconds_between};

use crate::world::at;

#[test]
fn time_saturates_at_both_ends() {
    let table = [
        ("an hour on", after(at(0), 3600), at(3600)),
        ("back", after(at(0), -60), at(-60)),
        ("past the end", after(at(0), i64::MAX), Timestamp::MAX),
        ("past the end in millis", after_millis(Timestamp::MAX, 1), Timestamp::MAX),
        ("before the beginning", after(Timestamp::MIN, -1), Timestamp::MIN),
        ("before the beginning in millis", after_millis(at(0), i64::MIN), Timestamp::MIN),
    ];
    for (name, found, expected) in table {
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_clock_set_back_gives_no_time_back() {
    assert_eq!(seconds_between(at(0), at(60)), 60);
    assert_eq!(seconds_between(at(60), at(0)), 0);
    assert_eq!(seconds_between(Timestamp::MAX, Timestamp::MIN), 0);
}

#[test]
fn an_hour_of_a_budget_begins_at_the_full_hour() {
    assert_eq!(hour_of(at(3599)), hour_of(at(0)));
    assert_eq!(hour_of(at(3600)), hour_of(at(0)) + 1);
    assert_eq!(hour_of(Timestamp::from_second(-1).unwrap()), -1);
}

proptest! {
    #[test]
    fn later_is_never_earlier(a in any::<i64>(), seconds in 0..=i64::MAX) {
        let from = after(Timestamp::UNIX_EPOCH, a);
        prop_assert!(after(from, seconds) >= from);
        prop_assert!(after_millis(from, seconds) >= from);
        prop_assert!(seconds_between(from, after(from, seconds)) >= 0);
    }
}
