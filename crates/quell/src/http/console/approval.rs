//! One question to one person, phone first: what may be happening, what a yes
//! does, what a no does, what silence does, how it is taken back. Plain forms.
//!
//! The page asks for the digest it showed: if the plan changed meanwhile, the
//! answer is refused and nobody has said yes to what they did not see.

use axum::{
    extract::{Path, State as Shared},
    response::{IntoResponse, Redirect, Response},
};
use quell_core::{
    case::Command,
    decision::{Role, Verb},
    event::Verdict,
    id::{CaseId, PersonId, PlanId, TaskId},
    personal::Salter,
    view,
};
use quell_engine::{Failure, ground::Ground};
use serde::Deserialize;
use serde_json::Value;

use super::{
    page::{Html, Page},
    visitor::{Guarded, Sent, Visitor, refuse},
};
use crate::http::{
    State,
    problem::{Answer, Problem},
};

pub async fn show(Shared(app): Shared<State>, Path((case, plan)): Path<(String, String)>, visitor: Visitor) -> Response {
    match page(&app, &CaseId::new(case), &PlanId::new(plan), &visitor).await {
        Ok(page) => page.into_response(),
        Err(problem) => refuse(problem),
    }
}

/// What the page is made of.
struct Question {
    case: Value,
    plan: Value,
    /// The roles that policy still asks for and that this person has.
    roles: Vec<Role>,
    /// Why the person cannot answer, in one sentence.
    shut: Option<String>,
    about: String,
}

async fn question(app: &State, id: &CaseId, plan: &PlanId, visitor: &Visitor) -> Answer<Question> {
    let caller = &visitor.person.caller;
    app.engine.may(caller, Verb::Read, Some(id), &[]).await?;
    let ground = app.engine.ground(id).await?.ok_or_else(|| Problem::unknown(format!("case `{}`", id.as_str().escape_default())))?;
    let now = app.engine.ports.clock.now();
    let case = view::case(&ground.situation(), now);
    let found = case["plans"].as_array().into_iter().flatten().find(|p| p["id"] == plan.as_str()).cloned();
    let plan = found.ok_or_else(|| Problem::unknown(format!("plan `{}` in case `{id}`", plan.as_str().escape_default())))?;
    let wanted: Vec<&str> = items(&case["waiting_for"])
        .filter(|w| w["plan"] == plan["id"] && !w["missing"].is_null())
        .filter_map(|w| w["role"].as_str())
        .collect();
    let roles: Vec<Role> = caller.roles.iter().copied().filter(|r| wanted.contains(&r.name())).collect();
    let given = items(&plan["approvals"]).find(|a| a["by"] == caller.id.as_str());
    let shut = match (plan["state"].as_str(), given) {
        (_, Some(given)) => Some(format!("You approved this plan at {}.", text(&given["at"]))),
        (Some("waiting"), None) if !roles.is_empty() => None,
        (Some("waiting"), None) if wanted.is_empty() => Some("Nobody's approval is missing.".to_owned()),
        (Some("waiting"), None) => Some(format!("It waits for {}, which you are not.", words(&wanted))),
        (state, None) => Some(format!("The plan is {}; there is nothing to answer.", state.unwrap_or("unknown").replace('_', " "))),
    };
    let shut = match (shut, app.engine.may(caller, Verb::Approve, Some(id), &[]).await) {
        (None, Err(why)) => Some(why.to_string()),
        (shut, _) => shut,
    };
    Ok(Question { about: about(&ground), case, plan, roles, shut })
}

/// `Billing's password on pg-main`: inventory names and our words alone.
fn about(ground: &Ground) -> String {
    let name = ground
        .case
        .subjects
        .values()
        .next()
        .map(|s| s.name.as_ref().and_then(|n| n.value()).map_or_else(|| s.identity.reference(), str::to_owned));
    let resolved = ground.case.findings.iter().find_map(|f| f.resolved.as_ref());
    let kind = ground.case.linked.iter().find_map(|(_, kind)| *kind);
    let kind = kind
        .and_then(|k| serde_json::to_value(k).ok())
        .and_then(|k| k.as_str().map(|k| k.replace('_', " ")))
        .unwrap_or_else(|| "access".to_owned());
    let plane = resolved.map_or_else(String::new, |r| format!(" on {}", r.identity.plane));
    match name {
        Some(name) => format!("{name}'s {kind}{plane}"),
        None => format!("somebody's {kind}{plane}"),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn words(roles: &[&str]) -> String {
    let words: Vec<String> =
        roles.iter().map(|r| Role::of_name(r).map_or_else(|| (*r).to_owned(), |role| role.in_words().to_owned())).collect();
    words.join(" and ")
}

async fn page(app: &State, id: &CaseId, plan: &PlanId, visitor: &Visitor) -> Answer<Page> {
    let q = question(app, id, plan, visitor).await?;
    let undo = q.plan["kind"] == "undo";
    let title = if undo { "May it come back?" } else { "May we stop this?" };
    let mut page = visitor.page(app, title).await?;
    let body = &mut page.body;
    happening(body, &q, undo);
    if let Some(shut) = &q.shut {
        body.raw("<p class=\"notice\" role=\"status\">").text(shut).raw("</p>");
    }
    yes(body, &q, undo);
    no(body, &q, undo);
    silence(body, &q);
    back(body, &q);
    if q.shut.is_none() {
        buttons(body, &q, &visitor.csrf(), undo);
    }
    details(body, &q, id);
    Ok(page)
}

fn happening(body: &mut Html, q: &Question, undo: bool) {
    body.raw("<p class=\"lead\">");
    if undo {
        body.raw("<strong>").text(&q.about).raw("</strong> was stopped. This plan lets it work again.");
    } else {
        body.raw("Someone may be using <strong>").text(&q.about).raw("</strong>.");
    }
    body.raw("</p><p class=\"standing\">").text(text(&q.case["headline"])).raw("</p>");
}

fn yes(body: &mut Html, q: &Question, undo: bool) {
    body.raw("<section aria-labelledby=\"yes\"><h2 id=\"yes\">If you approve</h2>");
    if q.plan["failover"] == true {
        body.raw("<p>Its consumers move to a new credential first; once they are seen using it, the old one stops.</p>");
    }
    body.raw("<ol>");
    for step in items(&q.plan["steps"]) {
        body.raw("<li>").text(text(&step["sentence"])).raw("</li>");
    }
    body.raw("</ol>");
    // A plan that fails over lists none at its steps: they are the subject's consumers.
    let of_steps = items(&q.plan["steps"]).flat_map(|s| items(&s["dependents"])).filter_map(Value::as_str);
    let of_subjects = items(&q.case["subjects"]).flat_map(|s| items(&s["consumers"])).filter_map(|c| c["name"].as_str());
    let mut stops: Vec<&str> = of_steps.chain(of_subjects).collect();
    stops.sort_unstable();
    stops.dedup();
    let known = items(&q.case["subjects"]).all(|s| !s["dependents"].is_null());
    body.raw("<p><strong>");
    body.raw(match (undo, q.plan["failover"] == true) {
        (true, _) => "Touches: ",
        (_, true) => "Moves over: ",
        _ => "Stops working: ",
    });
    body.raw("</strong>");
    match (stops.is_empty(), known) {
        (false, _) => body.text(stops.join(", ")),
        (true, true) => body.raw("no consumer is declared"),
        (true, false) => body.raw("unknown; nobody has declared what needs it"),
    };
    // No rehearsal has been run that could say it, so nothing is promised.
    body.raw(".</p><p><strong>How long:</strong> unknown; this was never rehearsed here.</p>");
    let survives: Vec<&str> = items(&q.plan["steps"]).flat_map(|s| items(&s["survives"])).filter_map(Value::as_str).collect();
    if !survives.is_empty() {
        body.raw("<p><strong>What it does not stop:</strong> ").text(survives.join("; ")).raw(".</p>");
    }
    body.raw("<p class=\"faint\">Others may have to approve, too, and the plane must be armed. Nothing counts as stopped before a probe proved it.</p></section>");
}

fn no(body: &mut Html, q: &Question, undo: bool) {
    body.raw("<section aria-labelledby=\"no\"><h2 id=\"no\">If you refuse</h2><p>");
    if undo {
        body.raw("The plan ends. It stays stopped until somebody orders another plan.");
    } else {
        body.raw("The plan ends. What is usable now stays usable until somebody orders another plan: ").text(states(&q.case)).raw(".");
    }
    body.raw("</p></section>");
}

/// `1 LIVE, 2 UNKNOWN`.
fn states(case: &Value) -> String {
    let counts: Vec<String> = case["states"].as_object().into_iter().flatten().map(|(state, n)| format!("{n} {state}")).collect();
    if counts.is_empty() { "nothing was looked at yet".to_owned() } else { counts.join(", ") }
}

fn silence(body: &mut Html, q: &Question) {
    body.raw("<section aria-labelledby=\"silence\"><h2 id=\"silence\">If you do nothing</h2>");
    let mut any = false;
    for waiting in items(&q.case["waiting_for"]).filter(|w| w["plan"] == q.plan["id"]) {
        any = true;
        body.raw("<p>");
        if let Some(deadline) = waiting["deadline"].as_str() {
            body.raw("At ").moment(deadline).raw(" (<span data-until=\"").text(deadline).raw("\">see the clock</span>): ");
        }
        body.text(text(&waiting["at_timeout"])).raw(".</p>");
    }
    if !any {
        body.raw("<p>Nothing: the plan does not wait for anybody.</p>");
    }
    body.raw("</section>");
}

fn back(body: &mut Html, q: &Question) {
    body.raw("<section aria-labelledby=\"back\"><h2 id=\"back\">How it is taken back</h2><ul>");
    for step in items(&q.plan["steps"]) {
        let how = match text(&step["reversible"]) {
            "exact" => "exactly as it was",
            "approximate" => "works again, not as the same bytes",
            _ => "cannot be taken back",
        };
        body.raw("<li>").text(format!("Step {}: {how}", step["n"]));
        if let Some(undo) = step["undo"].as_str().filter(|u| !u.is_empty()) {
            body.raw(" (").text(undo).raw(")");
        }
        body.raw("</li>");
    }
    body.raw("</ul></section>");
}

fn buttons(body: &mut Html, q: &Question, csrf: &str, undo: bool) {
    body.raw("<section class=\"answers\" aria-label=\"Your answer\"><form method=\"post\" class=\"stack\">").csrf(csrf);
    body.raw("<input type=\"hidden\" name=\"digest\" value=\"").text(text(&q.plan["digest"])).raw("\">");
    if let [one] = q.roles.as_slice() {
        body.raw("<input type=\"hidden\" name=\"role\" value=\"").text(one.name()).raw("\">");
    } else {
        body.raw("<label for=\"role\">You answer for</label><select id=\"role\" name=\"role\">");
        for role in &q.roles {
            body.raw("<option value=\"").text(role.name()).raw("\">").text(role.in_words()).raw("</option>");
        }
        body.raw("</select>");
    }
    let failover = q.plan["failover"] == true;
    let label = match (undo, failover) {
        (true, _) => "Let it work again",
        (_, true) => "Switch over safely",
        _ => "Cut now",
    };
    body.raw("<button class=\"primary big\" name=\"answer\" value=\"approve\">").text(label).raw("</button></form>");
    if !undo {
        body.raw("<p class=\"faint\">");
        body.raw(if failover {
            "“Cut now” is another plan, which nobody has drafted: ask the lead if waiting for the switch is worse than an outage."
        } else {
            "“Switch over safely” is not offered: the inventory names no way to hand its consumers a new credential."
        });
        body.raw("</p>");
    }
    body.raw("<details><summary class=\"button\">Refuse, say why</summary><form method=\"post\" class=\"stack\">").csrf(csrf);
    body.raw("<input type=\"hidden\" name=\"digest\" value=\"").text(text(&q.plan["digest"])).raw("\"><label for=\"reason\">Why not?</label><textarea id=\"reason\" name=\"reason\" rows=\"3\" required maxlength=\"2000\"></textarea><button class=\"danger\" name=\"answer\" value=\"refuse\">Refuse this plan</button></form></details><form method=\"post\" class=\"stack\">").csrf(csrf);
    body.raw("<input type=\"hidden\" name=\"digest\" value=\"")
        .text(text(&q.plan["digest"]))
        .raw("\"><button name=\"answer\" value=\"call\">I don't know: call me</button></form></section>");
}

fn details(body: &mut Html, q: &Question, id: &CaseId) {
    body.raw(
        "<section aria-labelledby=\"details\"><h2 id=\"details\">Digest and details</h2><dl><dt>Digest</dt><dd><code class=\"digest\">",
    )
    .text(text(&q.plan["digest"]));
    body.raw("</code></dd><dt>Plan</dt><dd>").text(format!("{} ({})", text(&q.plan["id"]), text(&q.plan["kind"])));
    body.raw("</dd><dt>Case</dt><dd><a href=\"/cases/")
        .text(id.as_str())
        .raw("\">")
        .text(id.as_str())
        .raw("</a></dd><dt>Confidence</dt><dd>")
        .text(q.case["confidence"].to_string());
    body.raw(" of 100, computed</dd></dl>");
    for step in items(&q.plan["steps"]) {
        body.raw("<h3>").text(format!("Step {}: {}", step["n"], text(&step["action"]).replace('_', " "))).raw("</h3><p>Targets: ");
        let targets: Vec<&str> = items(&step["targets"]).filter_map(Value::as_str).collect();
        body.text(if targets.is_empty() { "none found so far".to_owned() } else { targets.join(", ") });
        body.raw("</p><p class=\"faint\">Policy: ")
            .text(items(&step["policies"]).filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
            .raw("</p>");
    }
    let gaps: Vec<&str> = items(&q.plan["incomplete"]).filter_map(Value::as_str).collect();
    if !gaps.is_empty() {
        body.raw("<h3>INCOMPLETE: what the plan leaves out</h3>").list(gaps);
    }
    let unseen: Vec<&str> = items(&q.case["not_looked_at"]).filter_map(Value::as_str).collect();
    body.raw("<h3>Not looked at</h3>");
    if unseen.is_empty() {
        body.raw("<p>Nothing is known to be left out.</p>")
    } else {
        body.list(unseen)
    };
    body.raw("<h3>What the senders wrote</h3><ul>");
    for finding in items(&q.case["findings"]) {
        body.raw("<li>").text(text(&finding["kind"]).replace('_', " ")).raw(": ").quote(text(&finding["untrusted"]["title"])).raw("</li>");
    }
    body.raw("</ul></section>");
}

#[derive(Deserialize)]
pub struct Reply {
    csrf: String,
    digest: String,
    answer: Kind,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Approve,
    Refuse,
    Call,
}

impl Guarded for Reply {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

pub async fn answer(
    Shared(app): Shared<State>,
    Path((case, plan)): Path<(String, String)>,
    Sent { visitor, form }: Sent<Reply>,
) -> Response {
    let (id, plan) = (CaseId::new(case), PlanId::new(plan));
    match carry_out(&app, &id, &visitor, form).await {
        // A reload asks again instead of answering again.
        Ok(None) => Redirect::to(&format!("/cases/{id}/approval/{plan}")).into_response(),
        Ok(Some(page)) => page.into_response(),
        Err(problem) => refuse(problem),
    }
}

async fn carry_out(app: &State, id: &CaseId, visitor: &Visitor, reply: Reply) -> Answer<Option<Page>> {
    let caller = &visitor.person.caller;
    match reply.answer {
        Kind::Approve => {
            let role =
                reply.role.as_deref().map(|r| Role::of_name(r).ok_or_else(|| Problem::invalid("role", "unknown role"))).transpose()?;
            app.engine.approve(caller, id, &reply.digest, role, None).await?;
            Ok(None)
        }
        Kind::Refuse => {
            let reason = reply.reason.unwrap_or_default();
            if reason.trim().is_empty() {
                return Err(Problem::invalid("reason", "say why; the others need to know"));
            }
            app.engine.deny(caller, id, &reply.digest, reason).await?;
            Ok(None)
        }
        Kind::Call => call(app, id, visitor).await.map(Some),
    }
}

/// Not knowing is an answer, too: it is recorded, and the lead is asked to call.
async fn call(app: &State, id: &CaseId, visitor: &Visitor) -> Answer<Page> {
    let caller = &visitor.person.caller;
    let judges = [Role::BusinessOwner, Role::Iam, Role::Secops].into_iter().find(|r| caller.roles.contains(r));
    if let Some(role) = judges {
        app.engine.give_verdict(caller, id, role, Verdict::DoNotKnow, None).await?;
    }
    let name = visitor.name(app).await?;
    let address = app
        .engine
        .person(&PersonId::new(caller.id.as_str()))
        .await?
        .and_then(|p| p.email.map(|e| format!(" ({})", e.shown())))
        .unwrap_or_default();
    let chance = &app.engine.ports.chance;
    let text = Salter::new(chance.seed()).commit(format!("{name}{address} was asked to approve, does not know, and wants to be called"));
    let asked = app
        .engine
        .command(caller, id, Verb::Task, Command::AddTask { task: TaskId::from_chance(chance.id()), owner: Role::Lead, text })
        .await;
    let mut page = visitor.page(app, "Recorded").await?;
    page.body.raw("<p class=\"notice\" role=\"status\">");
    match asked {
        Ok(_) => {
            page.body.raw("Your answer is recorded, and the lead has a task to call you. The plan still waits, and its deadline stands.")
        }
        Err(Failure::Refused(why)) => page.body.raw("Your answer is recorded, but no task could be made: ").text(why),
        Err(other) => return Err(other.into()),
    };
    page.body.raw("</p><p><a href=\"/waiting\">What waits for you</a></p>");
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_is_not_there_is_not_zero() {
        assert_eq!(states(&serde_json::json!({ "states": {} })), "nothing was looked at yet");
        assert_eq!(states(&serde_json::json!({ "states": { "LIVE": 1, "UNKNOWN": 2 } })), "1 LIVE, 2 UNKNOWN");
    }
}
