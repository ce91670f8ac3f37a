//! Several subjects in one case: whose facts count, what proves what, what is taken
//! back, what is under way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quell_core::{
    action::Action,
    course::{PlanStage, PlanState},
    decision::Principal,
    draft::Naming,
    event::{By, CaseEnriched, Derivation, FindingAttached, PlanDrafted, PlanEnded, PlanStarted, Preview, Stage},
    hold::TargetState,
    id::{CaseId, PlanId, TargetId},
    plan::{Edge, Parent, Plan, PlanKind, Proves, Selector, Step, UndoMode, Until},
    proof::Life,
    respond::{self, Move, NotUndone, Situation},
    target::{Target, TargetKind},
};

use crate::{
    drive::World,
    world::{at, enriched, facts, identity, key, password, plan, salter, session},
};

/// Another identity of the case, of no weight.
fn other() -> Target {
    Naming { key: &key(), salter: &salter() }.target("bao-main", TargetKind::Identity, "approle:ci", "approle:ci")
}

fn subject(identity: Target) -> CaseEnriched {
    let facts = quell_core::decision::IdentityFacts { id: identity.id.to_string(), ..facts() };
    CaseEnriched { facts, credentials: vec![], sessions: vec![], identity, ..enriched() }
}

fn world(subjects: Vec<CaseEnriched>) -> World {
    let mut world = World::new();
    for subject in subjects {
        world.case.apply(&subject.into(), &By::Automation, at(1));
    }
    world
}

fn drafted(plan: Plan) -> PlanState {
    let digest = plan.digest();
    PlanState::drafted(&PlanDrafted { plan, digest, preview: Preview::default() }, &By::Automation, at(2))
}

/// One step about `target`, after the steps `after`.
fn step(n: u16, action: Action, target: Target, after: &[u16]) -> Step {
    let proves = Proves::Nothing;
    let after = after.iter().map(|n| Edge { step: *n, until: Until::AfterProof, hard: true }).collect();
    Step { n, action, selector: Selector::Exactly { target }, after, proves, ..plan().steps.remove(0) }
}

#[test]
fn a_twin_is_judged_as_the_identity_it_stands_for_and_never_as_another_of_the_plan() {
    let twin = crate::world::target(TargetKind::Identity, "billing_app_q7f3k", "billing_app_q7f3k");
    // The other subject comes first, in the order of ids, or last: it must not matter.
    let world = world(vec![subject(other()), subject(identity())]);
    let steps = vec![
        step(1, Action::Reinstate, other(), &[]),
        step(2, Action::Reinstate, identity(), &[]),
        step(3, Action::RetireIdentity, twin.clone(), &[2]),
        step(4, Action::RetireIdentity, twin, &[]),
    ];
    let state = drafted(Plan { steps, ..plan() });
    let judged = |n: u16| {
        let step = state.plan.step(n).expect("it is there");
        respond::question(&world.situation(), &state, step, Principal::Automation, at(3)).map(|q| q.identity.id)
    };
    assert_eq!((judged(1), judged(2)), (Some(other().id.to_string()), Some(identity().id.to_string())));
    assert_eq!(judged(3), Some(identity().id.to_string()));
    assert_eq!(judged(4), None, "whom nobody looked at, policy is not asked about, and so nothing runs");
}

#[test]
fn what_outlives_the_lock_is_no_proof_of_the_lock() {
    let lease = crate::world::target(TargetKind::Credential, "lease:x", "billing_app");
    let kinds = vec![(password(), None), (lease.clone(), Some(quell_core::signal::CredentialKind::AccessKey))];
    let world = world(vec![CaseEnriched { credentials: kinds, outlive: vec![lease.id.clone()], ..enriched() }]);
    let state = drafted(plan());
    let proofs =
        |step: &Step| -> Vec<TargetId> { respond::proof_targets(&world.situation(), &state, step).into_iter().map(|t| t.id).collect() };
    let lock = state.plan.steps.iter().find(|s| s.action == Action::SuspendIdentity).expect("a lock");
    assert_eq!(proofs(lock), [password().id]);
    let retire = Step { action: Action::RetireIdentity, ..lock.clone() };
    assert_eq!(proofs(&retire), [password().id, lease.id], "of whatever else ends it, it is one");
}

#[test]
fn what_is_acted_on_now_is_heard_of_and_not_read() {
    let mut world = World::new();
    world.run(60);
    let cleared = world.targets[&identity().id].attempts[0].cleared.clone();
    let mut held = TargetState { target: Some(identity()), ..Default::default() };
    held.intend(cleared, None, world.now);
    world.targets = BTreeMap::from([(identity().id, Arc::new(held))]);
    let reads = |acting: &BTreeSet<TargetId>| {
        let s = Situation { acting, ..world.situation() };
        respond::next(&s, world.now).moves.iter().any(|m| matches!(m, Move::ReadOutcome { .. }))
    };
    assert!(reads(&BTreeSet::new()), "an intent of which nobody knows what became: after a crash it is read");
    assert!(!reads(&BTreeSet::from([identity().id])), "what this process acts on now is not");
}

/// A plan about `roots`, with an id of its own.
fn about(id: &str, kind: PlanKind, roots: &[Target], parent: Option<&str>) -> Plan {
    let steps = (1..).zip(roots).map(|(n, root)| {
        let bounds = quell_core::plan::Bounds { identities: BTreeSet::from([root.id.clone()]), ..plan().steps.remove(0).bounds };
        Step { bounds, ..step(n, Action::SuspendIdentity, root.clone(), &[]) }
    });
    let parent = parent.map(|p| Parent { plan: PlanId::new(p), digest: String::new() });
    Plan { id: PlanId::new(id), kind, parent, steps: steps.collect(), roots: roots.to_vec(), ..plan() }
}

/// It ran from `from`, and ended proved at `to` where one is given.
fn ran(plan: Plan, from: i64, to: Option<i64>) -> PlanState {
    let mut state = drafted(plan);
    let started = PlanStarted { approvals: vec![], ordered: false, gaps_accepted: None, closes_at: at(9_000) };
    state.apply(&started.into(), &By::Automation, at(from));
    if let Some(to) = to {
        state.apply(&PlanEnded { ended: "proved".into(), because: String::new() }.into(), &By::Automation, at(to));
    }
    state
}

fn taken_back(plans: Vec<PlanState>, only: Option<&str>, held_by: Option<&str>) -> Result<Vec<String>, NotUndone> {
    let mut world = world(vec![subject(other()), subject(identity())]);
    world.plans = plans.into_iter().map(|p| (p.plan.id.clone(), Arc::new(p))).collect();
    if let Some(case) = held_by {
        let mut held = TargetState::default();
        held.holds.insert(CaseId::new(case));
        world.targets = BTreeMap::from([(identity().id, Arc::new(held))]);
    }
    let only = only.map(PlanId::new);
    respond::to_undo(&world.situation(), only.as_ref()).map(|plans| plans.iter().map(|p| p.plan.id.to_string()).collect())
}

#[test]
fn an_undo_takes_back_every_containment_once_and_none_that_would_be_cut_again() {
    let cut = |id: &str, root: &Target, from, to| ran(about(id, PlanKind::Contain, std::slice::from_ref(root), None), from, to);
    let sweep = |from, to| ran(about("p-3", PlanKind::Sweep, &[identity()], Some("p-1")), from, to);
    let undo = |of: &str, from, to| ran(about("p-4", PlanKind::Undo, &[identity()], Some(of)), from, to);
    let both = || vec![cut("p-1", &identity(), 10, Some(20)), cut("p-2", &other(), 11, Some(21))];
    let with = |more: PlanState| both().into_iter().chain([more]).collect::<Vec<_>>();

    let all = || Ok(vec!["p-1".to_owned(), "p-2".to_owned()]);
    let one = |id: &str| Ok(vec![id.to_owned()]);
    type Row<'a> = (&'a str, Vec<PlanState>, Option<&'a str>, Option<&'a str>, Result<Vec<String>, &'a str>);
    let table: Vec<Row<'_>> = vec![
        ("nothing ran", vec![drafted(about("p-1", PlanKind::Contain, &[identity()], None))], None, None, Err("nothing was contained")),
        ("both", both(), None, None, all()),
        ("one of them", both(), Some("p-2"), None, one("p-2")),
        ("one that is none", both(), Some("p-9"), None, Err("`p-9` contained nothing")),
        ("one is undone, the other is not", with(undo("p-1", 30, Some(40))), None, None, one("p-2")),
        ("the one that is undone", with(undo("p-1", 30, Some(40))), Some("p-1"), None, Err("`p-4` undid it")),
        ("undone before a sweep cut again", [with(undo("p-1", 30, Some(40))), vec![sweep(50, Some(60))]].concat(), None, None, all()),
        ("an undo of it waits", with(undo("p-1", 30, None)), None, None, Err("`p-4` of case")),
        ("an undo of the other waits", with(undo("p-1", 30, None)), Some("p-2"), None, one("p-2")),
        ("a sweep of it runs", with(sweep(30, None)), None, None, Err("`p-3` is still open")),
        ("a sweep of the other runs", with(sweep(30, None)), Some("p-2"), None, one("p-2")),
        ("it runs itself", vec![cut("p-1", &identity(), 10, None)], None, None, Err("`p-1` is still open")),
        ("only a sweep ran", vec![sweep(30, Some(40))], None, None, one("p-3")),
        ("this case holds it", both(), None, Some("C-0000000001"), all()),
        ("another case holds it, too", both(), None, Some("C-0000000002"), Err("C-0000000002")),
        ("another case holds the other", both(), Some("p-2"), Some("C-0000000002"), one("p-2")),
    ];
    for (name, plans, only, held_by, expected) in table {
        match (taken_back(plans, only, held_by), expected) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{name}"),
            (Err(why), Err(part)) => assert!(why.to_string().contains(part), "{name}: {why}"),
            (found, expected) => panic!("{name}: {found:?}, wanted {expected:?}"),
        }
    }
    assert!(both().iter().all(|p| p.stage == PlanStage::Proved));
}

#[test]
fn a_leased_login_is_known_as_one_on_the_way_back() {
    let derivations = vec![Derivation { from: None, to: identity(), via: Derivation::LEASE.into() }];
    let world = world(vec![CaseEnriched { derivations, ..subject(other()) }, subject(identity())]);
    let contained = drafted(about("p-1", PlanKind::Contain, &[other(), identity()], None));
    let back = respond::subjects_back(&world.situation(), &contained);
    assert_eq!(back, [(other().id, None), (identity().id, Some(Derivation::LEASE.to_owned()))]);
    assert!(session(1).identity == identity().id && UndoMode::Reinstate != UndoMode::Restore);
}

#[test]
fn a_moment_of_another_day_is_shown_with_its_day() {
    let mut world = world(vec![subject(identity())]);
    let dying = |seconds: i64| {
        let life = Some(Life::Dying);
        let target = Some(password());
        Arc::new(TargetState { target, life, residual_until: Some(at(seconds)), ..Default::default() })
    };
    world.case.apply(&CaseEnriched { ..enriched() }.into(), &By::Automation, at(1));
    let headline = |world: &World| quell_core::view::headline(&world.situation(), at(60));
    world.targets = BTreeMap::from([(password().id, dying(120))]);
    assert!(headline(&world).contains("DYING until 08:02."), "{}", headline(&world));
    world.targets = BTreeMap::from([(password().id, dying(768 * 3600 + 120))]);
    assert!(headline(&world).contains("DYING until 2026-12-25 08:02."), "{}", headline(&world));
}

/// The identity is contained and proved; a second one of the case has the plan `second`, and
/// of its credentials these are known, with their life. Answers whether the case is proven,
/// whether its first line says so, and whether its exposure goes on.
fn beside(second: Option<PlanState>, credentials: Vec<(Target, Life)>) -> (bool, bool, bool) {
    let mut world = World::new();
    world.run(60);
    assert!(world.only_plan().stage == PlanStage::Proved);
    world.case.stages.retain(|(stage, _)| *stage != Stage::Proven);
    let mut finding = crate::world::finding("f-2", "src-b");
    let resolved = finding.resolved.as_mut().expect("it names somebody");
    (resolved.identity, resolved.credential) = (other(), None);
    let attached = FindingAttached { finding, because: "the same secret".into(), received_at: None };
    world.case.apply(&attached.into(), &By::Automation, world.now);
    let known = credentials.iter().map(|(t, _)| (t.clone(), None)).collect();
    world.case.apply(&CaseEnriched { credentials: known, ..subject(other()) }.into(), &By::Automation, world.now);
    for (target, life) in credentials {
        let state = TargetState { target: Some(target.clone()), life: Some(life), ..Default::default() };
        world.targets.insert(target.id.clone(), Arc::new(state));
    }
    world.plans.extend(second.map(|p| (p.plan.id.clone(), Arc::new(p))));
    let s = world.situation();
    let is_proven = |m: &Move| matches!(m, Move::Advance { stage: Stage::Proven });
    let proven = respond::next(&s, world.now).moves.iter().any(is_proven);
    let runs = quell_core::view::exposure(&s, world.now)["running"].as_bool().expect("a clock");
    (proven, quell_core::view::headline(&s, world.now).contains("PROVED DEAD"), runs)
}

#[test]
fn what_nobody_looked_at_is_not_proven_by_what_was_contained_beside_it() {
    let cut = || about("p-2", PlanKind::Contain, &[other()], None);
    let over = |mut state: PlanState, how: &str| {
        state.apply(&PlanEnded { ended: how.into(), because: String::new() }.into(), &By::Automation, at(20));
        Some(state)
    };
    let ended = |how: &str| over(ran(cut(), 10, None), how);
    let expired = || over(drafted(cut()), "expired");
    let secret = || Naming { key: &key(), salter: &salter() }.target("bao-main", TargetKind::Credential, "s-1", "approle:ci");
    let of_other = |life| vec![(secret(), life)];
    let open = (false, false, true);
    let proven = (true, true, false);

    assert_eq!(beside(expired(), vec![]), open, "its plane said nothing, and its plan never ran");
    assert_eq!(beside(ended("handed_over"), vec![]), open, "a person has it, and nobody saw it dead");
    assert_eq!(beside(None, vec![]), open, "nothing was planned");
    assert_eq!(beside(expired(), of_other(Life::Live)), open);
    assert_eq!(beside(ended("proved"), vec![]), proven, "every step of it was proved, and its plane shows none afterwards");
    assert_eq!(beside(ended("handed_over"), of_other(Life::Dead)), proven, "a person did it, and a probe saw it dead");
}
