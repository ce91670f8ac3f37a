//! The tests that stand beside the policies: `tests/*.json` in their directory.
//!
//! A file holds a list of cases. A case names what differs from the example
//! question (of an attempt, or of a verb), and what must come out: allowed or
//! not, the exact ids that decide, ids that must stay silent, whom to ask. An
//! unknown name anywhere is a failure, because a misspelt override would test
//! the default.

use std::path::Path;

use quell_core::decision::{Approvals, Decision, WhomToAsk};
use quell_engine::port::Policy;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    decide::CedarPolicy,
    example::{example, example_verb},
    load::{Problem, Refused, Source},
};

/// What `policy test` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestReport {
    pub ok: bool,
    pub cases: usize,
    pub failures: Vec<Failure>,
    /// Rules that decide in no case.
    pub never_decides: Vec<String>,
    /// Rules that stay silent in no case.
    pub never_silent: Vec<String>,
}

/// One case that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub file: String,
    /// Empty where the file itself is at fault.
    pub case: String,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    attempt: Option<Map<String, Value>>,
    #[serde(default)]
    verb: Option<Map<String, Value>>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    decision: Wanted,
    deciding: Vec<String>,
    #[serde(default)]
    silent: Vec<String>,
    #[serde(default)]
    ask: Option<Asked>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Allow,
    Deny,
}

/// `"nobody"`, `"no_one"`, or the counts by role.
#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    Word(AskedWord),
    These(Approvals),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AskedWord {
    Nobody,
    NoOne,
}

impl Asked {
    fn as_answer(&self) -> WhomToAsk {
        match self {
            Self::Word(AskedWord::Nobody) => WhomToAsk::Nobody,
            Self::Word(AskedWord::NoOne) => WhomToAsk::NoOne,
            Self::These(approvals) => WhomToAsk::These { approvals: approvals.clone() },
        }
    }
}

/// Loads a directory's policies and runs the tests in its `tests`.
pub fn test(dir: &Path) -> Result<TestReport, Refused> {
    let policy = CedarPolicy::load(dir)?;
    Ok(test_set(&policy, &read_tests(&dir.join("tests"))?))
}

/// The tests that ship with the shipped set.
pub fn shipped_tests() -> Vec<Source> {
    [
        ("business.json", include_str!("../../../policies/tests/business.json")),
        ("iam.json", include_str!("../../../policies/tests/iam.json")),
        ("secops.json", include_str!("../../../policies/tests/secops.json")),
    ]
    .into_iter()
    .map(|(name, text)| Source { name: name.to_string(), text: text.to_string() })
    .collect()
}

/// Runs tests against a set.
pub fn test_set(policy: &CedarPolicy, tests: &[Source]) -> TestReport {
    let mut cases = 0;
    let mut failures = Vec::new();
    let (mut decided, mut silent) = (Vec::new(), Vec::new());
    for source in tests {
        let list: Vec<Case> = match serde_json::from_str(&source.text) {
            Ok(list) => list,
            Err(e) => {
                failures.push(Failure { file: source.name.clone(), case: String::new(), message: format!("not a list of cases: {e}") });
                continue;
            }
        };
        for case in list {
            cases += 1;
            match run(policy, &case) {
                Ok(decision) => {
                    decided.extend(decision.deciding);
                    silent.extend(case.expect.silent);
                }
                Err(message) => failures.push(Failure { file: source.name.clone(), case: case.name, message }),
            }
        }
    }
    let untested = |seen: &[String]| policy.rules().iter().map(|r| r.id.clone()).filter(|id| !seen.contains(id)).collect();
    TestReport { ok: failures.is_empty(), cases, never_decides: untested(&decided), never_silent: untested(&silent), failures }
}

fn run(policy: &CedarPolicy, case: &Case) -> Result<Decision, String> {
    let (decision, asked) = match (&case.attempt, &case.verb) {
        (Some(overrides), None) => {
            let question = overridden(&example(), overrides)?;
            (policy.decide(&question), Some(policy.whom_to_ask(&question)))
        }
        (None, Some(overrides)) => (policy.permits(&overridden(&example_verb(), overrides)?), None),
        _ => return Err(String::from("a case asks either `attempt` or `verb`")),
    };
    if !decision.errors.is_empty() {
        return Err(format!("could not be evaluated: {}", decision.errors.join("; ")));
    }
    let wanted = case.expect.decision == Wanted::Allow;
    if decision.allowed != wanted {
        let said = |allowed: bool| if allowed { "allow" } else { "deny" };
        return Err(format!("expected {}, got {} by [{}]", said(wanted), said(decision.allowed), decision.deciding.join(", ")));
    }
    let mut deciding = case.expect.deciding.clone();
    deciding.sort();
    if decision.deciding != deciding {
        return Err(format!("expected [{}] to decide, got [{}]", deciding.join(", "), decision.deciding.join(", ")));
    }
    stays_silent(policy, &case.expect.silent, &decision)?;
    match (&case.expect.ask, asked) {
        (None, _) => {}
        (Some(_), None) => return Err(String::from("`ask` is for attempts; no approval changes what a verb permits")),
        (Some(wanted), Some(got)) if wanted.as_answer() != got => {
            return Err(format!("expected to ask {:?}, got {got:?}", wanted.as_answer()));
        }
        _ => {}
    }
    Ok(decision)
}

/// Checks the rules that must not apply here. A permit is not named among the
/// deciding ones while a forbid decides, so its silence would say nothing.
fn stays_silent(policy: &CedarPolicy, silent: &[String], decision: &Decision) -> Result<(), String> {
    for id in silent {
        let rule = policy.rule(id).ok_or_else(|| format!("`silent` names `{id}`, and there is no such rule"))?;
        if !rule.forbids && !decision.allowed && !decision.deciding.is_empty() {
            return Err(format!("`silent` names the permit `{id}`, and a forbid decides here, so it cannot be told"));
        }
        if decision.deciding.contains(id) {
            return Err(format!("`{id}` should stay silent and decides"));
        }
    }
    Ok(())
}

/// The question with a case's overrides laid over it.
fn overridden<Q: Serialize + DeserializeOwned>(question: &Q, overrides: &Map<String, Value>) -> Result<Q, String> {
    let mut value = serde_json::to_value(question).map_err(|e| e.to_string())?;
    lay_over(&mut value, overrides, "")?;
    serde_json::from_value(value).map_err(|e| format!("not a question: {e}"))
}

fn lay_over(value: &mut Value, overrides: &Map<String, Value>, path: &str) -> Result<(), String> {
    for (name, new) in overrides {
        let Some(old) = value.get_mut(name) else {
            return Err(format!("a question has no `{path}{name}`"));
        };
        // `identity` and `circumstances` are laid over; a principal or a record
        // of approvals is one value.
        match (path, name.as_str(), new) {
            ("", "identity" | "circumstances", Value::Object(inner)) => lay_over(old, inner, &format!("{name}."))?,
            _ => *old = new.clone(),
        }
    }
    Ok(())
}

/// The test files of a directory, in the order of their names.
fn read_tests(dir: &Path) -> Result<Vec<Source>, Refused> {
    let unreadable =
        |e: std::io::Error| Problem::of_set(format!("cannot read the tests in `{}`: {e}; put cases there as *.json", dir.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        if let Ok(name) = entry.map_err(unreadable)?.file_name().into_string()
            && name.ends_with(".json")
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort();
    let mut tests = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(dir.join(&name)).map_err(|e| Problem::in_file(&name, 0, format!("cannot be read: {e}")))?;
        tests.push(Source { name, text });
    }
    Ok(tests)
}
