//! Two cases become one, and apart again: one row for each rule that refuses, and what carries over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quell_core::{
    approval::{self, Bench},
    case::Case,
    course::PlanState,
    decision::{Approvals, Role},
    event::{By, CaseClosed, CaseMerged, CaseMergedAway, Event, HoldPlaced, PlanLinked, PlanStarted, TargetLinked, TaskAdded},
    finding::Finding,
    hold::TargetState,
    id::{CaseId, FindingId, PlanId, StreamId, TargetId, TaskId},
    merge::{Events, Refused, merge, unmerge},
    people::{Installation, Limits},
    plan::PlanKind,
    respond::{self, Situation},
    signal::SignalKind,
    target::TargetKind,
};

use crate::world::{approval, at, enriched, finding, identity, password, person, plan, salter, target};

/// A case with its plans and targets, as events make it.
#[derive(Clone)]
struct Held {
    case: Case,
    plans: BTreeMap<PlanId, Arc<PlanState>>,
    targets: BTreeMap<TargetId, Arc<TargetState>>,
}

impl Held {
    /// A case that was opened at `minute` about `subject`.
    fn about(id: &str, minute: i64, subject: &str) -> Self {
        let whom = match subject {
            "billing" => identity(),
            other => target(TargetKind::Identity, other, other),
        };
        let mut first: Finding = finding(&format!("f-{id}"), "src-1");
        first.resolved.as_mut().expect("it names somebody").identity = whom;
        let opened = quell_core::event::CaseOpened { case: CaseId::new(id), finding: first, because: "nothing open".into() };
        Self { case: Case::opened(&opened, at(minute)), plans: BTreeMap::new(), targets: BTreeMap::new() }
    }

    fn then(mut self, minute: i64, event: impl Into<Event>) -> Self {
        self.case.apply(&event.into(), &By::Automation, at(minute));
        self
    }

    /// It holds the password of its subject.
    fn holding(mut self) -> Self {
        let placed = HoldPlaced {
            case: self.case.id.clone(),
            target: password(),
            credential_kind: None,
            before: None,
            leaked_was_right: false,
            seen_live_at: None,
        };
        let mut held = TargetState::default();
        held.apply(&placed.into(), at(1));
        self.targets.insert(password().id, Arc::new(held));
        let linked = TargetLinked { target: password(), credential_kind: None, because: "named".into() };
        self.then(1, enriched()).then(1, linked)
    }

    /// It has a plan, which waits or runs.
    fn planning(mut self, id: &str, runs: bool) -> Self {
        let mut made = plan();
        (made.id, made.case) = (PlanId::new(id), self.case.id.clone());
        let drafted = quell_core::event::PlanDrafted { digest: made.digest(), plan: made, preview: Default::default() };
        let mut state = PlanState::drafted(&drafted, &By::Automation, at(2));
        if runs {
            state.apply(&started().into(), &By::Automation, at(3));
        }
        self.plans.insert(PlanId::new(id), Arc::new(state));
        self.then(2, PlanLinked { plan: PlanId::new(id), kind: PlanKind::Contain })
    }

    fn with<T>(&self, ask: impl FnOnce(&Situation<'_>) -> T) -> T {
        let (approvals, installation, limits) = (BTreeMap::new(), Installation::default(), Limits::default());
        let (planes, acting) = (BTreeSet::from(["pg-main".to_owned()]), BTreeSet::new());
        ask(&Situation {
            case: &self.case,
            plans: &self.plans,
            targets: &self.targets,
            approvals: &approvals,
            installation: &installation,
            limits: &limits,
            planes: &planes,
            acting: &acting,
        })
    }

    /// Takes the events of its own streams; whoever holds a target is told by all of them.
    fn take(&mut self, events: &Events, minute: i64) {
        for (stream, event) in events {
            if *stream == StreamId::case(&self.case.id) {
                self.case.apply(event, &By::Automation, at(minute));
            }
            for (id, plan) in &mut self.plans {
                if *stream == StreamId::plan(id) {
                    Arc::make_mut(plan).apply(event, &By::Automation, at(minute));
                }
            }
        }
    }
}

fn started() -> PlanStarted {
    PlanStarted { ordered: false, approvals: vec![], gaps_accepted: None, closes_at: at(999) }
}

fn merged(from: &Held, into: &Held) -> Result<Events, Refused> {
    from.with(|f| into.with(|i| merge(f, i, &salter().commit("one incident"))))
}

fn parted(from: &Held, into: &Held) -> Result<Events, Refused> {
    from.with(|f| into.with(|i| unmerge(f, i, &salter().commit("two incidents"))))
}

fn closed(held: Held) -> Held {
    held.then(9, CaseClosed { note: None })
}

fn away(held: Held, into: &str) -> Held {
    held.then(9, CaseMergedAway { into: CaseId::new(into), reason: salter().commit("x") })
}

fn posture(mut held: Held) -> Held {
    held.case.findings.iter_mut().for_each(|f| f.kind = SignalKind::Posture);
    held
}

#[test]
fn every_rule_refuses_a_merge_and_says_the_next_move() {
    let (one, two) = (|| Held::about("C-1", 10, "billing"), || Held::about("C-2", 20, "payroll"));
    let table: Vec<(&str, Held, Held, &str)> = vec![
        ("itself", one(), one(), "cannot be merged into itself"),
        ("closed", closed(one()), two(), "case `C-1` is closed, and a closed case is not merged"),
        ("into a closed one", one(), closed(two()), "case `C-2` is closed"),
        ("merged already", away(one(), "C-3"), two(), "case `C-1` was merged into `C-3`"),
        ("into one that is gone", one(), away(two(), "C-3"), "name `C-3`"),
        ("posture", posture(one()), two(), "those stay apart"),
        ("executing", one().planning("p-1", true), two(), "plan `p-1` of case `C-1` is executing; wait until it ends"),
    ];
    for (name, from, into, why) in table {
        let refused = merged(&from, &into).expect_err(name).to_string();
        assert!(refused.contains(why), "{name}: {refused}");
    }
    assert!(merged(&one(), &two().planning("p-2", true)).is_ok(), "the one that stays may act");
}

#[test]
fn every_rule_refuses_an_unmerge_and_says_the_next_move() {
    let (one, two) = (|| Held::about("C-1", 10, "billing"), || Held::about("C-2", 20, "payroll"));
    let table: Vec<(&str, Held, Held, &str)> = vec![
        ("not merged", one(), two(), "was merged into no other case"),
        ("merged elsewhere", away(one(), "C-3"), two(), "was merged into no other case"),
        ("closed", away(one(), "C-2"), closed(two()), "case `C-2` is closed"),
        ("gone itself", away(one(), "C-2"), away(two(), "C-3"), "`quell case unmerge C-2` first"),
        ("executing", away(one(), "C-2"), two().planning("p-2", true), "plan `p-2` of case `C-2` is executing"),
    ];
    for (name, from, into, why) in table {
        let refused = parted(&from, &into).expect_err(name).to_string();
        assert!(refused.contains(why), "{name}: {refused}");
    }
}

#[test]
fn the_earlier_opening_counts_and_goes_back_with_the_case() {
    let (mut old, mut new) = (Held::about("C-1", 10, "billing"), Held::about("C-2", 20, "payroll"));
    let events = merged(&old, &new).expect("merged");
    old.take(&events, 30);
    new.take(&events, 30);
    assert_eq!(new.case.opened_at, at(10), "who became an approver in between approves nothing of it");
    let events = parted(&old, &new).expect("parted");
    new.take(&events, 40);
    assert_eq!(new.case.opened_at, at(20));
    // The other way round nothing becomes later.
    let (old, mut new) = (Held::about("C-1", 10, "billing"), Held::about("C-2", 5, "payroll"));
    new.take(&merged(&old, &new).expect("merged"), 30);
    assert_eq!(new.case.opened_at, at(5));
}

#[test]
fn a_yes_stays_with_the_digest_it_was_given_to() {
    let (mut from, mut into) = (Held::about("C-1", 10, "billing").planning("p-1", false), Held::about("C-2", 20, "payroll"));
    let before = from.plans[&PlanId::new("p-1")].clone();
    let yes = [approval("bea", Role::BusinessOwner, &before.plan)];
    let events = merged(&from, &into).expect("merged");
    from.take(&events, 30);
    into.take(&events, 30);
    assert!(!from.plans[&PlanId::new("p-1")].is_open(), "what waited is over");
    assert!(into.case.plans.is_empty(), "and is none of the other's plans");
    let anew = Held::about("C-2", 20, "payroll").planning("p-9", false).plans[&PlanId::new("p-9")].clone();
    let count = |digest: &str, plan: &PlanId| approval::count(&yes, plan, digest, &Bench::default(), at(11));
    assert_eq!(count(&before.digest, &before.plan.id), Approvals::from([(Role::BusinessOwner, 1)]));
    assert_eq!(count(&anew.digest, &anew.plan.id), Approvals::new(), "another digest, no yes");
}

#[test]
fn no_target_is_without_a_hold_at_any_moment_of_a_merge_or_of_its_end() {
    let (mut from, mut into) = (Held::about("C-1", 10, "billing").holding(), Held::about("C-2", 20, "payroll"));
    let mut held = TargetState::clone(&from.targets[&password().id]);
    let watch = |events: &Events, held: &mut TargetState| {
        for (_, event) in events.iter().filter(|(stream, _)| *stream == StreamId::target(&password().id)) {
            held.apply(event, at(30));
            assert!(!held.holds.is_empty(), "nobody holds it after {}", event.name());
            if let Event::HoldReleased(e) = event {
                assert!(!e.last);
            }
        }
    };
    let events = merged(&from, &into).expect("merged");
    watch(&events, &mut held);
    assert_eq!(held.holds, BTreeSet::from([CaseId::new("C-2")]));
    from.take(&events, 30);
    into.take(&events, 30);
    into.targets = BTreeMap::from([(password().id, Arc::new(held.clone()))]);
    let events = parted(&from, &into).expect("parted");
    watch(&events, &mut held);
    assert_eq!(held.holds, BTreeSet::from([CaseId::new("C-1")]), "it goes back to whose it was");
}

#[test]
fn what_a_case_knows_goes_along_and_comes_back_as_it_is_now() {
    let task = |n: u32, reviews| TaskAdded {
        task: TaskId::new(format!("task-{n}")),
        plan: Some(PlanId::new("p-1")),
        step: Some(1),
        owner: Role::Lead,
        what: "call".into(),
        text: None,
        reviews,
    };
    let of_a_plan = task(1, None);
    let review = task(2, Some(person("rosa")));
    let (mut from, mut into) =
        (Held::about("C-1", 10, "billing").holding().then(2, of_a_plan).then(3, review), Held::about("C-2", 20, "payroll"));
    let events = merged(&from, &into).expect("merged");
    from.take(&events, 30);
    into.take(&events, 30);
    let ids = |case: &Case| case.findings.iter().map(|f| f.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&into.case), [FindingId::new("f-C-2"), FindingId::new("f-C-1")]);
    assert_eq!(into.case.received[&FindingId::new("f-C-1")], at(10), "it came in when it came in");
    let plans: Vec<_> = into.case.tasks.iter().map(|t| t.added.plan.clone()).collect();
    assert_eq!(plans, [None, Some(PlanId::new("p-1"))], "what reviews a plan stays with it");
    assert_eq!(&into.case.linked, &from.case.linked);
    assert!(into.case.subjects[&identity().id].unseen.is_some(), "its plane is asked again");
    assert_eq!((from.case.is_open(), into.case.is_open()), (false, true));
    assert!(from.with(|s| respond::next(s, at(31)).moves.is_empty()), "a merged case does nothing by itself");
    assert!(into.with(|s| !respond::next(s, at(31)).moves.is_empty()), "the other one goes on with it");

    into.case.findings[1].count = 7;
    let events = parted(&from, &into).expect("parted");
    from.take(&events, 40);
    into.take(&events, 40);
    assert_eq!((ids(&from.case), from.case.findings[0].count), (vec![FindingId::new("f-C-1")], 7));
    assert_eq!(ids(&into.case), [FindingId::new("f-C-2")]);
    assert!(from.case.is_open() && into.case.linked.is_empty() && into.case.subjects.is_empty());
    assert!(into.case.merged[0].ended_at.is_some());
}

#[test]
fn what_was_done_is_not_planned_again_and_what_is_ordered_of_a_merged_case_is_refused() {
    let mut from = Held::about("C-1", 10, "billing").holding().planning("p-1", true);
    let mut into = Held::about("C-2", 20, "payroll");
    let ended = quell_core::event::PlanEnded { ended: "proved".into(), because: "all dead".into() };
    Arc::make_mut(from.plans.get_mut(&PlanId::new("p-1")).expect("a plan")).apply(&ended.into(), &By::Automation, at(5));
    let events = merged(&from, &into).expect("merged");
    from.take(&events, 30);
    into.take(&events, 30);
    assert_eq!(into.case.plans, [(PlanId::new("p-1"), PlanKind::Contain)]);
    let order = quell_core::case::Command::Close { note: None };
    let refused = quell_core::case::decide(&from.case, &from.targets, &from.plans, order, at(31)).expect_err("it is gone").to_string();
    assert!(refused.contains("order it there"), "{refused}");
    let twice = CaseMerged { from: CaseId::new("C-9"), opened_at: at(1), reason: salter().commit("x") };
    into.case.apply(&twice.into(), &By::Automation, at(32));
    let events = parted(&from, &into).expect("parted");
    into.take(&events, 40);
    assert_eq!((into.case.opened_at, into.case.plans.len()), (at(1), 0), "another merged case still counts");
}
