//! No attempt runs without a clearance (invariant 3).

use quell_core::{
    action::Action,
    approval::{Approval, Bench},
    clear::{Budget, Cleared, Grounds, NotCleared, clear},
    decision::{Decision, Role},
    hold::TargetState,
    id::{AttemptId, PlanId, TargetId},
    plan::{Plan, Selector, Step},
    target::{Target, TargetKind},
};

use crate::world::{approval, at, case_id, decision, identity, member, password, person, plan, session, target};

/// Everything an attempt to suspend the identity rests on, and all of it fits.
struct Try {
    plan: Plan,
    digest: String,
    step: Step,
    target: Target,
    state: TargetState,
    touched: u32,
    excluded: Vec<TargetId>,
    gaps_accepted: bool,
    decision: Decision,
    question: String,
    approvals: Vec<Approval>,
    bench: Bench,
    budget: Option<Budget>,
    corroborated: bool,
    secret_exposed: bool,
    now: i64,
}

fn fits() -> Try {
    let plan = plan();
    let step = plan.steps[0].clone();
    assert_eq!(step.action, Action::SuspendIdentity);
    let mut state = TargetState::default();
    state.hold(&case_id(), None, None, at(0));
    Try {
        digest: plan.digest(),
        approvals: vec![approval("ada", Role::Iam, &plan), approval("bob", Role::Secops, &plan)],
        bench: Bench::default(),
        plan,
        step,
        target: identity(),
        state,
        touched: 0,
        excluded: vec![],
        gaps_accepted: false,
        decision: decision(true),
        question: "question-1".into(),
        budget: None,
        corroborated: false,
        secret_exposed: true,
        now: 10,
    }
}

fn attempt(t: &Try) -> Result<Cleared, NotCleared> {
    let grounds = Grounds {
        plan: &t.plan,
        digest: &t.digest,
        step: &t.step,
        target: &t.target,
        state: &t.state,
        touched: t.touched,
        excluded: &t.excluded,
        gaps_accepted: t.gaps_accepted,
        decision: t.decision.clone(),
        question_digest: &t.question,
        approvals: &t.approvals,
        bench: &t.bench,
        budget: t.budget.clone(),
        corroborated: t.corroborated,
        secret_exposed: t.secret_exposed,
        closes_at: at(3600),
    };
    clear(grounds, AttemptId::new("at-1"), at(t.now)).map(|c| c.record().clone())
}

fn check(name: &str, change: impl FnOnce(&mut Try), expected: Result<(), &str>) {
    let mut t = fits();
    change(&mut t);
    match (attempt(&t), expected) {
        (Ok(_), Ok(())) => {}
        (Err(why), Err(part)) => assert!(why.to_string().contains(part), "{name}: {why}"),
        (found, expected) => panic!("{name}: {found:?}, wanted {expected:?}"),
    }
}

/// One attempt of another case on the same target, with this outcome.
fn tried(state: &mut TargetState, outcome: Option<&str>) {
    let mut cleared = attempt(&fits()).expect("it fits");
    cleared.attempt = AttemptId::new("at-0");
    cleared.plan = PlanId::new("p-other");
    state.intend(cleared, None, at(5));
    if let Some(outcome) = outcome {
        state.conclude(&AttemptId::new("at-0"), outcome, None, at(6));
    }
}

#[test]
fn one_thing_that_does_not_fit_is_enough_to_refuse() {
    let budget = |spent| Some(Budget { scope: "automation".into(), spent, limit: 20, reserve: 5 });
    check("everything fits", |_| {}, Ok(()));
    check("a step of another plan", |t| t.step.n = 9, Err("not in plan"));
    check("a step that was changed", |t| t.step.bounds.count_max = 99, Err("not in plan"));
    check(
        "a plan that was changed",
        |t| (t.plan.steps[0].attempt_seconds, t.step.attempt_seconds) = (99, 99),
        Err("the digest is not that of plan"),
    );
    check("the digest of another plan", |t| t.digest = "0".repeat(64), Err("the digest is not that of plan"));
    check("a target of another kind", |t| t.target = password(), Err("outside what was approved"));
    check("another identity", |t| t.target = target(TargetKind::Identity, "payroll", "payroll"), Err("outside what was approved"));
    check("another plane", |t| t.target.plane = "pg-other".into(), Err("outside what was approved"));
    check("too many", |t| t.touched = 1, Err("may touch 1 targets"));
    check("an excluded target", |t| t.excluded.push(identity().id), Err("excluded"));
    check("another target is excluded", |t| t.excluded.push(session(1).id), Ok(()));
    check("the decision of another question", |t| t.question = "question-2".into(), Err("about something else"));
    check("policy says no", |t| t.decision = decision(false), Err("secops.leaked"));
    check("the window closes now", |t| t.now = 3600, Ok(()));
    check("the window closed", |t| t.now = 3601, Err("closed at"));
    check("an attempt is open", |t| tried(&mut t.state, None), Err("another attempt"));
    check("nobody knows what an attempt did", |t| tried(&mut t.state, Some("unknown")), Err("another attempt"));
    check("an attempt ended", |t| tried(&mut t.state, Some("done")), Ok(()));
    check("every approval ended", |t| t.approvals.iter_mut().for_each(|a| a.until = at(9)), Err("approval"));
    check("the approvals are of another digest", |t| t.approvals.iter_mut().for_each(|a| a.digest = "x".into()), Err("approval"));
    check("only contested people approved", |t| t.approvals.iter_mut().for_each(|a| a.contested = true), Err("approval"));
    let both = || [person("ada"), person("bob")].into();
    check("everybody who approved is entangled since", |t| t.bench.entangled = both(), Err("approval"));
    check("everybody who approved is contested since", |t| t.bench.contested = both(), Err("approval"));
    check("no approval was wanted", |t| t.approvals.clear(), Ok(()));
    check("budget is left", |t| t.budget = budget(14), Ok(()));
    check("the reserve is not for one sender", |t| t.budget = budget(15), Err("15 of 15"));
    check("the reserve is for corroborated findings", |t| (t.budget, t.corroborated) = (budget(19), true), Ok(()));
    check("nothing is left", |t| (t.budget, t.corroborated) = (budget(20), true), Err("20 of 20"));
    check(
        "nothing is left, and the step was charged before",
        |t| {
            (t.budget, t.touched) = (budget(20), 1);
            (t.plan.steps[0].bounds.count_max, t.step.bounds.count_max) = (9, 9);
            t.digest = t.plan.digest();
            t.approvals.clear();
        },
        Ok(()),
    );
    let reserve_above = Some(Budget { scope: "automation".into(), spent: 0, limit: 2, reserve: 5 });
    check("a reserve above the limit", |t| t.budget = reserve_above, Err("0 of 0"));
    let incomplete = |t: &mut Try| {
        t.plan.gaps = vec!["sessions stay open".into()];
        t.digest = t.plan.digest();
        t.approvals = vec![approval("ada", Role::Iam, &t.plan)];
    };
    check("an incomplete plan", incomplete, Err("sessions stay open"));
    check("an incomplete plan with a person's reason", |t| (incomplete(t), t.gaps_accepted = true).1, Ok(()));
}

#[test]
fn a_leaked_secret_is_never_restored() {
    let restore = |t: &mut Try| {
        t.plan.steps[0].action = Action::Restore;
        t.step = t.plan.steps[0].clone();
        t.digest = t.plan.digest();
        t.approvals = vec![approval("ada", Role::Iam, &t.plan)];
    };
    check("exposed", restore, Err("--mode reinstate"));
    check("not exposed", |t| (restore(t), t.secret_exposed = false).1, Ok(()));
    check("a leak does not hinder containment", |t| t.secret_exposed = true, Ok(()));
}

#[test]
fn a_target_is_counted_once_however_often_it_is_tried() {
    let mut t = fits();
    let first = attempt(&t).unwrap();
    t.state.intend(first.clone(), None, at(11));
    t.state.conclude(&first.attempt, "throttled", None, at(12));
    t.touched = 1;
    assert!(attempt(&t).is_ok(), "the second try of the same target is not a second target");
}

#[test]
fn the_record_names_what_it_rests_on_and_nothing_more() {
    let mut t = fits();
    t.approvals[1].contested = true;
    t.approvals.push(approval("ada", Role::Lead, &t.plan));
    let mut used = approval("cid", Role::Iam, &t.plan);
    used.used_by = Some(PlanId::new("p-other"));
    t.approvals.push(used);
    t.budget = Some(Budget { scope: "automation".into(), spent: 3, limit: 20, reserve: 5 });
    let record = attempt(&t).unwrap();
    let rests: Vec<&str> = record.approvals.iter().map(|a| a.as_str()).collect();
    assert_eq!(rests, ["ap-ada-iam", "ap-bob-secops"], "no second click, no approval that another plan used");
    assert_eq!(record.budget, Some(("automation".into(), 4)));
    assert_eq!((record.plan, record.step, record.action, record.target), (t.plan.id.clone(), 1, Action::SuspendIdentity, identity().id));
    assert_eq!(record.plan_digest, t.plan.digest());
    assert_eq!(record.decision, t.decision);
}

#[test]
fn bounds_admit_what_the_selector_names_and_nothing_else() {
    for step in plan().steps {
        let inside = match (&step.selector, step.action) {
            (Selector::Exactly { target }, _) => target.clone(),
            (Selector::Every { kind: TargetKind::Session, .. }, _) => session(77),
            _ => member(),
        };
        assert!(step.bounds.admit(&inside), "step {}", step.n);
        for outside in [identity(), password(), session(1), member()].into_iter().filter(|t| t.kind != inside.kind) {
            assert!(!step.bounds.admit(&outside), "step {}: {:?}", step.n, outside.kind);
        }
    }
}
