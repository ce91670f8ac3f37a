//! Why a case stands as it does, in sentences. Everything here was decided
//! elsewhere and is only read.

use quell_core::{
    action::Action,
    by_hand,
    case::Task,
    course::PlanState,
    draft,
    plan::{Proves, Step},
    proof::Life,
    respond::Situation,
    time::Timestamp,
    view,
};
use serde_json::{Value, json};

/// What was done, what was not and by which policy, who is awaited until when,
/// what happens then, and the one next command.
pub fn why(s: &Situation<'_>, now: Timestamp) -> Value {
    let mut done = Vec::new();
    let mut not_done = Vec::new();
    for state in s.case.plans.iter().filter_map(|(id, _)| s.plans.get(id)) {
        for step in &state.plan.steps {
            let sentence = draft::sentence(step);
            match view::step_state(s, state, step) {
                // What a person says is done is said, and by whom; only a probe proves it.
                "done" if step.action == Action::HumanTask => done.push(said(s, state, step, &sentence)),
                "done" | "undone" => done.push(sentence),
                how => {
                    let decision = state.decided.as_ref().and_then(|d| d.steps.iter().find(|x| x.step == step.n));
                    not_done.push(json!({
                        "what": sentence, "state": how, "plan": state.plan.id, "step": step.n,
                        "because": because(s, state, step.n, how, now),
                        "policies": decision.map(|d| d.decision.deciding.clone()).unwrap_or_default(),
                    }));
                }
            }
        }
    }
    let waiting = view::waiting_for(s, now);
    let awaited: Vec<Value> = waiting
        .iter()
        .map(|w| json!({ "who": w["role"], "people": w["people"], "what": w["what"], "until": w["deadline"], "then": w["at_timeout"] }))
        .collect();
    let findings: Vec<Value> = s.case.findings.iter().map(|f| json!({ "id": f.id, "kind": f.kind, "folding": view::folding(f) })).collect();
    json!({ "findings": findings, "headline": view::headline(s, now), "done": done, "not_done": not_done, "awaited": awaited, "next": next(s, &waiting) })
}

fn said(s: &Situation<'_>, state: &PlanState, step: &Step, sentence: &str) -> String {
    let ended = by_hand::said_of(s.case, state, step.n).and_then(|task| task.ended.as_ref());
    let by = ended.map_or_else(|| "nobody".to_owned(), |(by, at)| format!("{} at {at}", json!(by).as_str().unwrap_or_default()));
    let target = step.selector.identity();
    let held = s.targets.iter().filter(|(_, t)| t.target.as_ref().is_some_and(|t| t.identity == *target));
    let proved = matches!(step.proves, Proves::Dead { .. }) && held.into_iter().all(|(_, t)| t.life == Some(Life::Dead));
    format!("{sentence} (said done by {by}, {})", if proved { "and proved" } else { "not proved by Quell" })
}

fn because(s: &Situation<'_>, state: &PlanState, step: u16, how: &str, now: Timestamp) -> String {
    if let Some((_, why, _)) = state.course(step).ended {
        return why;
    }
    if let Some((_, why)) = &state.ended {
        return why.clone();
    }
    let planned = state.plan.steps.iter().find(|x| x.n == step);
    if state.started.is_none() {
        let decision = state.decided.as_ref().and_then(|d| d.steps.iter().find(|x| x.step == step));
        return match (decision, planned) {
            (None, _) => "policy has not been asked yet".to_owned(),
            (Some(d), _) if d.wanted.is_none() => "no approval would let policy permit it".to_owned(),
            (Some(d), _) if d.wanted.as_ref().is_some_and(|w| !w.is_empty()) && !d.decision.allowed => "it waits for approval".to_owned(),
            (_, Some(x)) if !s.installation.lets(x, now) => {
                format!("`{}` only observes, because nobody armed it for this", x.plane.connector)
            }
            _ if !state.plan.gaps.is_empty() => "the plan is INCOMPLETE, and running it needs a reason".to_owned(),
            _ => "the plan has not started".to_owned(),
        };
    }
    match how {
        "running" => "it was ordered, and no probe has proved its effect yet".to_owned(),
        "paused" => state.paused.clone().map_or_else(|| "the plan is paused".to_owned(), |why| format!("the plan is paused: {why:?}")),
        "cleared" => "it waits for the steps before it".to_owned(),
        "unknown" => "what became of it is not known; it is being read".to_owned(),
        other => format!("it stands at {other}"),
    }
}

fn is_step_by_hand(s: &Situation<'_>, task: &Task) -> bool {
    let step = task.added.plan.as_ref().and_then(|plan| s.plans.get(plan)).zip(task.added.step);
    step.and_then(|(state, n)| state.plan.step(n)).is_some_and(|step| step.action == Action::HumanTask)
}

/// One command, the most useful now.
fn next(s: &Situation<'_>, waiting: &[Value]) -> String {
    let id = &s.case.id;
    if let Some(into) = &s.case.merged_into {
        return format!("quell case show {into}");
    }
    if !s.case.is_open() {
        return format!("quell evidence export {id} -o {id}.zip");
    }
    let plan = |w: &Value| s.plans.values().find(|p| Some(p.plan.id.as_str()) == w["plan"].as_str());
    if let Some(first) = waiting.first() {
        let what = first["what"].as_str().unwrap_or_default();
        if let Some(task) = first["task"].as_str() {
            let wants = s.case.tasks.iter().find(|t| t.added.task.as_str() == task).is_some_and(|t| is_step_by_hand(s, t));
            return format!("quell case task {id} {task} --done{}", if wants { " --saw TEXT" } else { "" });
        }
        if let Some(state) = plan(first) {
            if !first["missing"].is_null() {
                return format!("quell case approve {id} --digest {}", state.digest);
            }
            if what.starts_with("arm ") {
                let first = state.plan.steps.first();
                let actions: std::collections::BTreeSet<&str> = state.plan.steps.iter().map(|x| x.action.name()).collect();
                let actions: String = actions.iter().map(|a| format!(" --action {a}")).collect();
                return format!("quell connector arm {}{actions} --until +8h", first.map_or("NAME", |x| x.plane.connector.as_str()));
            }
            if what.contains("INCOMPLETE") {
                return format!("quell case run {id} --digest {} --reason TEXT", state.digest);
            }
            if what.contains("policy lets nobody") {
                return "quell policy show".to_owned();
            }
        }
        if what.contains("paused") {
            return "quell automation resume".to_owned();
        }
    }
    if s.plans.values().any(|p| p.is_open() && p.started.is_some()) {
        return format!("quell case wait {id} --for proven");
    }
    if view::is_proven(s) { format!("quell case close {id}") } else { format!("quell case plan {id}") }
}
