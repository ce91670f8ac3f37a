//! Only a probe makes DEAD (invariant 5).

use proptest::prelude::*;
use quell_core::{
    proof::{Answer, Channel, Control, Exposure, Liveness, Observation, ProbeClass, Strength, judge, judge_round},
    time::{Timestamp, after, after_millis},
};

use crate::world::{at, at_ms};

const SETTLE_MS: i64 = 250;
const CLASSES: [ProbeClass; 6] =
    [ProbeClass::Login, ProbeClass::Read, ProbeClass::Listing, ProbeClass::Witness, ProbeClass::Clock, ProbeClass::Record];

fn control(class: ProbeClass, started_at: Timestamp) -> Control {
    Control { class, alive: true, started_at, what: "the control role".into() }
}

/// A perfect death, ten seconds after the act at second 0.
fn dead() -> Observation {
    Observation {
        class: ProbeClass::Login,
        started_at: at(10),
        ended_at: at_ms(10_020),
        vantage: "quell".into(),
        channel: Channel::TlsPinned,
        answer: Answer::Refused { code: "28000".into() },
        control: Some(control(ProbeClass::Login, at(10))),
        plane_clock: None,
        authoritative: true,
    }
}

fn check(name: &str, change: impl FnOnce(&mut Observation), liveness: Liveness, strength: Option<Strength>, reason: &str) {
    let mut seen = dead();
    change(&mut seen);
    let proved = judge(&seen, Some(at(0)), SETTLE_MS);
    assert_eq!((proved.liveness, proved.strength), (liveness, strength), "{name}: {}", proved.reason);
    assert!(proved.reason.contains(reason), "{name}: {}", proved.reason);
}

#[test]
fn death_needs_every_condition_and_life_none() {
    use Liveness::{Dead, Live, Unknown};
    check("everything is met", |_| {}, Dead, Some(Strength::Exercised), "28000");
    let read = |o: &mut Observation| {
        o.class = ProbeClass::Read;
        o.answer = Answer::Enforced { by: "rolcanlogin is false".into() };
        o.control = Some(control(ProbeClass::Read, at(10)));
    };
    check("the enforcing system was read", read, Dead, Some(Strength::Enforced), "rolcanlogin");
    check("over a Unix socket", |o| o.channel = Channel::UnixSocket, Dead, Some(Strength::Exercised), "28000");
    check("clear TCP", |o| o.channel = Channel::Unauthenticated, Unknown, None, "channel");
    check("a standby", |o| o.authoritative = false, Unknown, None, "not the one that enforces");
    check("no control", |o| o.control = None, Unknown, None, "no control");
    check("a dead control", |o| o.control.as_mut().unwrap().alive = false, Unknown, None, "control was not alive");
    check("a control of another class", |o| o.control = Some(control(ProbeClass::Read, at(10))), Unknown, None, "class");
    check("a control of an earlier round", |o| o.control = Some(control(ProbeClass::Login, at(-51))), Unknown, None, "same round");
    check("a control of a later round", |o| o.control = Some(control(ProbeClass::Login, at(71))), Unknown, None, "same round");
    check("no conclusion", |o| o.answer = Answer::Inconclusive { why: "timed out".into() }, Unknown, None, "timed out");
    check(
        "a directory says so",
        |o| o.answer = Answer::Recorded { by: "the directory".into() },
        Unknown,
        Some(Strength::Recorded),
        "not a proof",
    );
    let record = |o: &mut Observation| {
        o.class = ProbeClass::Record;
        o.control = Some(control(ProbeClass::Record, at(10)));
    };
    check("a record that calls itself a refusal", record, Unknown, None, "record");
    check("before the act", |o| o.started_at = at(-1), Unknown, None, "settle time");
    check("accepted", |o| o.answer = Answer::Usable, Live, Some(Strength::Exercised), "accepted");
    let life = |o: &mut Observation| {
        *o = Observation {
            answer: Answer::Usable,
            channel: Channel::Unauthenticated,
            control: None,
            authoritative: false,
            started_at: at(-99),
            ..o.clone()
        }
    };
    check("accepted over anything at any time", life, Live, Some(Strength::Exercised), "accepted");
}

#[test]
fn the_settle_time_ends_at_its_last_millisecond() {
    for (millis, liveness) in [(0, Liveness::Unknown), (249, Liveness::Unknown), (250, Liveness::Dead), (251, Liveness::Dead)] {
        let seen = Observation { started_at: at_ms(millis), control: Some(control(ProbeClass::Login, at_ms(millis))), ..dead() };
        assert_eq!(judge(&seen, Some(at(0)), SETTLE_MS).liveness, liveness, "{millis} ms after the act");
    }
}

/// The product of all conditions: dead exactly where every one of them is met.
#[test]
fn every_single_missing_condition_gives_unknown() {
    let mut dead_count = 0;
    for class in CLASSES {
        for channel in [Channel::TlsPinned, Channel::UnixSocket, Channel::Unauthenticated] {
            for authoritative in [true, false] {
                for settled in [true, false] {
                    for control_is in 0..5 {
                        for answer in [Answer::Refused { code: "28000".into() }, Answer::Enforced { by: "no login".into() }] {
                            let started_at = if settled { at_ms(SETTLE_MS) } else { at_ms(SETTLE_MS - 1) };
                            let other = if class == ProbeClass::Login { ProbeClass::Read } else { ProbeClass::Login };
                            let control = match control_is {
                                0 => Some(control(class, started_at)),
                                1 => None,
                                2 => Some(control(other, started_at)),
                                3 => Some(Control { alive: false, ..control(class, started_at) }),
                                _ => Some(control(class, after(started_at, -61))),
                            };
                            let whole = settled
                                && authoritative
                                && control_is == 0
                                && channel != Channel::Unauthenticated
                                && class != ProbeClass::Record;
                            let seen =
                                Observation { class, channel, authoritative, started_at, ended_at: started_at, control, answer, ..dead() };
                            let proved = judge(&seen, Some(at(0)), SETTLE_MS);
                            let expected = if whole { Liveness::Dead } else { Liveness::Unknown };
                            assert_eq!(proved.liveness, expected, "{seen:#?}: {}", proved.reason);
                            dead_count += u32::from(whole);
                        }
                    }
                }
            }
        }
    }
    assert_eq!(dead_count, 20, "five classes, two channels, two answers");
}

#[test]
fn an_expiry_counts_by_the_planes_clock_with_leeway() {
    let expiring = |clock: Option<i64>| Observation {
        class: ProbeClass::Clock,
        answer: Answer::ValidUntil { until: at(100), leeway_seconds: 30 },
        control: Some(control(ProbeClass::Clock, at(10))),
        plane_clock: clock.map(at),
        ..dead()
    };
    for (clock, liveness, residual) in [
        (None, Liveness::Unknown, Some(at(130))),
        (Some(99), Liveness::Unknown, Some(at(130))),
        (Some(101), Liveness::Unknown, Some(at(130))),
        (Some(130), Liveness::Unknown, Some(at(130))),
        (Some(131), Liveness::Dead, None),
    ] {
        let proved = judge(&expiring(clock), Some(at(0)), SETTLE_MS);
        assert_eq!((proved.liveness, proved.residual_until), (liveness, residual), "the plane's clock at {clock:?}");
    }
    // A date told by somebody who may not be the plane is no residual: DYING
    // counts as contained.
    let liars: [fn(&mut Observation); 5] = [
        |o| o.channel = Channel::Unauthenticated,
        |o| o.authoritative = false,
        |o| o.control = None,
        |o| o.control.as_mut().unwrap().alive = false,
        |o| o.class = ProbeClass::Record,
    ];
    for (n, lie) in liars.into_iter().enumerate() {
        for clock in [Some(50), Some(131)] {
            let mut seen = expiring(clock);
            lie(&mut seen);
            let proved = judge(&seen, Some(at(0)), SETTLE_MS);
            assert_eq!((proved.liveness, proved.residual_until), (Liveness::Unknown, None), "liar {n} at {clock:?}");
        }
    }
}

#[test]
fn one_accepted_use_outweighs_everything() {
    let live = Observation { answer: Answer::Usable, ..dead() };
    let unknown = Observation { answer: Answer::Inconclusive { why: "no answer".into() }, ..dead() };
    let read = Observation {
        class: ProbeClass::Read,
        answer: Answer::Enforced { by: "no login".into() },
        control: Some(control(ProbeClass::Read, at(10))),
        ..dead()
    };
    let pending = Observation {
        class: ProbeClass::Clock,
        answer: Answer::ValidUntil { until: at(99), leeway_seconds: 0 },
        control: Some(control(ProbeClass::Clock, at(10))),
        ..dead()
    };
    let table = [
        ("live beside two deaths", vec![dead(), read.clone(), live.clone()], Liveness::Live, Some(2)),
        ("the strongest death decides", vec![read.clone(), dead()], Liveness::Dead, Some(1)),
        ("one that cannot tell does not veto", vec![unknown.clone(), read.clone()], Liveness::Dead, Some(1)),
        ("an expiry ahead vetoes", vec![dead(), pending], Liveness::Unknown, Some(1)),
        ("nothing that can tell", vec![unknown.clone(), unknown], Liveness::Unknown, None),
        ("nothing was probed", vec![], Liveness::Unknown, None),
    ];
    for (name, round, liveness, decisive) in table {
        let (proved, by) = judge_round(&round, Some(at(0)), SETTLE_MS);
        assert_eq!((proved.liveness, by), (liveness, decisive), "{name}: {}", proved.reason);
    }
    let (proved, _) = judge_round(&[], Some(at(0)), SETTLE_MS);
    assert_eq!(proved.reason, "nothing was probed");
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let answer = prop_oneof![
        Just(Answer::Usable),
        Just(Answer::Refused { code: "28000".into() }),
        Just(Answer::Enforced { by: "no login".into() }),
        Just(Answer::Recorded { by: "a person".into() }),
        Just(Answer::Inconclusive { why: "no answer".into() }),
        (-200_i64..200, -10_i64..60).prop_map(|(s, leeway_seconds)| Answer::ValidUntil { until: at(s), leeway_seconds }),
    ];
    let class = prop::sample::select(CLASSES.to_vec());
    let channel = prop::sample::select(vec![Channel::TlsPinned, Channel::UnixSocket, Channel::Unauthenticated]);
    let control_of = prop::option::of((prop::sample::select(CLASSES.to_vec()), any::<bool>(), -200_i64..200));
    (answer, class, channel, control_of, any::<bool>(), -100_i64..100, prop::option::of(-200_i64..200)).prop_map(
        |(answer, class, channel, control_of, authoritative, started, clock)| Observation {
            class,
            started_at: at(started),
            ended_at: at(started),
            vantage: "quell".into(),
            channel,
            answer,
            control: control_of.map(|(class, alive, s)| Control { class, alive, started_at: at(s), what: "c".into() }),
            plane_clock: clock.map(at),
            authoritative,
        },
    )
}

proptest! {
    #[test]
    fn recorded_is_never_dead(mut seen in any_observation(), acted in prop::option::of(-100_i64..100)) {
        seen.answer = Answer::Recorded { by: "a person".into() };
        prop_assert_eq!(judge(&seen, acted.map(at), SETTLE_MS).liveness, Liveness::Unknown);
        seen.answer = Answer::Refused { code: "x".into() };
        seen.class = ProbeClass::Record;
        prop_assert_eq!(judge(&seen, acted.map(at), SETTLE_MS).liveness, Liveness::Unknown);
    }

    #[test]
    fn no_death_without_its_conditions_whatever_else_is_seen(round in prop::collection::vec(any_observation(), 0..5), acted in -100_i64..100) {
        let (proved, decisive) = judge_round(&round, Some(at(acted)), SETTLE_MS);
        let live = round.iter().any(|o| o.answer == Answer::Usable);
        prop_assert_eq!(proved.liveness == Liveness::Live, live, "one accepted use is life, and nothing else is");
        if proved.liveness == Liveness::Dead {
            let o = &round[decisive.expect("a death names its observation")];
            prop_assert!(o.started_at >= after_millis(at(acted), SETTLE_MS));
            prop_assert!(o.channel != Channel::Unauthenticated && o.authoritative && o.class != ProbeClass::Record);
            let control = o.control.as_ref().expect("a death has a control");
            prop_assert!(control.alive && control.class == o.class);
            prop_assert!(proved.strength >= Some(Strength::Enforced));
        } else {
            prop_assert!(proved.liveness == Liveness::Live || proved.strength.is_none_or(|s| s == Strength::Recorded));
        }
    }
}

#[test]
fn the_exposure_clock_never_runs_backwards() {
    let exposure = |until: Option<i64>| Exposure {
        from: at(0),
        from_basis: "event".into(),
        at_least_until: None,
        at_most_until: until.map(at),
        running: until.is_none(),
    };
    assert_eq!(exposure(Some(90)).seconds_at_most(at(500)), 90);
    assert_eq!(exposure(None).seconds_at_most(at(500)), 500);
    assert_eq!(exposure(None).seconds_at_most(at(-500)), 0, "a clock set back");
}
