//! The shipped set and the tests beside it.

use quell_core::{
    action::{Action, CATALOGUE},
    decision::{Role, Verb},
};
use quell_engine::port::Policy;
use quell_policy::{CedarPolicy, SCHEMA, Source, TestReport, example, example_verb, shipped_sources, shipped_tests, show, test_set};

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
        let report = test_set(&set.without(&rule.id), &cases_decided_by(&rule.id));
        assert!(!report.ok, "nobody misses `{}`", rule.id);
    }
}

/// The shipped cases that expect this rule to decide.
fn cases_decided_by(id: &str) -> Vec<Source> {
    let decided = |case: &serde_json::Value| case["expect"]["deciding"].as_array().is_some_and(|ids| ids.iter().any(|i| i == id));
    shipped_tests()
        .into_iter()
        .map(|Source { name, text }| {
            let cases: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a list of cases");
            let cases: Vec<_> = cases.into_iter().filter(decided).collect();
            Source { name, text: serde_json::Value::from(cases).to_string() }
        })
        .collect()
}

#[test]
fn a_misspelt_or_wrong_test_case_is_a_failure() {
    let set = CedarPolicy::shipped();
    let expect = r#""expect": {"decision": "allow", "deciding": ["secops.leaked-production-secret"]}"#;
    let message = |case: &str| {
        let report = test_set(&set, &[Source { name: String::from("t.json"), text: format!("[{case}]") }]);
        report.failures.into_iter().map(|f| f.message).collect::<String>()
    };
    assert_eq!(message(&format!(r#"{{"name": "a", "attempt": {{}}, {expect}}}"#)), "");
    for (case, word) in [
        (format!(r#"{{"name": "a", "attempt": {{"identity": {{"sharde": true}}}}, {expect}}}"#), "`identity.sharde`"),
        (format!(r#"{{"name": "a", "attempt": {{"action": "explode"}}, {expect}}}"#), "explode"),
        (format!(r#"{{"name": "a", {expect}}}"#), "either"),
        (format!(r#"{{"name": "a", "attempt": {{}}, "more": 1, {expect}}}"#), "more"),
        (format!(r#"{{"name": "a", "attempt": {{"circumstances": {{"sample": true}}}}, {expect}}}"#), "got deny by [secops.sample]"),
        (String::from(r#"{"name": "a", "attempt": {}, "expect": {"decision": "allow", "deciding": []}}"#), "expected [] to decide"),
        (
            String::from(
                r#"{"name": "a", "attempt": {}, "expect": {"decision": "allow", "deciding": ["secops.leaked-production-secret"], "silent": ["iam.nothing"]}}"#,
            ),
            "no such rule",
        ),
        (
            String::from(
                r#"{"name": "a", "attempt": {}, "expect": {"decision": "allow", "deciding": ["secops.leaked-production-secret"], "ask": {"iam": 1}}}"#,
            ),
            "expected to ask",
        ),
    ] {
        assert!(message(&case).contains(word), "{case}: {}", message(&case));
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

/// What people rely on holds in every situation that the shipped set could tell apart,
/// and a set that breaks one of these claims is told with the situation.
#[test]
fn the_shipped_set_keeps_what_is_claimed_and_a_broken_one_is_told_where() {
    let proof = CedarPolicy::shipped().prove();
    for claim in &proof.claims {
        assert!(claim.holds, "{}: {:?} {:?}", claim.id, claim.because, claim.counterexample);
        assert!(claim.situations > 0, "{} was asked about nothing", claim.id);
    }
    assert!(proof.ok);

    let permit = |id: &str, who: &str, what: &str, when: &str| {
        format!(
            "@id(\"secops.{id}\") @who(\"w\") @may(\"m\") @to(\"t\") @why(\"y\") permit (principal{who}, action {what}, resource) when {{ {when} }};"
        )
    };
    let broken = |forget: &str, more: &str| {
        let mut files = shipped_sources();
        let secops = files.iter_mut().find(|f| f.name.contains("secops")).expect("the file of security operations");
        secops.text.push_str(more);
        CedarPolicy::from_sources(&files).expect("a set that loads").without(forget).prove()
    };
    let by_pattern =
        broken("", &permit("pattern", "", "== Action::\"retire_identity\"", "context.corroborated && resource.environment like \"qa*\""));
    let unsearched: Vec<&str> = by_pattern.claims.iter().filter_map(|c| c.because.as_deref()).collect();
    assert!(
        !by_pattern.ok && unsearched.iter().any(|why| why.contains("pattern")),
        "what cannot be searched does not hold: {unsearched:?}"
    );
    // Grants that a guard takes back everywhere, before and behind the one that it does not.
    let guarded: String = ["a", "b", "c", "x", "y", "z"]
        .map(|id| permit(id, "", "== Action::\"retire_identity\"", "context.corroborated && context.sample"))
        .concat();
    for (claim, forget, more) in [
        // Only where nothing else is true of it, and only at one confidence.
        (
            "automation.spares-critical",
            "business.critical",
            guarded.clone()
                + &permit(
                    "night",
                    "",
                    "== Action::\"retire_identity\"",
                    "context.corroborated && context.confidence >= 41 && context.confidence < 42 && context.hour_utc == 3",
                ),
        ),
        (
            "automation.spares-protected",
            "business.protected",
            permit("all", "", "in Action::\"contain\"", "context.corroborated && resource.protected"),
        ),
        (
            "one-sender.cuts-nothing",
            "secops.one-sender-never-cuts",
            permit("alone", " is Automation", "== Action::\"remove_entitlement\"", "!resource.production && context.reach < 3"),
        ),
        (
            "agents.never-act",
            "iam.agents-never-act",
            permit("agent", " is Agent", "== Action::\"notify_provider\"", "context.tier == Tier::\"observe\""),
        ),
        ("exposed.never-restored", "iam.exposed-never-restored", String::new()),
        ("unarmed.stays-untouched", "secops.not-armed", String::new()),
        ("entangled.never-judges", "iam.entangled", String::new()),
        ("auditor.changes-nothing", "iam.auditor-changes-nothing", String::new()),
    ] {
        let proof = broken(forget, &more);
        let told = proof.claims.iter().find(|c| c.id == claim).expect("the claim is there");
        assert!(!proof.ok && !told.holds, "{claim} is said to hold without `{forget}` and with `{more}`");
        assert!(told.counterexample.is_some() && !told.by.is_empty(), "{told:?}");
    }
}
