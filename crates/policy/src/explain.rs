//! Why the answer is what it is, and what would let it run.

use quell_core::decision::{Approvals, AttemptQuestion, Decision, VerbQuestion, WhomToAsk};
use quell_engine::port::Policy;
use serde::Serialize;

use crate::decide::CedarPolicy;

/// One deciding policy in its author's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub id: String,
    pub owner: String,
    pub forbids: bool,
    pub why: String,
    pub file: String,
    pub line: u32,
}

/// An answer that a person can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub decision: Decision,
    /// The deciding policies; empty where nothing permits it.
    pub reasons: Vec<Reason>,
    /// The policies that would carry the permission once those in `ask`
    /// approved; empty unless somebody is asked.
    pub then: Vec<Reason>,
    /// `null` for a verb: no approval changes what a person may do.
    pub ask: Option<WhomToAsk>,
    /// One sentence that ends with the next move.
    pub next: String,
}

/// Explains the answer to an attempt.
pub fn explain(policy: &CedarPolicy, question: &AttemptQuestion) -> Explanation {
    let decision = policy.decide(question);
    let ask = policy.whom_to_ask(question);
    let name = question.action.name();
    let mut then = Vec::new();
    let next = match &ask {
        _ if !decision.errors.is_empty() => faulty(name, &decision),
        WhomToAsk::Nobody => format!("`{name}` may run now; nobody needs to be asked"),
        WhomToAsk::NoOne if decision.deciding.is_empty() => {
            format!("`{name}` may not run: no policy permits it to this principal, and no approval would; see `quell policy show`")
        }
        WhomToAsk::NoOne => format!("`{name}` may not run, and no approval lifts that: {}", whys(policy, &decision.deciding)),
        WhomToAsk::These { approvals } => {
            let mut approved = question.clone();
            approved.circumstances.approvals = approvals.clone();
            then = reasons(policy, &policy.decide(&approved).deciding);
            let missing = crate::still_missing(approvals, &question.circumstances.approvals);
            format!("`{name}` waits for {}; they approve with `quell case approve`", in_words(&missing))
        }
    };
    Explanation { reasons: reasons(policy, &decision.deciding), then, ask: Some(ask), next, decision }
}

/// Explains the answer to a verb.
pub fn explain_verb(policy: &CedarPolicy, question: &VerbQuestion) -> Explanation {
    let decision = policy.permits(question);
    let name = question.verb.name();
    let next = if !decision.errors.is_empty() {
        faulty(name, &decision)
    } else if decision.allowed {
        format!("`{name}` is permitted")
    } else if decision.deciding.is_empty() {
        format!("`{name}` is not permitted to these roles; `quell policy show` says to whom it is")
    } else {
        format!("`{name}` is not permitted: {}", whys(policy, &decision.deciding))
    };
    Explanation { reasons: reasons(policy, &decision.deciding), then: Vec::new(), ask: None, next, decision }
}

fn faulty(name: &str, decision: &Decision) -> String {
    format!(
        "`{name}` may not run, because policy could not be evaluated: {}; mend it and run `quell policy check`",
        decision.errors.join("; ")
    )
}

fn reasons(policy: &CedarPolicy, ids: &[String]) -> Vec<Reason> {
    ids.iter()
        .filter_map(|id| policy.rule(id))
        .map(|rule| Reason {
            id: rule.id.clone(),
            owner: rule.owner.clone(),
            forbids: rule.forbids,
            why: rule.why.clone(),
            file: rule.file.clone(),
            line: rule.line,
        })
        .collect()
}

fn whys(policy: &CedarPolicy, ids: &[String]) -> String {
    reasons(policy, ids).iter().map(|r| format!("{} ({})", r.why, r.id)).collect::<Vec<_>>().join(" ")
}

/// `2 of the identity team and 1 of the business owner`.
fn in_words(approvals: &Approvals) -> String {
    let parts: Vec<String> = approvals
        .iter()
        .map(|(role, count)| if *count == 1 { role.in_words().to_string() } else { format!("{count} people of {}", role.in_words()) })
        .collect();
    parts.join(" and ")
}
