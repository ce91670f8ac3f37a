//! Sessions of machines: the machine's own, and the stolen.

use quell_core::{
    inventory::Basis,
    trace::{Deed, Fact, LinkKind, Minted},
};

use super::*;

const MACHINE: &str = "i-0aaaabbbbccccdddd";
const OWN: &str = "203.0.113.5";

/// Two sessions for one machine, of one second, under one role and one name.
fn twins(clock: &str) -> [Fact; 2] {
    ["ASIALEFT", "ASIARIGHT"].map(|id| {
        let mut fact = assume(clock, KEY, id, MACHINE);
        fact.by = None;
        if let Some(Deed::Mint(minted)) = fact.deeds.first_mut() {
            minted.workload = Some(MACHINE.into());
        }
        fact
    })
}

/// A call with a machine's session.
fn machine_call(clock: &str, id: &str, from: &str, agent: bool) -> Fact {
    in_session(clock, id, MACHINE, "DescribeInstances").bearer(|b| {
        (b.workload, b.address, b.own_agent) = (Some(MACHINE.into()), Some(from.into()), agent);
    })
}

fn launch() -> Fact {
    call("03:00:00", KEY, "RunInstances").did(Deed::Launch(MACHINE.into()))
}

#[test]
fn of_two_sessions_of_one_second_the_stolen_one_is_told_by_key_and_address() {
    for (stolen, kept) in [("ASIALEFT", "ASIARIGHT"), ("ASIARIGHT", "ASIALEFT")] {
        let answer = tell(
            &[
                &[launch()][..],
                &twins("03:00:05"),
                &[machine_call("03:01:00", kept, OWN, true), machine_call("03:02:00", stolen, OFFICE, false)],
            ]
            .concat(),
        );
        let case = case(&answer);
        assert_eq!(ids(case), BTreeSet::from([KEY, stolen]));
        let link = link(case, stolen);
        assert_eq!((link.minted_from.as_deref(), link.basis), (Some(KEY), Basis::Observed));
        assert!(link.confidence < 95, "who holds it is inferred: {}", link.confidence);
        assert!(aside(case, kept).contains("the machine's own session"), "{}", aside(case, kept));
    }
}

#[test]
fn a_session_of_a_machine_that_nobody_used_is_the_machine_s_and_its_role_is_fenced() {
    let answer = tell(&[&[launch()][..], &twins("03:00:05")].concat());
    let case = case(&answer);
    assert_eq!(ids(case), BTreeSet::from([KEY]));
    assert!(aside(case, "ASIALEFT").contains("no use of it is seen"));
    assert!(case.plan.iter().any(|s| s.target == MACHINE && s.action.name() == "quarantine_workload"));
}

#[test]
fn without_an_issue_machine_and_address_together_join_with_less_confidence() {
    let with = tell(&[&[launch()][..], &twins("03:00:05"), &[machine_call("03:02:00", "ASIALEFT", OFFICE, false)]].concat());
    let without = tell(&[launch(), machine_call("03:02:00", "ASIALEFT", OFFICE, false)]);
    let (with, without) = (link(case(&with), "ASIALEFT").clone(), link(case(&without), "ASIALEFT").clone());
    assert_eq!((without.minted_from.as_deref(), without.basis), (Some(KEY), Basis::Possible));
    assert!(without.confidence < with.confidence);
}

#[test]
fn an_address_alone_never_decides() {
    // The key calls from the same address and never had the machine in hand.
    let grave = call("03:00:00", KEY, "GetSecretValue").did(Deed::Read("prod/db".into()));
    let answer = tell(&[&[grave][..], &twins("03:00:05"), &[machine_call("03:02:00", "ASIALEFT", OFFICE, false)]].concat());
    assert_eq!(answer.cases.len(), 2, "the machine's session is a matter of its own");
    let of_key = answer.cases.iter().find(|c| c.root.credential.as_deref() == Some(KEY)).expect("the key's case");
    assert_eq!(ids(of_key), BTreeSet::from([KEY]));
    let away = answer.cases.iter().find(|c| c.root.credential.as_deref() == Some("ASIALEFT")).expect("the session's case");
    assert!(link(away, "ASIALEFT").reasons[0].contains("used away from it"));
    assert!(link(away, "ASIALEFT").minted_from.is_none());

    // A role session that is no machine's, from the same address, joins nothing either.
    let answer = tell(&[assume("03:00:00", KEY, "ASIAONE", "job"), in_session("03:00:01", "ASIASTRAY", "elsewhere", "ListBuckets")]);
    assert_eq!(ids(case(&answer)), BTreeSet::from([KEY, "ASIAONE"]));
}

#[test]
fn a_machine_that_is_seen_from_one_place_alone_is_at_home_there() {
    let answer = tell(&[machine_call("03:02:00", "ASIALEFT", OWN, false), machine_call("03:03:00", "ASIALEFT", OWN, false)]);
    assert!(answer.cases.is_empty());
    // Another place, and one of the two is away.
    let answer = tell(&[machine_call("03:02:00", "ASIALEFT", OWN, true), machine_call("03:03:00", "ASIALEFT", "198.51.100.9", false)]);
    assert!(link(case(&answer), "ASIALEFT").reasons[0].contains("used away from it"));
}

#[test]
fn a_session_that_a_desk_s_tool_uses_is_away_from_its_machine() {
    let used = |desk: bool| machine_call("03:02:00", "ASIALEFT", OWN, false).bearer(|b| b.desk_tool = desk);
    assert!(tell(&[used(false)]).cases.is_empty());
    let answer = tell(&[used(true)]);
    assert!(link(case(&answer), "ASIALEFT").reasons[0].contains("used away from it"));
    assert!(case(&answer).plan.iter().any(|s| s.target == MACHINE && s.action.name() == "quarantine_workload"));
    let second = tell(&[machine_call("03:00:00", "ASIALEFT", OWN, true), machine_call("03:02:00", "ASIALEFT", OFFICE, false)]);
    assert!(link(case(&answer), "ASIALEFT").confidence < link(case(&second), "ASIALEFT").confidence, "a tool says less than a place");
}

#[test]
fn a_machine_in_hand_and_an_address_of_nobody_join_less_surely_than_an_address_of_the_hand() {
    let from = |address: &str| {
        let facts = [
            &[launch()][..],
            &twins("03:00:05"),
            &[machine_call("03:01:00", "ASIARIGHT", OWN, true), machine_call("03:02:00", "ASIALEFT", address, false)],
        ];
        let answer = tell(&facts.concat());
        let link = link(case(&answer), "ASIALEFT");
        (link.minted_from.clone(), link.basis, link.confidence)
    };
    let (near, far) = (from(OFFICE), from("198.51.100.9"));
    assert_eq!((near.0.as_deref(), near.1), (Some(KEY), Basis::Observed));
    assert_eq!((far.0.as_deref(), far.1), (Some(KEY), Basis::Possible));
    assert!(far.2 < 50 && near.2 > far.2);
}

#[test]
fn a_machine_that_was_commanded_is_in_hand_as_one_that_was_started() {
    let command = call("03:01:30", KEY, "SendCommand").did(Deed::Command(MACHINE.into()));
    let answer = tell(
        &[
            &[command][..],
            &twins("03:00:05"),
            &[machine_call("03:01:00", "ASIARIGHT", OWN, true), machine_call("03:02:00", "ASIALEFT", OFFICE, false)],
        ]
        .concat(),
    );
    assert_eq!(link(case(&answer), "ASIALEFT").minted_from.as_deref(), Some(KEY));
}

#[test]
fn what_a_plane_hands_to_its_own_service_is_nobody_s() {
    let mut handed = assume("03:00:00", KEY, "ASIALINKED", "scan");
    handed.by = None;
    if let Some(Deed::Mint(Minted { service, kind, .. })) = handed.deeds.first_mut() {
        (*service, *kind) = (Some("inspector2.amazonaws.com".into()), LinkKind::Session);
    }
    let answer = tell(&[assume("03:00:00", KEY, "ASIAONE", "job"), handed]);
    assert!(aside(case(&answer), "ASIALINKED").contains("inspector2"));
}

#[test]
fn what_a_service_keeps_and_somebody_uses_as_well_is_not_the_service_s_own() {
    let kept =
        call("03:00:00", "ASIALENT", "Decrypt").bearer(|b| (b.service, b.address) = (Some("secretsmanager.amazonaws.com".into()), None));
    let taken = call("03:01:00", "ASIALENT", "GetSecretValue").did(Deed::Read("prod/db".into()));
    for facts in [[kept.clone(), taken.clone()], [taken.clone(), kept.clone()]] {
        let answer = tell(&facts);
        assert_eq!(ids(case(&answer)), BTreeSet::from(["ASIALENT"]));
        assert_eq!(link(case(&answer), "ASIALENT").addresses, [OFFICE]);
    }
    assert!(tell(&[kept]).cases.is_empty());
}
