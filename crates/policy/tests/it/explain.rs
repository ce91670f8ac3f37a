//! What a person reads who asks why.

use quell_core::{
    action::Action,
    decision::{Criticality, Principal, Role, Verb, WhomToAsk},
    id::PersonId,
};
use quell_policy::{CedarPolicy, example, example_verb, explain, explain_verb};

#[test]
fn what_may_run_says_by_which_rule() {
    let said = explain(&CedarPolicy::shipped(), &example());
    assert_eq!(said.reasons[0].id, "secops.leaked-production-secret");
    assert_eq!((said.reasons[0].file.as_str(), said.reasons[0].owner.as_str()), ("secops.cedar", "secops"));
    assert!(said.reasons[0].line > 1 && said.next.contains("may run now"), "{said:?}");
}

#[test]
fn what_waits_says_for_whom_and_what_carries_it_then() {
    let mut question = example();
    question.identity.criticality = Some(Criticality::Critical);
    let said = explain(&CedarPolicy::shipped(), &question);
    assert_eq!(said.next, "`suspend_identity` waits for the business owner; they approve with `quell case approve`");
    assert_eq!(said.reasons[0].id, "business.critical");
    assert_eq!(said.then[0].id, "secops.corroborated-with-a-person");
}

#[test]
fn those_who_approved_are_not_waited_for_again() {
    let mut question = example();
    question.circumstances.corroborated = false;
    question.circumstances.approvals.insert(Role::Lead, 1);
    let said = explain(&CedarPolicy::shipped(), &question);
    assert_eq!(said.next, "`suspend_identity` waits for the identity team; they approve with `quell case approve`");
}

#[test]
fn what_never_runs_says_why_in_its_authors_words() {
    let mut question = example();
    question.circumstances.armed = false;
    let said = explain(&CedarPolicy::shipped(), &question);
    assert_eq!(said.ask, Some(WhomToAsk::NoOne));
    assert!(said.next.contains("arm it with `quell connector arm`") && said.next.contains("(secops.not-armed)"), "{}", said.next);
}

#[test]
fn a_verb_asked_as_an_attempt_is_refused_and_not_permitted() {
    let mut question = example();
    question.action = Action::Undo;
    let said = explain(&CedarPolicy::shipped(), &question);
    assert!(!said.decision.allowed && said.next.contains("`undo` is a verb"), "{said:?}");
}

#[test]
fn a_verb_is_explained_too() {
    let set = CedarPolicy::shipped();
    let mut question = example_verb();
    assert_eq!(explain_verb(&set, &question).next, "`read` is permitted");
    question.verb = Verb::Arm;
    assert!(explain_verb(&set, &question).next.contains("`quell policy show`"));
    question.verb = Verb::Approve;
    question.signed_in = false;
    assert!(explain_verb(&set, &question).next.contains("`quell login`"));
    question.signed_in = true;
    question.entangled = true;
    assert!(explain_verb(&set, &question).next.contains("your deputy is asked"));
    question.principal = Principal::Person { id: PersonId::new("person-2"), roles: Vec::new() };
    question.entangled = false;
    assert_eq!(explain_verb(&set, &question).decision.deciding, Vec::<String>::new());
}
