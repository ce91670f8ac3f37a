//! The shipped set and the tests beside it.

use quell_core::{
    action::{Action, CATALOGUE},
    decision::{Role, Verb},
};
use quell_engine::port::Policy;
use quell_policy::{CedarPolicy, SCHEMA, TestReport, example, example_verb, shipped_tests, show, test_set};

fn run(set: &CedarPolicy) -> TestReport {
    test_set(set, &shipped_tests())
}

#[test]
fn the_shipped_set_loads_without_a_warning() {
    let set = CedarPolicy::shipped();
    assert_eq!(set.warnings(), &[]);
    assert!(set.rules().len() > 40);
}

#[test]
fn the_shipped_tests_pass() {
    let report = run(&CedarPolicy::shipped());
    assert!(report.ok, "{:#?}", report.failures);
}

#[test]
fn every_shipped_rule_is_tested_to_decide_and_to_stay_silent() {
    let report = run(&CedarPolicy::shipped());
    assert_eq!(report.never_decides, Vec::<String>::new(), "no case in which it decides");
    assert_eq!(report.never_silent, Vec::<String>::new(), "no case in which it stays silent");
}

#[test]
fn every_shipped_rule_is_missed_by_a_test_when_it_is_taken_out() {
    let set = CedarPolicy::shipped();
    for rule in set.rules() {
        let report = run(&set.without(&rule.id));
        assert!(!report.ok, "nobody misses `{}`", rule.id);
    }
}

#[test]
fn every_action_verb_and_role_is_in_the_schema() {
    let set = CedarPolicy::shipped();
    for entry in CATALOGUE {
        assert!(SCHEMA.contains(entry.name), "the schema lacks `{}`", entry.name);
        let mut question = example();
        question.action = entry.action;
        let decision = set.decide(&question);
        // These three are verbs of a person on a case.
        let is_verb = matches!(entry.action, Action::Accept | Action::Undo | Action::Close);
        assert_eq!(decision.errors.is_empty(), !is_verb, "`{}`: {:?}", entry.name, decision.errors);
        assert!(!(is_verb && decision.allowed));
    }
    for verb in Verb::ALL {
        let mut question = example_verb();
        question.verb = verb;
        assert_eq!(set.permits(&question).errors, Vec::<String>::new(), "`{}`", verb.name());
    }
    for role in Role::ALL {
        assert!(SCHEMA.contains(&format!("\"{}\"", role.name())), "the schema lacks `{}`", role.name());
    }
    for role in Role::APPROVERS {
        assert!(SCHEMA.contains(&format!("  {}: Long,", role.name())), "approvals lack `{}`", role.name());
    }
}

#[test]
fn the_table_says_every_rule_in_english() {
    let rows = show(&CedarPolicy::shipped());
    assert_eq!(rows.len(), CedarPolicy::shipped().rules().len());
    for row in &rows {
        assert!(row.cells()[..4].iter().all(|cell| !cell.is_empty()), "{row:?}");
        assert!(row.why.ends_with('.'), "{row:?}");
    }
    assert!(rows[0].forbids && !rows[rows.len() - 1].forbids);
}
