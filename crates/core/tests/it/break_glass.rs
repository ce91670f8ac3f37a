//! Acting at once, without those who must be asked.

use std::collections::{BTreeMap, BTreeSet};

use quell_core::{
    approval::{Candidate, NotEligible},
    break_glass::{Asker, Broken, Glass, NotBroken, SECONDS, SECONDS_MAX, break_glass},
    case::{Case, Command, Refused, decide},
    course::PlanState,
    decision::{Approvals, Role},
    event::{By, Event, GlassBroken, PlanDecided, PlanDrafted, PlanEnded, PlanStarted, Preview, TaskAdded},
    finding::Outcome,
    id::TaskId,
    plan::{Plan, PlanKind},
};

use crate::{
    approval::candidate,
    world::{at, case_id, finding, opened, person, plan, salter},
};

const WHY: &str = "payments are being drained now";

fn waiting(plan: Plan) -> PlanState {
    let drafted = PlanDrafted { digest: plan.digest(), plan, preview: Preview::default() };
    let mut state = PlanState::drafted(&drafted, &By::Automation, at(1));
    let wanted = Approvals::from([(Role::BusinessOwner, 1), (Role::Iam, 2)]);
    let decided = PlanDecided { steps: Vec::new(), wanted, never: Vec::new(), until: at(3600) };
    state.apply(&decided.into(), &By::Automation, at(2));
    state
}

struct Try {
    who: Candidate,
    permitted: BTreeSet<Role>,
    state: PlanState,
    given: Approvals,
    why: &'static str,
    seconds: i64,
}

fn tried(change: impl FnOnce(&mut Try)) -> Result<Broken, NotBroken> {
    let mut t = Try {
        permitted: BTreeSet::from([Role::ResponseOwner, Role::Lead]),
        who: candidate(&[Role::Lead]),
        state: waiting(plan()),
        given: Approvals::new(),
        why: WHY,
        seconds: SECONDS,
    };
    change(&mut t);
    break_glass(&Asker { candidate: t.who, permitted: t.permitted }, &t.state, &t.given, t.why, t.seconds, at(0), at(100))
}

#[test]
fn few_may_for_a_while_and_it_is_said_who_was_passed_over() {
    let broken = tried(|_| {}).expect("broken");
    assert_eq!((broken.role, broken.until), (Role::Lead, at(100 + SECONDS)));
    assert_eq!(broken.skipped, Approvals::from([(Role::BusinessOwner, 1), (Role::Iam, 2)]));
    let some = tried(|t| t.given = Approvals::from([(Role::Iam, 1), (Role::BusinessOwner, 1)])).expect("broken");
    assert_eq!(some.skipped, Approvals::from([(Role::Iam, 1)]), "who said yes was not passed over");
    let both = tried(|t| t.who = candidate(&[Role::Lead, Role::ResponseOwner])).expect("broken");
    assert_eq!(both.role, Role::ResponseOwner);
    assert!(tried(|t| t.who.proposer = true).is_ok(), "whoever drafted it may");
    assert_eq!(tried(|t| t.seconds = SECONDS_MAX).expect("broken").until, at(100 + SECONDS_MAX));
}

#[test]
fn nobody_else_and_nothing_else() {
    let refused = |name: &str, why: NotBroken, change: &dyn Fn(&mut Try)| assert_eq!(tried(change), Err(why), "{name}");
    let eligible = |why| NotBroken::NotEligible(why);
    refused("a machine", eligible(NotEligible::NotAPerson), &|t| t.who.is_person = false);
    refused("a subject of the case", eligible(NotEligible::Entangled), &|t| t.who.entangled = true);
    refused("contested", NotBroken::Contested, &|t| t.who.contested = true);
    refused("a role that may not", eligible(NotEligible::NoSuchRole("approver", String::new())), &|t| t.who = candidate(&[Role::Secops]));
    refused("a role given since", eligible(NotEligible::GainedTooLate("lead")), &|t| t.who.since = BTreeMap::from([(Role::Lead, at(1))]));
    refused("an old role that may not beside a new one that may", eligible(NotEligible::GainedTooLate("lead")), &|t| {
        t.who = candidate(&[Role::Lead, Role::Iam]);
        t.who.since.insert(Role::Lead, at(1));
    });
    refused("a way back", NotBroken::GivesAccess, &|t| t.state = waiting(Plan { kind: PlanKind::Undo, ..plan() }));
    let started = PlanStarted { approvals: Vec::new(), ordered: false, gaps_accepted: None, closes_at: at(900) };
    refused("a plan that runs", NotBroken::Started, &|t| t.state.apply(&started.clone().into(), &By::Automation, at(3)));
    let ended = PlanEnded { ended: "expired".into(), because: "expired".into() };
    refused("a plan that is over", NotBroken::Over("expired".into()), &|t| t.state.apply(&ended.clone().into(), &By::Automation, at(3)));
    refused("nobody was asked", NotBroken::NobodyIsWaitedFor, &|t| t.given = Approvals::from([(Role::BusinessOwner, 1), (Role::Iam, 2)]));
    refused("a step that nobody may run", NotBroken::Never(vec![2]), &|t| {
        if let Some(decided) = &mut t.state.decided {
            decided.never = vec![2];
        }
    });
    refused("no reason", NotBroken::NoReason, &|t| t.why = "  urgent!  ");
    for seconds in [i64::MIN, -1, 0, SECONDS_MAX + 1] {
        refused("another time", NotBroken::TooLong, &|t| t.seconds = seconds);
    }
}

#[test]
fn it_ends_by_itself_and_a_person_alone_breaks_it() {
    let broken = GlassBroken { role: Role::Lead, reason: salter().commit(WHY), until: at(200), skipped: Approvals::from([(Role::Iam, 1)]) };
    let mut state = waiting(plan());
    state.apply(&broken.clone().into(), &By::Automation, at(100));
    assert_eq!(state.glass, None, "automation breaks no glass");
    state.apply(&broken.into(), &By::Person(person("rosa")), at(100));
    let glass: Glass = state.glass.expect("broken");
    assert_eq!((glass.by.clone(), glass.at), (person("rosa"), at(100)));
    assert_eq!([at(100), at(199), at(200)].map(|now| glass.holds(now)), [true, true, false]);
}

#[test]
fn another_person_reviews_it_before_the_case_closes() {
    let mut case = Case::opened(&opened(finding("f-1", "src-a")), at(0));
    case.findings[0].outcome = Some(Outcome::FalsePositive);
    let task = TaskAdded {
        task: TaskId::new("t-1"),
        plan: None,
        step: None,
        owner: Role::Iam,
        what: "review the break-glass".into(),
        text: None,
        reviews: Some(person("rosa")),
    };
    let order = |case: &Case, command| decide(case, &BTreeMap::new(), &BTreeMap::new(), command, at(100));
    assert!(order(&case, Command::Close { note: None }).is_ok());
    case.apply(&Event::TaskAdded(task), &By::Person(person("rosa")), at(10));
    let Err(Refused::StillOpen { open, .. }) = order(&case, Command::Close { note: None }) else { panic!("it closed unreviewed") };
    assert!(open.contains("task `t-1` is not done: review the break-glass"), "{open}");

    let end = |by: By| Command::EndTask { task: TaskId::new("t-1"), by, brought: Default::default() };
    for by in [By::Person(person("rosa")), By::Agent(person("ian")), By::Agent(person("rosa")), By::Automation] {
        assert_eq!(order(&case, end(by)), Err(Refused::OwnReview(TaskId::new("t-1"))));
    }
    let by = By::Person(person("ian"));
    for event in order(&case, end(by.clone())).expect("somebody else may") {
        case.apply(&event, &by, at(20));
    }
    assert!(order(&case, Command::Close { note: None }).is_ok());
    assert_eq!(case.id, case_id());
}
