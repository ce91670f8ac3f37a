//! Ends that were recorded, expiries, and uses after them.

use proptest::prelude::*;
use quell_core::{
    proof::Liveness,
    trace::{Deed, Ended, Fact, LinkKind, Outcome},
};

use super::*;

fn tidies_up() -> [Fact; 3] {
    [
        call("03:00:00", KEY, "CreateAccessKey").did(minted("AKIADOOR", LinkKind::AccessKey, "arn:aws:iam::111111111111:user/door")),
        call("03:01:00", "AKIADOOR", "ListBuckets"),
        call("03:02:00", KEY, "DeleteAccessKey").did(ended("AKIADOOR")),
    ]
}

#[test]
fn an_intruder_who_deletes_its_own_key_has_contained_nothing() {
    let answer = tell(&tidies_up());
    let case = case(&answer);
    let door = link(case, "AKIADOOR");
    assert_eq!(door.liveness, Liveness::Unknown, "a record of an end is never a death");
    let end = door.ended.as_ref().expect("the end is told");
    assert_eq!((end.by.as_deref(), end.by_intruder, end.uses_after, end.at), (Some(KEY), true, 0, Some(at("03:02:00"))));
    assert_eq!(link(case, KEY).liveness, Liveness::Live, "the long-lived key goes on");
    let step = case.plan.iter().find(|s| s.target == "AKIADOOR").expect("it is made sure of");
    assert!(step.reason.contains("no containment") && step.reason.contains("prove it"), "{}", step.reason);
}

#[test]
fn a_use_after_a_recorded_end_is_counted_exactly_and_means_alive() {
    let mut facts = tidies_up().to_vec();
    // In the very second of the end nobody can say which came first: that is not after it.
    for (clock, outcome) in [
        ("03:01:59", Outcome::Done),
        ("03:02:00", Outcome::Done),
        ("03:02:01", Outcome::Done),
        ("03:05:00", Outcome::Refused),
        ("03:06:00", Outcome::Rejected),
    ] {
        facts.push(Fact { outcome, ..call(clock, "AKIADOOR", "ListBuckets") });
    }
    let answer = tell(&facts);
    let door = link(case(&answer), "AKIADOOR");
    // A refusal accepted the credential; a rejection did not.
    assert_eq!(door.ended.as_ref().map(|e| e.uses_after), Some(2));
    assert_eq!((door.liveness, door.uses), (Liveness::Live, 5));
    assert!(door.reasons.iter().any(|r| r.contains("used after it was recorded as ended")));
}

#[test]
fn uses_after_a_time_that_was_given_are_counted_for_every_link() {
    let facts = [
        assume("03:00:00", KEY, "ASIAONE", "job"),
        in_session("03:05:00", "ASIAONE", "job", "GetObject"),
        in_session("03:05:01", "ASIAONE", "job", "GetObject"),
        call("03:06:00", KEY, "ListBuckets"),
    ];
    let answer = tell_contained(&facts, Some(at("03:05:00")));
    let case_ = case(&answer);
    assert_eq!((link(case_, "ASIAONE").uses_after, link(case_, KEY).uses_after), (Some(1), Some(1)), "the moment itself is not after it");
    assert!(link(case(&tell(&facts)), KEY).uses_after.is_none(), "nobody asked");
}

#[test]
fn an_expiry_is_a_death_by_the_clock_of_its_own_system_alone() {
    let late = |system: &str| Fact { system: system.into(), ..call("09:00:00", "AKIAELSE", "ListBuckets") };
    let facts = |system: &str| [assume("03:00:00", KEY, "ASIAONE", "job"), late(system)];
    let dead = tell(&facts("aws:111111111111"));
    let link_ = link(case(&dead), "ASIAONE").clone();
    assert_eq!(link_.liveness, Liveness::Dead);
    assert!(case(&dead).plan.iter().all(|s| s.target != "ASIAONE"), "nothing is left to end");
    // A line in some other log, with whatever time it claims, ends nothing here.
    let alive = tell(&facts("ssh:host"));
    assert_eq!(link(case(&alive), "ASIAONE").liveness, Liveness::Live);
}

#[test]
fn a_use_after_an_expiry_says_that_it_lives() {
    let facts = [assume("03:00:00", KEY, "ASIAONE", "job"), in_session("04:00:00", "ASIAONE", "job", "GetObject")];
    let answer = tell(&facts);
    assert_eq!(link(case(&answer), "ASIAONE").liveness, Liveness::Live);
}

#[test]
fn ending_an_identity_or_its_sessions_reaches_what_began_before() {
    let user = "ada@corp.example";
    let session = |clock: &str, id: &str| {
        Fact { system: "okta".into(), ..call(clock, &format!("{user}#password"), "sign in") }
            .bearer(|b| (b.kind, b.identity) = (LinkKind::Password, Some(user.into())))
            .did(Deed::Mint(quell_core::trace::Minted {
                id: id.into(),
                kind: LinkKind::Session,
                identity: Some(user.into()),
                login: true,
                ..Default::default()
            }))
    };
    let grave = |clock: &str, id: &str| {
        Fact { system: "okta".into(), ..call(clock, id, "token") }.bearer(|b| b.identity = Some(user.into())).did(minted(
            &format!("token-of-{id}"),
            LinkKind::ApiKey,
            user,
        ))
    };
    let cleared = Fact { system: "okta".into(), by: None, ..call("03:10:00", "x", "clear") }.did(Deed::End(Ended::SessionsOf(user.into())));
    let answer = tell(&[session("03:00:00", "s1"), session("03:20:00", "s2"), grave("03:01:00", "s1"), grave("03:21:00", "s2"), cleared]);
    let case_ = case(&answer);
    assert_eq!((link(case_, "s1").liveness, link(case_, "s2").liveness), (Liveness::Unknown, Liveness::Live));
    assert_eq!(link(case_, "token-of-s1").liveness, Liveness::Live, "a key is no session");
    let gone = Fact { system: "okta".into(), by: None, ..call("03:30:00", "x", "deactivate") }.did(Deed::End(Ended::Identity(user.into())));
    let answer = tell(&[session("03:00:00", "s1"), grave("03:01:00", "s1"), gone]);
    assert!(case(&answer).chain.iter().all(|l| l.liveness == Liveness::Unknown));
}

proptest! {
    /// Whatever is recorded, only an expiry that has passed is ever called a death.
    #[test]
    fn unknown_is_never_dead(deeds in prop::collection::vec((0_u32..5, 0_u32..40), 1..30)) {
        let clock = |m: u32| format!("03:{m:02}:00");
        let mut facts = vec![call("02:59:00", KEY, "CreateAccessKey").did(minted("AKIADOOR", LinkKind::AccessKey, "door"))];
        for (what, minute) in deeds {
            facts.push(match what {
                0 => call(&clock(minute), KEY, "Delete").did(ended("AKIADOOR")),
                1 => call(&clock(minute), KEY, "DeleteUser").did(Deed::End(Ended::Identity("door".into()))),
                2 => call(&clock(minute), "AKIADOOR", "Use"),
                3 => assume(&clock(minute), "AKIADOOR", "ASIAX", "job"),
                _ => Fact { outcome: Outcome::Rejected, ..call(&clock(minute), "AKIADOOR", "Use") },
            });
        }
        let answer = tell(&facts);
        for link in answer.cases.iter().flat_map(|c| &c.chain).filter(|l| l.liveness == Liveness::Dead) {
            prop_assert!(link.expires_at.is_some_and(|e| answer.as_of.is_some_and(|now| now > e)), "{link:?}");
        }
    }
}
