//! The set as one table in English: who / may do / to what / unless / ask whom.
//!
//! The words are the annotations that stand beside each policy; the loader
//! refuses a policy without them.

use cedar_policy::{Effect, Policy};
use serde::Serialize;

use crate::{decide::CedarPolicy, lint};

/// The columns of the table, in order.
pub const HEADINGS: [&str; 6] = ["rule", "who", "may do", "to what", "unless", "ask whom"];

/// What the loader keeps of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub id: String,
    pub file: String,
    /// From 1; 0 where the id is not written in one piece.
    pub line: u32,
    /// `iam`, `secops` or `business`: the @owner, else the file's name.
    pub owner: String,
    pub forbids: bool,
    pub who: String,
    pub may: String,
    pub to: String,
    pub unless: Option<String>,
    pub ask: Option<String>,
    pub why: String,
    /// The largest number that a sum of approvals is compared with; 0 for none.
    pub(crate) approvals_max: u8,
}

impl Rule {
    pub(crate) fn of(policy: &Policy, id: &str, file: &str, line: u32) -> Self {
        let text = |name: &str| policy.annotation(name).map(str::to_string);
        let said = |name: &str| text(name).unwrap_or_default();
        Self {
            id: id.to_string(),
            file: file.to_string(),
            line,
            owner: text("owner").unwrap_or_else(|| file.trim_end_matches(".cedar").to_string()),
            forbids: policy.effect() == Effect::Forbid,
            who: said("who"),
            may: said("may"),
            to: said("to"),
            unless: text("unless"),
            ask: text("ask"),
            why: said("why"),
            approvals_max: lint::approvals_max(policy),
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub id: String,
    pub owner: String,
    pub forbids: bool,
    pub who: String,
    pub may: String,
    pub to: String,
    /// `null` where nothing lifts it.
    pub unless: Option<String>,
    /// `null` where nobody can be asked.
    pub ask: Option<String>,
    pub why: String,
}

impl Row {
    /// The cells under [`HEADINGS`].
    pub fn cells(&self) -> [&str; 6] {
        let unless = self.unless.as_deref().unwrap_or(if self.forbids { "never" } else { "" });
        [&self.id, &self.who, &self.may, &self.to, unless, self.ask.as_deref().unwrap_or("")]
    }
}

/// The whole set: what is forbidden first, then what is permitted, by owner.
pub fn show(policy: &CedarPolicy) -> Vec<Row> {
    let mut rules: Vec<_> = policy.rules().iter().collect();
    rules.sort_by(|a, b| (!a.forbids, &a.owner, &a.file, a.line).cmp(&(!b.forbids, &b.owner, &b.file, b.line)));
    rules
        .into_iter()
        .map(|rule| Row {
            id: rule.id.clone(),
            owner: rule.owner.clone(),
            forbids: rule.forbids,
            who: rule.who.clone(),
            may: rule.may.clone(),
            to: rule.to.clone(),
            unless: rule.unless.clone(),
            ask: rule.ask.clone(),
            why: rule.why.clone(),
        })
        .collect()
}
