//! What a target is known to be: a fold (invariants 5 and 9).

use proptest::prelude::*;
use quell_core::{
    action::Action,
    clear::Cleared,
    hold::{Round, TargetState},
    id::{AttemptId, CaseId, TargetId},
    proof::{Answer, Channel, Control, Life, Liveness, Observation, ProbeClass, judge_round},
    target::Reading,
    time::after_millis,
};

use crate::world::{at, case_id, decision, plan_id};

#[derive(Clone, Debug)]
enum Happens {
    Hold(&'static str),
    /// The plane listed it open at that second.
    SeenOpen(&'static str),
    Release(&'static str),
    Act(Action, &'static str),
    Live,
    Dead,
    CannotTell,
    ExpiresAt(i64),
}
use Happens::{Act, CannotTell, Dead, ExpiresAt, Hold, Live, Release, SeenOpen};

pub fn cleared(attempt: &str, action: Action) -> Cleared {
    Cleared {
        attempt: AttemptId::new(attempt),
        plan: plan_id(),
        plan_digest: "d".into(),
        step: 1,
        action,
        target: TargetId::new("t-1"),
        decision: decision(true),
        approvals: vec![],
        budget: None,
    }
}

pub fn round(answer: Answer, second: i64) -> Round {
    let (at, ended) = (at(second), after_millis(at(second), 5));
    let observation = Observation {
        class: ProbeClass::Read,
        started_at: at,
        ended_at: ended,
        vantage: "quell".into(),
        channel: Channel::TlsPinned,
        answer,
        control: Some(Control { class: ProbeClass::Read, alive: true, started_at: at, what: "the control role".into() }),
        plane_clock: None,
        authoritative: true,
    };
    let observations = vec![observation];
    let (proved, decisive) = judge_round(&observations, None, 250);
    Round { case: case_id(), plan: None, observations, proved, decisive: decisive.map(|d| d as u32), in_use: None, used: None, at: ended }
}

fn reading(of: &str) -> Option<Reading> {
    Some(Reading { exists: true, facts: [("from".to_owned(), Some(of.to_owned()))].into(), sealed: Default::default() })
}

/// One thing a second, from second 0.
fn fold(story: &[Happens]) -> TargetState {
    let mut state = TargetState::default();
    for (second, what) in story.iter().enumerate() {
        step(&mut state, what, second as i64);
    }
    state
}

fn step(state: &mut TargetState, what: &Happens, second: i64) {
    let now = at(second);
    match what {
        Hold(case) => state.hold(&CaseId::new(*case), reading(case), None, now),
        SeenOpen(case) => state.hold(&CaseId::new(*case), reading(case), Some(now), now),
        Release(case) => {
            state.release(&CaseId::new(*case));
        }
        Act(action, outcome) => {
            let id = format!("at-{second}");
            state.intend(cleared(&id, *action), None, now);
            state.conclude(&AttemptId::new(id), outcome, None, now);
        }
        Live => state.probed(round(Answer::Usable, second)),
        Dead => state.probed(round(Answer::Enforced { by: "no login".into() }, second)),
        CannotTell => state.probed(round(Answer::Inconclusive { why: "no answer".into() }, second)),
        ExpiresAt(until) => state.probed(round(Answer::ValidUntil { until: at(*until), leeway_seconds: 0 }, second)),
    }
}

fn check(name: &str, story: &[Happens], life: Life, dead_since: Option<i64>) {
    let state = fold(story);
    assert_eq!((state.life, state.dead_since), (Some(life), dead_since.map(at)), "{name}: {story:?}");
    assert_eq!(state.is_contained(), matches!(life, Life::Dead | Life::Dying), "{name}");
}

#[test]
fn a_life_is_what_the_last_probe_said() {
    let cut = Act(Action::SuspendIdentity, "done");
    check("held and never looked at", &[Hold("a")], Life::Live, None);
    check("an act is not a proof", &[Hold("a"), cut.clone()], Life::Containing, None);
    check("refused by the plane", &[Hold("a"), Act(Action::SuspendIdentity, "refused")], Life::Containing, None);
    check("dead after the act", &[Hold("a"), cut.clone(), Dead], Life::Dead, Some(2));
    check("still alive after the act", &[Hold("a"), cut.clone(), Live], Life::Live, None);
    check("nobody can tell", &[Hold("a"), cut.clone(), CannotTell], Life::Unknown, None);
    check("unknown never decays to dead", &[Hold("a"), cut.clone(), CannotTell, CannotTell, CannotTell], Life::Unknown, None);
    check("dead, then nobody can tell", &[Hold("a"), cut.clone(), Dead, CannotTell], Life::Unknown, Some(2));
    check("dead twice keeps the first moment", &[Hold("a"), cut.clone(), Dead, Dead], Life::Dead, Some(2));
    check("live again", &[Hold("a"), cut.clone(), Dead, Live], Life::Live, None);
    check("live again and dead again restarts the clock", &[Hold("a"), cut.clone(), Dead, Live, Dead], Life::Dead, Some(4));
    check("it expires later", &[Hold("a"), cut.clone(), ExpiresAt(99)], Life::Dying, None);
    check("dying and then accepted", &[Hold("a"), cut.clone(), ExpiresAt(99), Live], Life::Live, None);
    check("a second act does not unmake a death", &[Hold("a"), cut.clone(), Dead, cut.clone()], Life::Dead, Some(2));
    check("access was given back", &[Hold("a"), cut.clone(), Dead, Act(Action::Restore, "done")], Life::Unknown, Some(2));
    check("restored and probed", &[Hold("a"), cut.clone(), Dead, Act(Action::Restore, "done"), Live], Life::Restored, None);
    check("listed open after its death", &[Hold("a"), cut.clone(), Dead, SeenOpen("b")], Life::Live, None);
    check("a new case does not trust an old death", &[Hold("a"), cut, Dead, Release("a"), Hold("b")], Life::Unknown, None);
}

#[test]
fn there_is_one_before_state_until_access_is_given_back() {
    let from = |state: &TargetState| state.before.as_ref().and_then(|r| r.facts["from"].clone());
    let cut = Act(Action::SuspendIdentity, "done");
    let two = [Hold("a"), cut.clone(), Hold("b"), Hold("c")];
    assert_eq!(from(&fold(&two)).as_deref(), Some("a"), "the first hold's");
    let mut released = two.to_vec();
    released.extend([Release("a"), Release("b")]);
    assert_eq!(from(&fold(&released)).as_deref(), Some("a"), "as long as one holds it");
    let still_cut = [Hold("a"), cut.clone(), Release("a"), Hold("b")];
    assert_eq!(from(&fold(&still_cut)).as_deref(), Some("a"), "what is cut is not what to give back");
    let over = [Hold("a"), cut, Act(Action::Reinstate, "done"), Release("a"), Hold("b")];
    assert_eq!(from(&fold(&over)).as_deref(), Some("b"), "the next incident begins with its own");
}

#[test]
fn only_the_last_hold_releases() {
    let mut state = fold(&[Hold("a"), Hold("b"), Hold("b")]);
    assert!(!state.release(&CaseId::new("b")), "one case still holds it");
    assert!(!state.release(&CaseId::new("never")), "a stranger releases nothing");
    assert!(state.release(&CaseId::new("a")));
}

#[test]
fn an_attempt_is_open_until_its_outcome_and_unsettled_until_it_is_known() {
    for (outcome, open, unsettled) in
        [(None, true, true), (Some("unknown"), false, true), (Some("done"), false, false), (Some("refused"), false, false)]
    {
        let mut state = TargetState::default();
        state.intend(cleared("at-1", Action::RotateCredential), Some("blob-1".into()), at(1));
        if let Some(outcome) = outcome {
            state.conclude(&AttemptId::new("at-1"), outcome, None, at(2));
        }
        assert_eq!((state.open_attempt().is_some(), state.unsettled_attempt().is_some()), (open, unsettled), "{outcome:?}");
        assert_eq!(state.throw_away.is_some(), outcome == Some("done"), "only what took stands in the plane");
    }
}

/// A plane that takes no secret of ours made its own: that is the one which is known.
#[test]
fn what_the_plane_issued_takes_the_place_of_what_was_drawn() {
    for (outcome, issued, known) in
        [("done", Some("issued"), "issued"), ("unknown", Some("issued"), "issued"), ("done", None, "drawn"), ("refused", None, "drawn")]
    {
        let mut state = TargetState::default();
        state.intend(cleared("at-1", Action::Reinstate), Some("drawn".into()), at(1));
        let ended = quell_core::event::AttemptEnded {
            attempt: AttemptId::new("at-1"),
            case: crate::world::case_id(),
            outcome: outcome.into(),
            reason: None,
            changed: Default::default(),
            read_back: false,
            issued: issued.map(Into::into),
        };
        state.apply(&ended.into(), at(2));
        assert_eq!(state.attempts[0].new_secret.as_deref(), Some(known), "{outcome}");
    }
}

fn any_happening() -> impl Strategy<Value = Happens> {
    prop_oneof![
        Just(Hold("a")),
        Just(Hold("b")),
        Just(Release("a")),
        Just(Release("b")),
        Just(Act(Action::SuspendIdentity, "done")),
        Just(Act(Action::SuspendIdentity, "unknown")),
        Just(Act(Action::Restore, "done")),
        Just(Live),
        Just(Dead),
        Just(CannotTell),
        Just(ExpiresAt(9999)),
    ]
}

proptest! {
    #[test]
    fn only_a_probe_ever_makes_dead(story in prop::collection::vec(any_happening(), 0..30)) {
        let mut state = TargetState::default();
        let mut before = None;
        for (second, what) in story.iter().enumerate() {
            step(&mut state, what, second as i64);
            if state.life == Some(Life::Dead) && before != Some(Life::Dead) {
                prop_assert!(matches!(what, Dead), "{:?} made it dead", what);
            }
            if matches!(what, Live) {
                prop_assert!(matches!(state.life, Some(Life::Live | Life::Restored)));
                prop_assert_eq!(state.dead_since, None);
            }
            if matches!(what, CannotTell) {
                prop_assert!(state.life != Some(Life::Dead), "a claim that cannot be renewed is not kept");
            }
            if state.life == Some(Life::Dead) {
                prop_assert!(state.dead_since.is_some());
                prop_assert_eq!(state.rounds.last().map(|r| r.proved.liveness), Some(Liveness::Dead));
            }
            before = state.life;
        }
    }
}

#[test]
fn a_name_that_was_erased_is_known_again_once_a_case_brings_it_anew() {
    let placed = |case: &str, target: quell_core::target::Target| quell_core::event::HoldPlaced {
        case: CaseId::new(case),
        target,
        credential_kind: None,
        before: None,
        leaked_was_right: false,
        seen_live_at: None,
    };
    let erased = |target: quell_core::target::Target| {
        let mut value = serde_json::to_value(target).expect("plain data");
        quell_core::personal::conceal(&mut value);
        serde_json::from_value::<quell_core::target::Target>(value).expect("a target without its name")
    };
    let mut state = TargetState::default();
    state.apply(&placed("C-1", erased(crate::world::password())).into(), at(0));
    assert_eq!(state.target.as_ref().and_then(|t| t.native.value()), None);
    state.apply(&placed("C-2", crate::world::password()).into(), at(1));
    assert_eq!(state.target.as_ref().and_then(|t| t.native.value()), Some("billing_app#password"));
    state.apply(&placed("C-3", erased(crate::world::password())).into(), at(2));
    assert_eq!(state.target.as_ref().and_then(|t| t.native.value()), Some("billing_app#password"), "and stays so");
}

#[test]
fn a_use_that_was_accepted_after_the_probe_leaves_no_death_standing_and_a_refused_one_changes_nothing() {
    use quell_core::{hold::Used, proof::beside_uses};
    let used = |accepted: Option<i64>, refused: Option<i64>| Used {
        since: at(0),
        accepted: u32::from(accepted.is_some()),
        refused: u32::from(refused.is_some()),
        last_accepted_at: accepted.map(at),
        last_refused_at: refused.map(at),
    };
    let dead = round(Answer::Refused { code: "400".into() }, 50);
    let judged = |used: Option<&Used>| beside_uses(dead.proved.clone(), at(50), used).liveness;
    assert_eq!(judged(None), Liveness::Dead);
    assert_eq!(judged(Some(&used(None, Some(60)))), Liveness::Dead);
    assert_eq!(judged(Some(&used(Some(49), None))), Liveness::Dead, "before the probe it was an exposure, and is over");
    assert_eq!(judged(Some(&used(Some(50), None))), Liveness::Unknown, "at the very moment");
    assert_eq!(judged(Some(&used(Some(60), None))), Liveness::Unknown);

    // What was accepted after the cut counts for how long it was usable.
    let mut state = TargetState::default();
    state.probed(Round { used: Some(used(Some(49), Some(60))), ..dead });
    assert_eq!((state.life, state.last_live_at), (Some(Life::Dead), Some(at(49))));
}

#[test]
fn what_quell_tries_itself_is_not_looked_for_in_the_plane_s_log() {
    use quell_core::{finding::is_marked, signal::CredentialKind};
    assert!(!is_marked(CredentialKind::Password));
    assert!(is_marked(CredentialKind::SecretId) && is_marked(CredentialKind::Token));
}

#[test]
fn a_use_counts_from_the_cut_and_no_later_act_forgets_one() {
    let act = |state: &mut TargetState, name: &str, outcome: &str, second: i64| {
        state.intend(cleared(name, Action::RevokeCredential), None, at(second));
        state.conclude(&AttemptId::new(name), outcome, None, at(second));
    };
    let (mut held, mut identity) = (TargetState::default(), TargetState::default());
    assert_eq!(held.cut_at(Some(&identity)), None, "nothing was cut");
    act(&mut held, "at-0", "refused", 5);
    assert_eq!(held.cut_at(Some(&identity)), None, "what did not take cut nothing");
    act(&mut held, "at-1", "done", 10);
    act(&mut held, "at-2", "done", 12);
    assert_eq!(held.cut_at(Some(&identity)), Some(at(12)), "alive, it counts from the last");
    held.probed(round(Answer::Refused { code: "28P01".into() }, 20));
    assert_eq!(held.dead_since, Some(at(20)));
    act(&mut identity, "at-3", "done", 30);
    act(&mut held, "at-4", "done", 40);
    assert_eq!(held.cut_at(Some(&identity)), Some(at(12)), "dead since 20: uses at 25 are not forgotten");

    // Cut with its identity alone, and dead before anybody acted.
    let mut session = TargetState::default();
    assert_eq!(session.cut_at(Some(&identity)), Some(at(30)));
    session.probed(round(Answer::Refused { code: "28P01".into() }, 25));
    assert_eq!(session.cut_at(Some(&identity)), Some(at(25)));
    // Alive again: the count begins with the next cut.
    session.probed(round(Answer::Usable, 50));
    act(&mut identity, "at-5", "done", 60);
    assert_eq!(session.cut_at(Some(&identity)), Some(at(60)));
}
