//! What strict validation lets pass and Quell does not.
//!
//! Approvals may only ever help: they occur as sums of `context.approvals.ROLE`
//! compared by `>=` with a number, under nothing but `&&`, `||` and the
//! branches of `if`, in the `when` of a `permit` or the `unless` of a `forbid`.
//! The search in `ask` rests on it. Other arithmetic is refused because it can
//! overflow, and an overflow is an alarm instead of an answer. Every policy
//! says in English what it is for. Reads Cedar's own JSON form of a policy.

use cedar_policy::{Effect, Policy};
use serde_json::Value;

use crate::{load::Problem, show::Rule};

/// Who may own a policy: one file each.
pub(crate) const OWNERS: [&str; 3] = ["iam", "secops", "business"];

const REQUIRED: [&str; 4] = ["why", "who", "may", "to"];
const KNOWN: [&str; 8] = ["id", "owner", "why", "who", "may", "to", "unless", "ask"];

/// Attributes that are true, or greater than any number, where Quell does not know.
const TRUE_WHEN_UNKNOWN: [&str; 5] = ["human", "production", "critical", "shared", "third_party"];
const GREATEST_WHEN_UNKNOWN: [&str; 3] = ["criticality", "reach", "dependents"];

/// Looks at one policy. Problems keep the set from being loaded.
pub(crate) fn policy(policy: &Policy, rule: &Rule, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    annotations(policy, rule, problems);
    let mut walk = Walk { file: &rule.file, line: rule.line, id: &rule.id, problems, warnings };
    for (grants, approvals, body) in conditions(policy) {
        walk.expression(&body, Place { grants: Some(grants), approvals });
    }
}

/// The largest number that a sum of approvals is compared with in this policy.
pub(crate) fn approvals_max(policy: &Policy) -> u8 {
    conditions(policy).iter().map(|(_, _, body)| largest_threshold(body)).max().unwrap_or(0)
}

/// Each condition with: does its being true grant, may approvals stand here,
/// and its expression.
fn conditions(policy: &Policy) -> Vec<(bool, bool, Value)> {
    // A static policy always has a JSON form; without one there is nothing to look at.
    let json = policy.to_json().unwrap_or(Value::Null);
    let permit = policy.effect() == Effect::Permit;
    let Some(list) = json.get("conditions").and_then(Value::as_array) else { return Vec::new() };
    list.iter()
        .map(|condition| {
            let when = condition["kind"] == "when";
            // `permit when` and `forbid unless` grant by being true.
            (permit == when, permit == when, condition["body"].clone())
        })
        .collect()
}

fn annotations(policy: &Policy, rule: &Rule, problems: &mut Vec<Problem>) {
    let mut say = |message: String| problems.push(Problem::in_file(&rule.file, rule.line, message));
    for name in REQUIRED {
        if policy.annotation(name).is_none_or(|text| text.trim().is_empty()) {
            say(format!("`{}` has no @{name}; `policy show` and `case why` print it", rule.id));
        }
    }
    for (name, _) in policy.annotations() {
        if !KNOWN.contains(&name) {
            say(format!("`{}` has the unknown annotation @{name}; known are @{}", rule.id, KNOWN.join(", @")));
        }
    }
    if !OWNERS.contains(&rule.owner.as_str()) {
        say(format!(
            "`{}` has the unknown owner `{}`; name the file after its owner or add @owner: {}",
            rule.id,
            rule.owner,
            OWNERS.join(", ")
        ));
    } else if !rule.id.starts_with(&format!("{}.", rule.owner)) {
        say(format!("the id `{}` does not begin with its owner; call it `{}.{}`", rule.id, rule.owner, rule.id));
    }
    if !rule.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-') {
        say(format!("the id `{}` holds more than lower-case letters, digits, `.` and `-`", rule.id.escape_debug()));
    }
}

/// Where in a condition the walk stands.
#[derive(Clone, Copy)]
struct Place {
    /// Being true here makes for permission; `None` where both may be.
    grants: Option<bool>,
    /// A sum of approvals may stand here.
    approvals: bool,
}

impl Place {
    fn turned(self) -> Self {
        Self { grants: self.grants.map(|g| !g), approvals: false }
    }

    fn inside(self) -> Self {
        Self { grants: None, approvals: false }
    }
}

struct Walk<'a> {
    file: &'a str,
    line: u32,
    id: &'a str,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn refuse(&mut self, message: &str) {
        let problem = Problem::in_file(self.file, self.line, format!("`{}`: {message}", self.id));
        // A sum of six roles in a wrong place is one mistake.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn expression(&mut self, expression: &Value, place: Place) {
        let Some((operator, arguments)) = operation(expression) else { return };
        match operator {
            "Value" => {}
            "Var" if arguments == "context" => {
                self.refuse("`context` is used as a whole; read one attribute of it, as in `context.confidence`");
            }
            "Var" => {}
            "&&" | "||" => {
                self.expression(&arguments["left"], place);
                self.expression(&arguments["right"], place);
            }
            "!" => self.expression(&arguments["arg"], place.turned()),
            "if-then-else" => {
                self.expression(&arguments["if"], place.inside());
                self.expression(&arguments["then"], place);
                self.expression(&arguments["else"], place);
            }
            ">=" if is_sum_of_approvals(&arguments["left"]) => self.threshold(&arguments["right"], place),
            ">=" | ">" => self.comparison(arguments, place),
            "<=" | "<" => self.comparison(arguments, place.turned()),
            "+" | "-" | "*" | "neg" => {
                if mentions_approvals(expression) {
                    self.approvals_misused();
                } else {
                    self.refuse("arithmetic can overflow and is refused outside of a sum of approvals; compare with a number instead");
                }
            }
            "." | "has" => self.attribute(arguments, place),
            _ => self.each(arguments, place.inside()),
        }
    }

    fn threshold(&mut self, number: &Value, place: Place) {
        match threshold(number) {
            Some(1..=9) if place.approvals => {}
            Some(1..=9) => self.approvals_misused(),
            _ => self.refuse("a sum of approvals is compared with a number from 1 to 9"),
        }
    }

    fn comparison(&mut self, arguments: &Value, place: Place) {
        let sides = Place { approvals: false, ..place };
        self.expression(&arguments["left"], sides);
        self.expression(&arguments["right"], sides.turned());
    }

    fn attribute(&mut self, arguments: &Value, place: Place) {
        let of = arguments["left"].get("Var").and_then(Value::as_str);
        let name = arguments["attr"].as_str().unwrap_or_default();
        match of {
            Some("context") if name == "approvals" => self.approvals_misused(),
            Some("context" | "resource") if is_unknown_marked(name) && place.grants != Some(false) => {
                self.warnings.push(Problem::in_file(
                    self.file,
                    self.line,
                    format!("`{}` grants by `{name}`, which counts as true or greatest where it is unknown; add `known_..` or ask for its contrary", self.id),
                ));
            }
            Some(_) => {}
            None => self.expression(&arguments["left"], place.inside()),
        }
    }

    fn each(&mut self, arguments: &Value, place: Place) {
        match arguments {
            Value::Array(list) => list.iter().for_each(|one| self.expression(one, place)),
            Value::Object(fields) => fields.values().for_each(|one| self.expression(one, place)),
            _ => {}
        }
    }

    fn approvals_misused(&mut self) {
        self.refuse(
            "approvals stand only as `context.approvals.ROLE + .. >= NUMBER`, in the `when` of a permit or the `unless` of a forbid, under `&&` and `||` alone: one more yes must never take a permission away",
        );
    }
}

/// Operator and arguments of one node of Cedar's JSON form.
fn operation(expression: &Value) -> Option<(&str, &Value)> {
    expression.as_object()?.iter().next().map(|(operator, arguments)| (operator.as_str(), arguments))
}

fn threshold(number: &Value) -> Option<u64> {
    number.get("Value")?.as_u64()
}

fn is_unknown_marked(name: &str) -> bool {
    TRUE_WHEN_UNKNOWN.contains(&name) || GREATEST_WHEN_UNKNOWN.contains(&name)
}

/// `context.approvals`.
fn is_approvals(expression: &Value) -> bool {
    matches!(operation(expression), Some((".", a)) if a["attr"] == "approvals" && a["left"]["Var"] == "context")
}

/// `context.approvals.ROLE`, or a sum of such.
fn is_sum_of_approvals(expression: &Value) -> bool {
    match operation(expression) {
        Some(("+", a)) => is_sum_of_approvals(&a["left"]) && is_sum_of_approvals(&a["right"]),
        Some((".", a)) => is_approvals(&a["left"]),
        _ => false,
    }
}

fn mentions_approvals(expression: &Value) -> bool {
    is_approvals(expression)
        || match expression {
            Value::Array(list) => list.iter().any(mentions_approvals),
            Value::Object(fields) => fields.values().any(mentions_approvals),
            _ => false,
        }
}

fn largest_threshold(expression: &Value) -> u8 {
    let here = match operation(expression) {
        Some((">=", a)) if is_sum_of_approvals(&a["left"]) => threshold(&a["right"]).and_then(|n| u8::try_from(n).ok()).unwrap_or(0),
        _ => 0,
    };
    let below = match expression {
        Value::Array(list) => list.iter().map(largest_threshold).max(),
        Value::Object(fields) => fields.values().map(largest_threshold).max(),
        _ => None,
    };
    here.max(below.unwrap_or(0))
}
