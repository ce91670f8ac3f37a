//! A named person's yes to one digest (invariants 4 and 13).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quell_core::{
    approval::{Approval, Bench, Candidate, NotEligible, count, counted, eligible_role},
    decision::{Approvals, Role},
    id::PlanId,
};

use crate::world::{approval, at, person, plan};

fn check(name: &str, change: impl Fn(&mut Vec<Approval>), expected: &[(Role, u8)]) {
    check_on(&Bench::default(), name, change, expected);
}

fn check_on(bench: &Bench, name: &str, change: impl Fn(&mut Vec<Approval>), expected: &[(Role, u8)]) {
    let plan = plan();
    let mut given = vec![approval("ada", Role::Iam, &plan), approval("bob", Role::Secops, &plan)];
    change(&mut given);
    let counts = count(&given, &plan.id, &plan.digest(), bench, at(10));
    assert_eq!(counts, expected.iter().copied().collect::<Approvals>(), "{name}");
    let people: BTreeSet<_> = counted(&given, &plan.id, &plan.digest(), bench, at(10)).iter().map(|a| a.by.clone()).collect();
    assert_eq!(people.len(), usize::from(counts.values().sum::<u8>()), "{name}: people are counted, not clicks");
}

#[test]
fn only_people_who_said_yes_to_this_digest_count() {
    use Role::{Iam, Secops};
    let plan = plan();
    check("two people", |_| {}, &[(Iam, 1), (Secops, 1)]);
    check("one person in two roles", |g| g.push(approval("ada", Secops, &plan)), &[(Iam, 1), (Secops, 1)]);
    check("one person twice", |g| g.push(approval("ada", Iam, &plan)), &[(Iam, 1), (Secops, 1)]);
    check("a second of the same role", |g| g.push(approval("cid", Iam, &plan)), &[(Iam, 2), (Secops, 1)]);
    check("a stale digest", |g| g[0].digest = "0".repeat(64), &[(Secops, 1)]);
    check("another plan", |g| g[0].plan = PlanId::new("p-other"), &[(Secops, 1)]);
    check("it ended", |g| g[0].until = at(9), &[(Secops, 1)]);
    check("it ends now", |g| g[0].until = at(10), &[(Iam, 1), (Secops, 1)]);
    check("used by another plan", |g| g[0].used_by = Some(PlanId::new("p-other")), &[(Secops, 1)]);
    check("used by this plan", |g| g[0].used_by = Some(plan.id.clone()), &[(Iam, 1), (Secops, 1)]);
    check("contested beside one who is not", |g| g[0].contested = true, &[(Iam, 1), (Secops, 1)]);
    check("contested people alone", |g| g.iter_mut().for_each(|a| a.contested = true), &[]);
    let bench = |entangled: &[&str], contested: &[&str]| Bench {
        entangled: entangled.iter().map(|p| person(p)).collect(),
        contested: contested.iter().map(|p| person(p)).collect(),
    };
    check_on(&bench(&["ada"], &[]), "entangled since", |_| {}, &[(Secops, 1)]);
    check_on(&bench(&["bob"], &[]), "contested beside one who is entangled since", |g| g[0].contested = true, &[]);
    check_on(&bench(&[], &["ada"]), "contested since, beside one who is not", |_| {}, &[(Iam, 1), (Secops, 1)]);
    check_on(&bench(&[], &["ada", "bob"]), "both contested since", |_| {}, &[]);
    check("contested beside an ended one", |g| (g[0].contested, g[1].until) = (true, at(9)), &[]);
}

/// Somebody who held these roles before anything happened.
pub fn candidate(roles: &[Role]) -> Candidate {
    Candidate {
        id: person("ada"),
        roles: roles.iter().copied().collect(),
        since: roles.iter().map(|r| (*r, at(-3600))).collect::<BTreeMap<_, _>>(),
        entangled: false,
        contested: false,
        proposer: false,
        is_person: true,
    }
}

#[test]
fn the_right_person_counts_in_one_role_and_the_wrong_one_hears_why() {
    use Role::{Auditor, BusinessOwner, Iam, Lead, Secops};
    type Row = (&'static str, Candidate, Option<Role>, Result<Role, &'static str>);
    let with = |roles: &[Role], change: fn(&mut Candidate)| {
        let mut c = candidate(roles);
        change(&mut c);
        c
    };
    let late = |c: &mut Candidate| {
        c.since.insert(Role::Iam, at(1));
    };
    let table: Vec<Row> = vec![
        ("the wanted role", candidate(&[Lead, Iam]), None, Ok(Iam)),
        ("any approver role, where none is wanted", candidate(&[Auditor, Secops]), None, Ok(Secops)),
        ("as asked", candidate(&[Iam, Secops]), Some(Secops), Ok(Secops)),
        ("a role they do not hold", candidate(&[Iam]), Some(BusinessOwner), Err("you do not hold")),
        ("a role that approves nothing", candidate(&[Auditor]), Some(Auditor), Err("you do not hold")),
        ("no approver role at all", candidate(&[Auditor]), None, Err("you do not hold")),
        ("a machine token", with(&[Iam], |c| c.is_person = false), None, Err("machine token")),
        ("a subject of the case", with(&[Iam], |c| c.entangled = true), None, Err("deputy")),
        ("the proposer", with(&[Iam], |c| c.proposer = true), None, Err("somebody else")),
        ("authority gained after the earliest sign", with(&[Iam], late), None, Err("after the earliest sign")),
        ("gained too late, and another in time", with(&[Iam, Secops], late), None, Ok(Secops)),
        ("gained too late, asked for by name", with(&[Iam, Secops], late), Some(Iam), Err("after the earliest sign")),
        ("nobody knows since when", with(&[Iam], |c| c.since.clear()), None, Err("after the earliest sign")),
    ];
    let wanted = Approvals::from([(Iam, 1)]);
    for (name, who, as_role, expected) in table {
        match (eligible_role(&who, as_role, &wanted, at(0)), expected) {
            (Ok(role), Ok(want)) => assert_eq!(role, want, "{name}"),
            (Err(why), Err(part)) => assert!(why.to_string().contains(part), "{name}: {why}"),
            (found, want) => panic!("{name}: {found:?}, wanted {want:?}"),
        }
    }
}

#[test]
fn a_stale_digest_names_both_and_the_next_move() {
    let text = NotEligible::StaleDigest { current: "aa".into(), given: "bb".into() }.to_string();
    assert!(text.contains("`aa`") && text.contains("`bb`") && text.contains("quell case show"), "{text}");
}

proptest! {
    #[test]
    fn nobody_is_ever_two_people(picks in prop::collection::vec((0_u8..4, 0_usize..6, any::<bool>(), any::<bool>(), 0_i64..20), 0..20)) {
        let plan = plan();
        let given: Vec<Approval> = picks
            .iter()
            .map(|(who, role, contested, stale, until)| {
                let mut a = approval(&format!("person{who}"), Role::APPROVERS[*role], &plan);
                a.contested = *contested;
                a.until = at(*until);
                if *stale {
                    a.digest = "other".into();
                }
                a
            })
            .collect();
        let digest = plan.digest();
        let counts = count(&given, &plan.id, &digest, &Bench::default(), at(10));
        let total: usize = counts.values().map(|n| usize::from(*n)).sum();
        let valid: Vec<&Approval> = given.iter().filter(|a| a.digest == digest && a.until >= at(10)).collect();
        let people: BTreeSet<_> = valid.iter().map(|a| &a.by).collect();
        prop_assert!(total <= people.len());
        if valid.iter().all(|a| a.contested) {
            prop_assert_eq!(total, 0, "contested people alone are nobody");
        } else {
            prop_assert_eq!(total, people.len());
        }
    }
}
