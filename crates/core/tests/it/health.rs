//! A source is held against its own habit.

use quell_core::{
    health::{self, Blind, Silence, UNREADABLE, Usual},
    time::Timestamp,
};

use crate::world::at;

/// Moments in hours.
fn hours(list: &[i64]) -> Vec<Timestamp> {
    list.iter().map(|h| at(h * 3_600)).collect()
}

fn every(step: i64, times: i64) -> Vec<i64> {
    (0..times).map(|n| n * step).collect()
}

#[test]
fn silence_is_against_the_usual_rate_of_the_source_itself() {
    // When it was heard, when it is now, and whether it is silent.
    let table: Vec<(&str, Vec<i64>, i64, bool)> = vec![
        ("hourly, two hours on", every(1, 24), 23 + 2, false),
        ("hourly, three hours on", every(1, 24), 23 + 3, false),
        ("hourly, four hours on", every(1, 24), 23 + 4, true),
        ("daily, a day on", every(24, 10), 9 * 24 + 24, false),
        ("daily, three days on", every(24, 10), 9 * 24 + 72, false),
        ("daily, four days on", every(24, 10), 9 * 24 + 96, true),
        ("too young for a habit", every(1, 7), 500, false),
        ("never heard", vec![], 500, false),
    ];
    for (name, heard, now, is_silent) in table {
        let heard = hours(&heard);
        let silent = health::silence(&heard, at(0), at(now * 3_600));
        assert_eq!(silent.is_some(), is_silent, "{name}");
        assert_eq!(silent.map(|s| s.from), heard.last().copied().filter(|_| is_silent), "{name}: since it was heard last");
    }
    assert_eq!(health::usual(&hours(&every(2, 10))), Some(Usual { hours_heard: 10, hours: 19, wait_seconds: 7_200 }));
}

#[test]
fn one_long_night_makes_no_habit_of_long_nights() {
    let mut heard = every(1, 40);
    heard.extend((0..40).map(|n| 200 + n));
    let usual = health::usual(&hours(&heard)).expect("a habit");
    assert_eq!(usual.wait_seconds, 3_600);
    assert_eq!(health::silences(&hours(&heard), at(239 * 3_600)), [Silence { from: at(39 * 3_600), until: Some(at(200 * 3_600)) }]);
}

#[test]
fn nobody_is_silent_while_nobody_listens() {
    let heard = hours(&every(1, 24));
    let now = at(100 * 3_600);
    assert!(health::silence(&heard, at(0), now).is_some());
    assert_eq!(health::silence(&heard, at(98 * 3_600), now), None, "Quell began to listen two hours ago");
    assert!(health::silence(&heard, at(96 * 3_600), now).is_some());
}

#[test]
fn a_case_is_told_who_was_blind_in_its_time() {
    let mut heard = every(1, 24);
    heard.extend((0..24).map(|n| 60 + n));
    let heard = hours(&heard);
    let gap = Silence { from: at(23 * 3_600), until: Some(at(60 * 3_600)) };
    let ask = |from: i64, to: i64| health::blind(&heard, at(0), at(from * 3_600), at(to * 3_600), at(84 * 3_600));
    for (from, to, blind) in [(30, 40, true), (10, 30, true), (55, 70, true), (23, 23, true), (61, 70, false), (0, 10, false)] {
        assert_eq!(ask(from, to), blind.then_some(Blind::Silent(gap)), "{from}..{to}");
    }
    let never = |made: i64| health::blind(&[], at(made), at(10), at(20), at(30));
    assert_eq!((never(5), never(25)), (Some(Blind::NeverHeard), None), "who was made later missed nothing");
}

#[test]
fn a_schema_changed_where_what_was_always_there_is_gone() {
    let known = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let table: Vec<(&[&str], &str, &[&str])> = vec![
        (&["readable native_id system"], "readable native_id system", &[]),
        (&["readable native_id system"], "readable name native_id system", &[]),
        (&["readable native_id system"], "readable system", &["native_id"]),
        (&["readable native_id system", "readable system"], "readable system", &[]),
        (&["readable native_id system", "readable system"], "readable native_id", &["system"]),
        (&["readable native_id"], UNREADABLE, &["readable", "native_id"]),
        (&["readable native_id", UNREADABLE], UNREADABLE, &[]),
        (&[], UNREADABLE, &[]),
    ];
    for (before, now, gone) in table {
        assert_eq!(health::lost(&known(before), now), gone, "{before:?} -> {now}");
    }
}
