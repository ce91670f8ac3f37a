//! What people approve: one digest over everything execution may rest on (invariant 4).

use std::collections::BTreeMap;

use proptest::prelude::*;
use quell_core::{
    action::{Action, Reversible},
    course::PlanState,
    decision::Role,
    event::{By, Event, PlanDrafted, Preview, Recorded, decode, encode},
    id::{CaseId, PlanId, StreamId, TargetId},
    plan::{Edge, OnTimeout, Parent, Plan, PlanKind, Proves, Selector, Tier, UndoMode, Until},
    target::TargetKind,
};

use crate::world::{Drafting, at, failover, identity, plan, plan_id, session};

type Change = fn(&mut Plan);

/// Every field that the digest covers, changed once.
const CHANGES: &[(&str, Change)] = &[
    ("id", |p| p.id = PlanId::new("p-other")),
    ("case", |p| p.case = CaseId::new("C-other")),
    ("kind", |p| p.kind = PlanKind::Amendment),
    ("parent", |p| p.parent = Some(Parent { plan: PlanId::new("p-0"), digest: "d".into() })),
    ("tier", |p| p.tier = Tier::Restrict),
    ("roots", |p| p.roots.push(session(9))),
    ("gaps", |p| p.gaps.push("a gap".into())),
    ("failover", |p| p.failover = !p.failover),
    ("undo", |p| p.undo = Some(UndoMode::Restore)),
    ("on_timeout", |p| p.on_timeout = OnTimeout::Deny),
    ("valid_seconds", |p| p.valid_seconds += 1),
    ("a step more", |p| p.steps.push(p.steps[0].clone())),
    ("a step less", |p| drop(p.steps.pop())),
    ("step n", |p| p.steps[0].n = 9),
    ("step action", |p| p.steps[0].action = Action::RetireIdentity),
    ("step plane endpoint", |p| p.steps[0].plane.endpoint = "evil:5432".into()),
    ("step plane configuration", |p| p.steps[0].plane.config_digest = "c1".into()),
    ("step plane name", |p| p.steps[0].plane.connector = "pg-other".into()),
    ("step plane settle", |p| p.steps[0].plane.settle_ms = 1),
    ("step selector", |p| p.steps[0].selector = Selector::Every { kind: TargetKind::Identity, identity: identity() }),
    ("step bounds kinds", |p| {
        p.steps[0].bounds.kinds.insert(TargetKind::Session);
    }),
    ("step bounds planes", |p| {
        p.steps[0].bounds.planes.insert("pg-other".into());
    }),
    ("step bounds identities", |p| {
        p.steps[0].bounds.identities.insert(TargetId::new("t-x"));
    }),
    ("step bounds count", |p| p.steps[0].bounds.count_max += 1),
    ("step bounds reversibility", |p| p.steps[0].bounds.reversible_min = Reversible::No),
    ("step bounds residual", |p| p.steps[0].bounds.residual_seconds_max = 60),
    ("step edges", |p| p.steps[1].after.push(Edge { step: 1, until: Until::AfterProof, hard: true })),
    ("an edge's end", |p| p.steps[1].after[0].until = Until::AfterSettle),
    ("an edge's hardness", |p| p.steps[1].after[0].hard = false),
    ("step proves", |p| p.steps[0].proves = Proves::Nothing),
    ("step reversible", |p| p.steps[0].reversible = Reversible::No),
    ("step undo", |p| p.steps[0].undo = "never".into()),
    ("step survives", |p| p.steps[0].survives.push("tickets".into())),
    ("step fallback owner", |p| p.steps[0].fallback.owner = Role::Admin),
    ("step fallback exception", |p| p.steps[0].fallback.exception_by = Role::Admin),
    ("step fallback task", |p| p.steps[0].fallback.task = "nothing".into()),
    ("step fallback tries", |p| p.steps[0].fallback.attempts_max = 99),
    ("step deadline of an attempt", |p| p.steps[0].attempt_seconds = 99),
    ("step deadline of the proof", |p| p.steps[0].proof_seconds = 99),
    ("step parameters", |p| drop(p.steps[0].parameters.insert("twin".into(), "intruder".into()))),
];

#[test]
fn every_change_of_a_plan_is_another_digest() {
    let mut seen = BTreeMap::from([(plan().digest(), "the plan itself")]);
    for (name, change) in CHANGES {
        let mut changed = plan();
        change(&mut changed);
        if let Some(same) = seen.insert(changed.digest(), name) {
            panic!("`{name}` has the digest of `{same}`");
        }
    }
}

/// The table above names every field: a new one shows here.
#[test]
fn the_table_of_changes_knows_every_field() {
    let keys = |v: &serde_json::Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let value = serde_json::to_value(plan()).unwrap();
    let mut fields = keys(&value);
    fields.sort();
    let known = ["case", "failover", "gaps", "id", "kind", "on_timeout", "parent", "roots", "steps", "tier", "undo", "valid_seconds"];
    assert_eq!(fields, known);
    let mut fields = keys(&value["steps"][0]);
    fields.sort();
    let known = [
        "action",
        "after",
        "attempt_seconds",
        "bounds",
        "effective",
        "fallback",
        "n",
        "parameters",
        "plane",
        "proof_seconds",
        "proves",
        "reversible",
        "selector",
        "survives",
        "undo",
    ];
    assert_eq!(fields, known);
}

fn recorded(plan: &Plan, preview: Preview, second: i64) -> Recorded {
    let event = PlanDrafted { plan: plan.clone(), digest: plan.digest(), preview };
    let stream = StreamId::plan(&plan.id);
    Recorded { stream, version: 1, prev: None, at: at(second), by: By::Automation, cause: None, event: Event::PlanDrafted(event) }
}

#[test]
fn the_digest_outlives_the_ledger_and_erasure() {
    let plan =
        Drafting { subject: quell_core::event::CaseEnriched { rotation: failover(), ..crate::world::enriched() }, ..Drafting::default() }
            .contain();
    let (bytes, disclosed) = encode(&recorded(&plan, Preview::default(), 0)).unwrap();
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("\"salt\""));
    let all: BTreeMap<_, _> = disclosed.into_iter().map(|d| (d.commitment.clone(), d)).collect();
    for (name, known) in [("whole", all), ("erased", BTreeMap::new())] {
        let Event::PlanDrafted(read) = decode(&bytes, &known).unwrap().event else { panic!("another event") };
        assert_eq!(read.plan.digest(), plan.digest(), "{name}");
        assert_eq!(read.digest, plan.digest(), "{name}");
    }
}

#[test]
fn previews_and_times_are_not_under_the_digest() {
    let preview =
        Preview { targets: BTreeMap::from([(1, vec![identity()])]), changed_since: vec!["its limit".into()], ..Preview::default() };
    let states: Vec<PlanState> = [(Preview::default(), 0), (preview, 500)]
        .into_iter()
        .map(|(preview, second)| match recorded(&plan(), preview, second).event {
            Event::PlanDrafted(e) => PlanState::drafted(&e, &By::Automation, at(second)),
            _ => panic!("another event"),
        })
        .collect();
    assert_ne!(states[0].preview, states[1].preview);
    assert_eq!(states[0].digest, states[1].digest);
}

#[test]
fn a_plan_that_goes_forward_is_not_well_formed() {
    let edge = |step| Edge { step, until: Until::AfterAct, hard: true };
    let table: [(&str, Change, bool); 5] = [
        ("as drafted", |_| {}, true),
        ("numbers with a hole", |p| p.steps[1].n = 7, false),
        ("on itself", |p| p.steps[0].after.push(Edge { step: 1, until: Until::AfterAct, hard: true }), false),
        ("on a later one", |p| p.steps[0].after.push(Edge { step: 2, until: Until::AfterAct, hard: true }), false),
        ("on nothing", |p| p.steps[0].after.push(Edge { step: 0, until: Until::AfterAct, hard: true }), false),
    ];
    for (name, change, fine) in table {
        let mut plan = plan();
        change(&mut plan);
        assert_eq!(plan.is_well_formed(), fine, "{name}");
    }
    assert_eq!(edge(1).step, 1);
}

proptest! {
    #[test]
    fn two_changes_never_cancel_out(a in 0..CHANGES.len(), b in 0..CHANGES.len()) {
        let mut once = plan();
        CHANGES[a].1(&mut once);
        let mut twice = once.clone();
        // A change that removes a step may leave nothing for the second to change.
        prop_assume!(twice.steps.len() > 1 && !twice.steps[1].after.is_empty());
        CHANGES[b].1(&mut twice);
        prop_assert_eq!(once == twice, once.digest() == twice.digest());
        // The same change twice may undo itself; what is another plan has another digest.
        prop_assert_eq!(twice == plan(), twice.digest() == plan().digest());
    }

    #[test]
    fn every_plan_survives_json(possession in any::<bool>(), sweep in any::<bool>()) {
        let plan = Drafting { possession, kind: if sweep { PlanKind::Sweep } else { PlanKind::Contain }, id: plan_id(), ..Drafting::default() }.contain();
        let text = serde_json::to_string(&plan).unwrap();
        let back: Plan = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back.digest(), plan.digest());
        prop_assert_eq!(back, plan);
    }
}
