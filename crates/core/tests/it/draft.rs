//! Plans are computed: what is cut, in which order, and what is said to be left out (invariant 14).

use proptest::prelude::*;
use quell_core::{
    action::Action,
    draft,
    event::{CaseEnriched, Consumer},
    id::PlanId,
    plan::{PlanKind, Proves, Step, UndoMode, Until},
    signal::CredentialKind,
    target::TargetKind,
};

use crate::{
    untrusted::HOSTILE,
    world::{Drafting, EVERY_ACTION, enriched, failover, identity, member, salter, target},
};

/// `3 terminate_sessions <1a!`: after the act of step 1, hard; `p` proof, `~` soft.
pub fn written(step: &Step) -> String {
    format!("{} {}{}", step.n, step.action.name(), edges(step))
}

/// ` <1a! <2p~`.
pub fn edges(step: &Step) -> String {
    step.after
        .iter()
        .map(|e| {
            let until = match e.until {
                Until::AfterAct => 'a',
                Until::AfterProof => 'p',
                Until::AfterSettle => 's',
            };
            format!(" <{}{until}{}", e.step, if e.hard { '!' } else { '~' })
        })
        .collect()
}

fn check(name: &str, drafting: &Drafting, steps: &[&str], gaps: &[&str]) {
    let plan = drafting.contain();
    assert_eq!(plan.steps.iter().map(written).collect::<Vec<_>>(), steps, "{name}");
    assert_eq!(plan.gaps.len(), gaps.len(), "{name}: {:?}", plan.gaps);
    for (gap, part) in plan.gaps.iter().zip(gaps) {
        assert!(gap.contains(part), "{name}: {gap}");
    }
    assert!(plan.is_well_formed(), "{name}");
}

fn subject(change: impl FnOnce(&mut CaseEnriched)) -> CaseEnriched {
    let mut subject = enriched();
    change(&mut subject);
    subject
}

fn without(actions: &[Action]) -> Vec<Action> {
    EVERY_ACTION.into_iter().filter(|a| !actions.contains(a)).collect()
}

#[test]
fn what_is_cut_and_in_which_order() {
    let with = |possession, subject: CaseEnriched| Drafting { possession, subject, ..Drafting::default() };
    check(
        "with the leaked value: it is tried after the lock",
        &with(true, enriched()),
        &["1 suspend_identity", "2 terminate_sessions <1a!", "3 rotate_credential <2s~"],
        &[],
    );
    check(
        "without it: a throw-away goes in first and can be tried",
        &with(false, enriched()),
        &["1 rotate_credential", "2 suspend_identity <1a~", "3 terminate_sessions <2a!"],
        &[],
    );
    check(
        "with it, where sessions are proved by a witness: the witness logs in with the throw-away",
        &Drafting { by_witness: true, ..Drafting::default() },
        &["1 rotate_credential", "2 suspend_identity <1a~", "3 terminate_sessions <2a!"],
        &[],
    );
    check(
        "a consumer moves before the cut",
        &with(true, subject(|s| s.rotation = failover())),
        &["1 reissue_credential", "2 suspend_identity <1p!", "3 terminate_sessions <2a!", "4 rotate_credential <3s~"],
        &[],
    );
    check(
        "a consumer moves before the throw-away",
        &with(false, subject(|s| s.rotation = failover())),
        &["1 reissue_credential", "2 rotate_credential <1p!", "3 suspend_identity <1p! <2a~", "4 terminate_sessions <3a!"],
        &[],
    );
    check(
        "who may act as it loses that",
        &with(true, subject(|s| s.delegations = vec![member()])),
        &["1 suspend_identity", "2 terminate_sessions <1a!", "3 remove_entitlement <1a!", "4 rotate_credential <2s~"],
        &[],
    );
    check(
        "a sweep does not move consumers again",
        &Drafting { kind: PlanKind::Sweep, subject: subject(|s| s.rotation = failover()), ..Drafting::default() },
        &["1 suspend_identity", "2 terminate_sessions <1a!", "3 rotate_credential <2s~"],
        &[],
    );
}

#[test]
fn what_a_plan_leaves_out_is_said() {
    let lacking = |actions: &[Action], subject: CaseEnriched| Drafting { actions: without(actions), subject, ..Drafting::default() };
    check(
        "no way to end sessions",
        &lacking(&[Action::TerminateSessions], enriched()),
        &["1 suspend_identity", "2 rotate_credential"],
        &["offers no `terminate_sessions`", "sessions that are open"],
    );
    check(
        "no way to suspend",
        &lacking(&[Action::SuspendIdentity], enriched()),
        &["1 terminate_sessions", "2 rotate_credential <1s~"],
        &["offers no `suspend_identity`"],
    );
    check(
        "no way to rotate",
        &lacking(&[Action::RotateCredential], enriched()),
        &["1 suspend_identity", "2 terminate_sessions <1a!"],
        &["offers no `rotate_credential`"],
    );
    check(
        "no way to take delegations away",
        &lacking(&[Action::RemoveEntitlement], subject(|s| s.delegations = vec![member()])),
        &["1 suspend_identity", "2 terminate_sessions <1a!", "3 rotate_credential <2s~"],
        &["offers no `remove_entitlement`", "1 other identities may still act"],
    );
    check(
        "no credential was found",
        &Drafting { subject: subject(|s| s.credentials.clear()), ..Drafting::default() },
        &["1 suspend_identity", "2 terminate_sessions <1a!"],
        &["no credential of"],
    );
    let key = || target(TargetKind::Credential, "billing_app#key-7", "billing_app");
    check(
        "a key beside the password",
        &Drafting { subject: subject(|s| s.credentials.push((key(), Some(CredentialKind::ApiKey)))), ..Drafting::default() },
        &["1 suspend_identity", "2 terminate_sessions <1a!", "3 rotate_credential <2s~"],
        &["billing_app#key-7` is neither replaced nor revoked"],
    );
}

#[test]
fn the_way_back_purges_first_and_proves_the_old_dead() {
    let contained = Drafting { subject: subject(|s| s.rotation = failover()), ..Drafting::default() };
    let undo = Drafting { kind: PlanKind::Undo, ..Drafting { subject: contained.subject.clone(), ..Drafting::default() } };
    let back = undo.with(|g| draft::undo(g, UndoMode::Reinstate, &contained.contain(), &[member()], &[]));
    assert_eq!(
        back.steps.iter().map(written).collect::<Vec<_>>(),
        ["1 terminate_sessions", "2 reinstate <1p!", "3 retire_identity <2p!", "4 restore <3p!"]
    );
    assert!(matches!(&back.steps[1].proves, Proves::Reinstated { credential, .. } if credential.id != crate::world::password().id));
    assert!(back.is_well_formed());
    let exact = undo.with(|g| draft::undo(g, UndoMode::Restore, &contained.contain(), &[], &[]));
    assert_eq!(exact.steps.iter().map(written).collect::<Vec<_>>(), ["1 restore"]);
    assert_ne!(back.digest(), exact.digest());
}

fn twin_of(native: &str, plan: &str) -> String {
    let id = target(TargetKind::Identity, native, native);
    let mut subject = subject(|s| s.rotation = failover());
    subject.identity = id;
    let plan = Drafting { subject, id: PlanId::new(plan), ..Drafting::default() }.contain();
    plan.steps[0].parameters["twin"].clone()
}

#[test]
fn a_twin_has_a_name_that_every_plane_takes() {
    for native in ["billing_app", HOSTILE, &"x".repeat(10_000), &"é".repeat(40), &"\u{1F600}".repeat(20), "", "a\u{0301}"] {
        let twin = twin_of(native, "p-0123456789");
        assert!(twin.len() <= 63, "{} bytes: {twin}", twin.len());
        assert!(twin.ends_with("_q98765"), "{twin}");
        let kept = twin.strip_suffix("_q98765").unwrap();
        assert!(native.starts_with(kept), "whole characters from the front");
    }
    assert_ne!(twin_of("billing_app", "p-0123456789"), twin_of("billing_app", "p-0123456780"), "another plan, another twin");
}

proptest! {
    #[test]
    fn every_combination_is_a_dag_inside_its_bounds(
        picks in prop::collection::vec(any::<bool>(), EVERY_ACTION.len()),
        possession in any::<bool>(),
        moves in any::<bool>(),
        sweep in any::<bool>(),
        sessions in 0_u32..4,
        credentials in 0_u32..4,
        delegated in any::<bool>(),
        consumers in any::<bool>(),
        native in any::<String>(),
    ) {
        let subject = subject(|s| {
            s.identity = target(TargetKind::Identity, &native, &native);
            s.rotation = if moves { failover() } else { None };
            s.sessions = (0..sessions).map(|n| target(TargetKind::Session, &format!("pid:{n}"), &native)).collect();
            s.credentials = (0..credentials).map(|n| (target(TargetKind::Credential, &format!("{native}#{n}"), &native), None)).collect();
            s.delegations = if delegated { vec![target(TargetKind::Entitlement, "m", &native)] } else { vec![] };
            s.consumers = if consumers { vec![Consumer { name: salter().commit("job"), criticality: None, reads_from: None }] } else { vec![] };
        });
        let actions = EVERY_ACTION.into_iter().zip(picks).filter(|(_, yes)| *yes).map(|(a, _)| a).collect::<Vec<_>>();
        let drafting = Drafting { possession, kind: if sweep { PlanKind::Sweep } else { PlanKind::Contain }, subject, actions: actions.clone(), ..Drafting::default() };
        let plan = drafting.contain();
        prop_assert!(plan.is_well_formed());
        let does = |a: Action| plan.steps.iter().any(|s| s.action == a);
        for step in &plan.steps {
            prop_assert!(actions.contains(&step.action), "only what the plane offers");
            prop_assert!(step.bounds.identities.contains(step.selector.identity()));
            prop_assert!(step.bounds.count_max >= 1);
            if let quell_core::plan::Selector::Exactly { target } = &step.selector {
                prop_assert!(step.bounds.admit(target));
            }
        }
        // Whatever suspends or replaces treats sessions, or says that it does not.
        if (does(Action::SuspendIdentity) || does(Action::RotateCredential)) && !does(Action::TerminateSessions) {
            prop_assert!(plan.gaps.iter().any(|g| g.contains("sessions")));
        }
        if does(Action::SuspendIdentity) && delegated && !does(Action::RemoveEntitlement) {
            prop_assert!(plan.gaps.iter().any(|g| g.contains("may still act")));
        }
        // Nothing is cut before its consumer was moved and seen.
        if does(Action::ReissueCredential) && does(Action::SuspendIdentity) {
            let lock = plan.steps.iter().find(|s| s.action == Action::SuspendIdentity).unwrap();
            prop_assert!(lock.after.iter().any(|e| e.step == 1 && e.until == Until::AfterProof && e.hard));
        }
        let undo = drafting.with(|g| draft::undo(g, UndoMode::Reinstate, &plan, &[], &[]));
        prop_assert!(undo.is_well_formed());
        prop_assert!(undo.steps.iter().position(|s| s.action == Action::Reinstate).is_none_or(|n| n > 0 || !actions.contains(&Action::TerminateSessions)));
    }

    #[test]
    fn no_name_gives_a_twin_too_long(native in any::<String>(), plan in "p-[0-9a-z]{10}") {
        let twin = twin_of(&native, &plan);
        prop_assert!(twin.len() <= 63);
    }
}

#[test]
fn a_plan_speaks_of_its_subject_in_inventory_names() {
    let plan = Drafting::default().contain();
    assert_eq!(draft::sentence(&plan.steps[0]), "suspend the identity: pg-main/billing_app");
    assert_eq!(draft::sentence(&plan.steps[1]), "end the open sessions: every session of pg-main/billing_app");
    assert_eq!(plan.roots[0], identity());
    assert_eq!(draft::weakest(&plan), quell_core::action::Reversible::No);
}
