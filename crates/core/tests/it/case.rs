//! A case closes only when every subject is where it must be (invariant 8).

use std::{collections::BTreeMap, sync::Arc};

use quell_core::{
    case::{Case, Command, Refused, decide},
    course::PlanState,
    decision::Role,
    event::{
        By, CaseEnriched, CaseReopened, Consumer, Event, FindingAttached, PeopleAsked, PlanDrafted, Preview, RestAccepted, Stage,
        StepEnded, Verdict, VerdictGiven,
    },
    finding::Outcome,
    hold::TargetState,
    id::{FindingId, PlanId, TargetId},
    plan::Plan,
    proof::{Answer, Life},
    signal::ObservedFrom,
    target::Target,
    time::Timestamp,
};

use crate::{
    drive::World,
    hold::round,
    world::{at, case_id, enriched, failover, finding, opened, password, person, salter, session},
};

fn case() -> Case {
    let mut case = Case::opened(&opened(finding("f-1", "src-a")), at(0));
    case.apply(&Event::CaseEnriched(enriched()), &By::Automation, at(1));
    case
}

fn lived(of: Target, life: Life) -> (TargetId, TargetState) {
    let id = of.id.clone();
    (id, TargetState { target: Some(of), life: Some(life), ..TargetState::default() })
}

fn end(case: &mut Case, outcome: Outcome) {
    case.findings[0].outcome = Some(outcome);
}

/// So many plans that have not ended.
fn open(count: usize) -> BTreeMap<PlanId, Arc<PlanState>> {
    let drafted = |n: usize| {
        let plan = Plan { id: PlanId::new(format!("p-{n}")), ..crate::drive::World::new().drafting.contain() };
        let drafted = PlanDrafted { digest: plan.digest(), plan, preview: Preview::default() };
        (drafted.plan.id.clone(), PlanState::drafted(&drafted, &By::Automation, at(1)).into())
    };
    (0..count).map(drafted).collect()
}

fn check(name: &str, change: impl FnOnce(&mut Case, &mut BTreeMap<TargetId, TargetState>), open_plans: usize, expected: Result<(), &str>) {
    let mut case = case();
    let mut targets = BTreeMap::from([lived(password(), Life::Dead), lived(session(1), Life::Dead)]);
    change(&mut case, &mut targets);
    match (
        decide(
            &case,
            &targets.into_iter().map(|(id, t)| (id, t.into())).collect(),
            &open(open_plans),
            Command::Close { note: None },
            at(100),
        ),
        expected,
    ) {
        (Ok(events), Ok(())) => assert!(matches!(events[..], [Event::CaseClosed(_)]), "{name}"),
        (Err(why @ Refused::StillOpen { .. }), Err(part)) => {
            assert!(why.to_string().contains(part) && why.to_string().contains("or accept the rest"), "{name}: {why}");
        }
        (found, expected) => panic!("{name}: {found:?}, wanted {expected:?}"),
    }
}

#[test]
fn a_case_closes_only_in_the_proved_end_state_or_with_an_outcome() {
    let life = |l: Life| move |_: &mut Case, t: &mut BTreeMap<TargetId, TargetState>| t.extend([lived(password(), l)]);
    check("everything is dead", |_, _| {}, 0, Ok(()));
    check("a plan is open", |_, _| {}, 1, Err("1 plan(s) have not ended"));
    check("dying with a date", life(Life::Dying), 0, Ok(()));
    check("restored", life(Life::Restored), 0, Ok(()));
    check("alive", life(Life::Live), 0, Err("credential `pg-main/billing_app#password` is LIVE"));
    check("unknown", life(Life::Unknown), 0, Err("is UNKNOWN"));
    check("acted on and not proved", life(Life::Containing), 0, Err("is CONTAINING"));
    check("never looked at", |_, t| drop(t.remove(&password().id)), 0, Err("is UNKNOWN"));
    check("a session lives", |_, t| t.extend([lived(session(1), Life::Live)]), 0, Err("session `pg-main/pid:1@1` is LIVE"));
    let accept = |until| {
        move |c: &mut Case, t: &mut BTreeMap<TargetId, TargetState>| {
            t.extend([lived(session(1), Life::Live)]);
            let rest = RestAccepted { target: session(1).id, until: at(until), reason: salter().commit("r") };
            c.apply(&Event::RestAccepted(rest), &By::Person(person("ada")), at(50));
        }
    };
    check("the rest is accepted", accept(101), 0, Ok(()));
    check("the acceptance ended", accept(100), 0, Err("LIVE"));
    check("a false positive", |c, t| (end(c, Outcome::FalsePositive), t.clear()).1, 0, Ok(()));
    check("a false positive and an open plan", |c, _| end(c, Outcome::FalsePositive), 2, Err("2 plan(s)"));
    check("`contained` is not a word that contains", |c, t| (end(c, Outcome::Contained), t.clear()).1, 0, Err("is UNKNOWN"));
    check("a risk accepted until later", |c, t| (end(c, Outcome::AcceptedRisk { until: at(101) }), t.clear()).1, 0, Ok(()));
    check("a risk whose acceptance ended", |c, t| (end(c, Outcome::AcceptedRisk { until: at(100) }), t.clear()).1, 0, Err("UNKNOWN"));
    check(
        "no credential was looked at",
        |c, t| (c.linked.clear(), t.clear()).1,
        0,
        Err("no credential of `pg-main/billing_app` was looked at"),
    );
    let nobody = |c: &mut Case, _: &mut BTreeMap<TargetId, TargetState>| {
        let mut f = finding("f-2", "src-b");
        f.resolved = None;
        c.apply(
            &Event::FindingAttached(FindingAttached { finding: f, because: "same secret".into(), received_at: None }),
            &By::Automation,
            at(2),
        );
    };
    check("a finding names nobody", nobody, 0, Err("finding `f-2` names nobody"));
    // A second identity of which the plane said nothing: what is contained of the first says nothing of it.
    let unlooked = |c: &mut Case, _: &mut BTreeMap<TargetId, TargetState>| {
        let mut f = finding("f-2", "src-b");
        f.resolved.as_mut().expect("resolved").identity = crate::world::target(quell_core::target::TargetKind::Identity, "other", "other");
        c.apply(
            &Event::FindingAttached(FindingAttached { finding: f, because: "same secret".into(), received_at: None }),
            &By::Automation,
            at(2),
        );
    };
    check("another subject was never looked at", unlooked, 0, Err("no credential of `pg-main/other` was looked at"));
}

#[test]
fn every_refusal_says_the_next_move() {
    let mut closed = case();
    closed.closed_at = Some(at(5));
    let none = BTreeMap::new();
    let accept = |until: Timestamp, target| Command::Accept { target, until, reason: salter().commit("r") };
    let risk = |until| Command::EndFinding { finding: FindingId::new("f-1"), outcome: Outcome::AcceptedRisk { until }, evidence: None };
    let verdict = |role| Command::GiveVerdict { role, verdict: Verdict::Malicious, evidence: None };
    let table: Vec<(&str, Case, Command, &str)> = vec![
        ("closed", closed.clone(), Command::TakeLead { person: person("ada") }, "reopen it first"),
        ("not closed", case(), Command::Reopen { because: "b".into() }, "is not closed"),
        ("accept without an end", case(), accept(at(100), password().id), "an end in the future"),
        ("accept a risk without an end", case(), risk(at(100)), "an end in the future"),
        ("accept what is not there", case(), accept(at(101), TargetId::new("t-x")), "quell case show"),
        (
            "an unknown finding",
            case(),
            Command::EndFinding { finding: FindingId::new("f-9"), outcome: Outcome::Expected, evidence: None },
            "`f-9`",
        ),
        ("a verdict of nobody", case(), verdict(Role::Admin), "gives no verdict"),
    ];
    for (name, case, command, part) in table {
        let why = decide(&case, &none, &open(0), command, at(100)).expect_err(name).to_string();
        assert!(why.contains(part), "{name}: {why}");
    }
    for role in [Role::Iam, Role::Secops, Role::BusinessOwner] {
        assert!(decide(&case(), &none, &open(0), verdict(role), at(100)).is_ok());
    }
    assert!(decide(&closed, &none, &open(0), Command::Note { text: salter().commit("n") }, at(100)).is_ok(), "a note is always taken");
    assert!(decide(&case(), &none, &open(0), risk(at(101)), at(100)).is_ok());
}

#[test]
fn a_case_keeps_every_stage_and_never_goes_back_by_itself() {
    let mut case = case();
    let stage = |c: &Case, d, a, p, r| quell_core::case::stage_of(c, d, a, p, r).map(|s| s.stage);
    assert_eq!(stage(&case, false, false, false, false), Some(Stage::Triaged));
    assert_eq!(stage(&case, true, true, false, false), Some(Stage::Triaged), "one stage at a time, so that each entry time is kept");
    for (s, t) in [(Stage::Triaged, 2), (Stage::Acted, 3), (Stage::Proven, 4)] {
        case.apply(&Event::CaseAdvanced(quell_core::event::CaseAdvanced { stage: s }), &By::Automation, at(t));
    }
    assert_eq!(stage(&case, true, true, false, false), None, "it does not go back");
    case.apply(&Event::CaseClosed(quell_core::event::CaseClosed { note: None }), &By::Automation, at(5));
    assert!(!case.is_open() && stage(&case, true, true, true, true).is_none());
    case.apply(&Event::CaseReopened(CaseReopened { because: "again".into() }), &By::Automation, at(6));
    assert!(case.is_open() && case.stage() == Stage::Triaged, "reopening is an event");
    assert_eq!(case.stages.len(), 6);
}

#[test]
fn only_the_last_word_of_security_operations_is_their_verdict() {
    let mut case = case();
    let mut say = |role, verdict| {
        case.apply(&Event::VerdictGiven(VerdictGiven { role, verdict, evidence: None }), &By::Automation, at(9));
        case.is_not_malicious()
    };
    assert!(!say(Role::Iam, Verdict::NotMalicious), "it is not theirs to say");
    assert!(say(Role::Secops, Verdict::NotMalicious));
    assert!(say(Role::BusinessOwner, Verdict::NotExpected));
    assert!(!say(Role::Secops, Verdict::Malicious), "revised");
}

#[test]
fn what_was_not_looked_at_is_never_silent() {
    let mut case = case();
    assert_eq!(case.not_looked_at(), ["consumers that nobody declared: unknown"]);
    let gap = || "replication slots".to_owned();
    let other = quell_core::target::TargetKind::Identity;
    for (native, dependents) in [("billing_app", Some(0)), ("payroll", Some(2))] {
        let looked =
            CaseEnriched { identity: crate::world::target(other, native, native), not_looked_at: vec![gap()], dependents, ..enriched() };
        case.apply(&Event::CaseEnriched(looked), &By::Automation, at(2));
    }
    assert_eq!(case.not_looked_at(), [gap()], "each once, and a declared 0 is no unknown");
}

#[test]
fn the_exposure_begins_at_the_earliest_sign_and_says_whose_clock_that_is() {
    let mut case = case();
    let mut held = lived(password(), Life::Live).1;
    let found = case.exposure(&held);
    assert_eq!((found.from, found.from_basis.as_str(), found.running), (at(-60), "event", true));
    case.findings[0].first_at_from = ObservedFrom::Received;
    held.probed(round(Answer::Usable, 10));
    held.probed(round(Answer::Enforced { by: "no login".into() }, 20));
    let found = case.exposure(&held);
    assert_eq!(
        (found.from_basis.as_str(), found.at_least_until, found.at_most_until, found.running),
        ("received", Some(at(10)), Some(at(20)), false)
    );
    held.probed(round(Answer::Usable, 30));
    assert!(case.exposure(&held).running, "it lives again, and the clock runs");
    case.findings[0].containment_evidence = true;
    assert_eq!(case.exposure(&held).from, at(0), "evidence of containment is no sign");
}

#[test]
fn two_plans_of_one_case_ask_their_own_people() {
    let mut case = case();
    for plan in ["p-1", "p-2"] {
        let asked = PeopleAsked {
            plan: PlanId::new(plan),
            wanted: [(Role::Iam, 1)].into(),
            roles: vec![Role::Iam],
            people: vec![],
            deadline: at(60),
            at_timeout: "x".into(),
            passed_over: vec![],
            escalation: 0,
        };
        case.apply(&Event::PeopleAsked(asked), &By::Automation, at(2));
    }
    assert_eq!(case.asked.len(), 2, "the second question does not unask the first");
    assert_eq!(case.id, case_id());
}

#[test]
fn whom_one_sender_alone_names_is_contested_and_whom_two_name_is_a_subject() {
    let ida = person("ida");
    for (name, possession, senders, contested) in [
        ("one sender, an identifier alone", false, &["src-a"][..], true),
        ("the alert carried the secret", true, &["src-a"], false),
        ("a second sender says so", false, &["src-a", "src-b"], false),
    ] {
        let mut found = finding("f-1", "src-a");
        found.senders = senders.iter().map(|s| quell_core::id::SourceId::new(*s)).collect();
        if let Some(resolved) = &mut found.resolved {
            resolved.possession = possession;
        }
        let mut case = Case::opened(&opened(found), at(0));
        case.apply(
            &Event::CaseEnriched(quell_core::event::CaseEnriched { entangled: vec![ida.clone()], ..enriched() }),
            &By::Automation,
            at(1),
        );
        let bench = case.bench();
        assert_eq!((bench.contested.contains(&ida), bench.entangled.contains(&ida)), (contested, !contested), "{name}");
    }
}

#[test]
fn whoever_alone_could_still_say_yes_is_protected() {
    let people = |rows: &[(&str, Role, bool)]| -> Vec<quell_core::people::Person> {
        let made = |(name, role, disabled): &(&str, Role, bool)| {
            let created = quell_core::event::PersonCreated {
                person: person(name),
                name: salter().commit(*name),
                email: None,
                roles: vec![*role],
                human: true,
                name_key: (*name).into(),
                email_key: None,
                password: None,
            };
            quell_core::people::Person { disabled: *disabled, ..quell_core::people::Person::created(&created, at(0)) }
        };
        rows.iter().map(made).collect()
    };
    let last = |rows: &[(&str, Role, bool)]| quell_core::people::last_approver(&people(rows), &[person("ida")]);
    assert_eq!(last(&[("ida", Role::Iam, false), ("sam", Role::Secops, false)]), Some(Role::Iam));
    assert_eq!(last(&[("ida", Role::Iam, false), ("ian", Role::Iam, false)]), None, "another one is left");
    assert_eq!(last(&[("ida", Role::Iam, false), ("ian", Role::Iam, true)]), Some(Role::Iam), "who is disabled says nothing");
    assert_eq!(last(&[("ida", Role::Auditor, false)]), None, "an auditor approves nothing");
    assert_eq!(last(&[("sam", Role::Secops, false)]), None);
}

#[test]
fn what_quell_issued_and_proved_keeps_no_case_open() {
    let closes = |world: &World| decide(&world.case, &world.targets, &world.plans, Command::Close { note: None }, world.now);
    let mut world = World::new();
    world.drafting.subject.rotation = failover();
    world.drafting.subject.consumers = vec![Consumer { name: salter().commit("job"), criticality: None, reads_from: None }];
    world.run(600);
    assert!(world.targets.values().any(|t| t.life == Some(Life::Live)), "its consumer lives by it: {:?}", world.told);
    assert!(closes(&world).is_ok(), "{:?}", closes(&world));

    // Had nobody seen its consumer with it, nobody would know who has it.
    let plan = world.only_plan().plan.id.clone();
    world.on_plan(&plan, StepEnded { step: 1, ended: "handed_over".into(), because: "not seen in use".into() });
    let why = closes(&world).expect_err("it is not proved").to_string();
    assert!(why.contains("is LIVE"), "{why}");
}
