//! What people order on one case. Every answer is the case after the order.

use axum::{
    Json,
    extract::{Path, State as Shared},
};
use quell_core::{
    case::{Brought, Command},
    decision::{Role, Verb},
    event::Verdict,
    finding::Outcome,
    id::{CaseId, FindingId, PlanId, TargetId, TaskId},
    personal::{Personal, Salter},
    plan::UndoMode,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    cases::shown,
    input::{Account, Input},
    problem::{Answer, Problem},
    shape,
};
use crate::duration;

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(plan))
        .routes(routes!(run))
        .routes(routes!(approve))
        .routes(routes!(deny))
        .routes(routes!(break_glass))
        .routes(routes!(exclude))
        .routes(routes!(verdict))
        .routes(routes!(note))
        .routes(routes!(task))
        .routes(routes!(task_done))
        .routes(routes!(lead))
        .routes(routes!(accept))
        .routes(routes!(undo))
        .routes(routes!(close))
        .routes(routes!(merge))
        .routes(routes!(unmerge))
        .routes(routes!(outcome))
}

fn committed(app: &State, text: Option<String>) -> Option<Personal> {
    text.map(|text| Salter::new(app.engine.ports.chance.seed()).commit(text))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Drafts a containment anew.
#[utoipa::path(post, path = "/cases/{id}/plan", tag = "orders", params(("id" = String, Path)), request_body = Nothing, responses((status = 200, description = "the case", body = shape::Case), (status = 409)))]
async fn plan(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.plan_case(&person.caller, &id).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Run {
    digest: String,
    /// Why an INCOMPLETE plan runs.
    reason: Option<String>,
    /// Only say whether it would run.
    #[serde(default)]
    dry_run: bool,
}

/// Orders a plan to run now.
#[utoipa::path(post, path = "/cases/{id}/run", tag = "orders", params(("id" = String, Path)), request_body = Run,
    responses((status = 200, description = "the case; with `dry_run` also `dry_run: {would_run, because}`, and nothing was recorded", body = shape::Case), (status = 403), (status = 409)))]
async fn run(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>, Input(run): Input<Run>) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    if !run.dry_run {
        app.engine.run_plan(&person.caller, &id, &run.digest, run.reason).await?;
        return shown(&app, &id).await;
    }
    let would = app.engine.could_run(&person.caller, &id, &run.digest, run.reason.is_some()).await;
    if let Err(failure @ (quell_engine::Failure::Unknown(_) | quell_engine::Failure::Unavailable(_))) = would {
        return Err(failure.into());
    }
    let Json(mut case) = shown(&app, &id).await?;
    let plan = case["plans"].as_array().and_then(|plans| plans.iter().find(|p| p["digest"] == run.digest.as_str())).cloned();
    case["dry_run"] = json!({ "would_run": would.is_ok(), "because": would.err().map(|e| e.to_string()), "plan": plan });
    Ok(Json(case))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approve {
    digest: String,
    /// The role to approve in, where one holds several.
    #[serde(rename = "as")]
    role: Option<String>,
    comment: Option<String>,
}

/// Says yes to one digest: by a person's sign-in session.
#[utoipa::path(post, path = "/cases/{id}/approve", tag = "orders", params(("id" = String, Path)), request_body = Approve,
    responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409, description = "another digest, not eligible, or counted already")))]
async fn approve(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(yes): Input<Approve>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let role = yes.role.as_deref().map(|name| role_of("as", name)).transpose()?;
    app.engine.approve(&person.caller, &id, &yes.digest, role, yes.comment).await?;
    shown(&app, &id).await
}

fn role_of(path: &str, name: &str) -> Answer<Role> {
    Role::of_name(name).ok_or_else(|| Problem::invalid(path, format!("unknown role `{}`", name.escape_default())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Deny {
    digest: String,
    reason: String,
}

/// Ends a plan that waits, or stops one that runs from doing more.
#[utoipa::path(post, path = "/cases/{id}/deny", tag = "orders", params(("id" = String, Path)), request_body = Deny, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn deny(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>, Input(no): Input<Deny>) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.deny(&person.caller, &id, &no.digest, no.reason).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BreakGlass {
    digest: String,
    /// Why nobody is waited for; everybody who was passed over reads it.
    reason: String,
    /// How long it holds, such as `15m`; at most an hour, and a quarter of one where it is left out.
    #[serde(rename = "for")]
    lasts: Option<String>,
}

/// Runs a plan at once, without the approvals that are missing: reviewed by others.
#[utoipa::path(post, path = "/cases/{id}/break-glass", tag = "orders", params(("id" = String, Path)), request_body = BreakGlass,
    responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409, description = "nothing to break, not eligible, or what policy lets nobody do")))]
async fn break_glass(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(order): Input<BreakGlass>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let lasts = match order.lasts.as_deref() {
        None => quell_core::break_glass::SECONDS,
        Some(text) => duration::parse(text).map_err(|e| Problem::invalid("for", e))?.as_secs(),
    };
    app.engine.break_glass(&person.caller, &id, &order.digest, &order.reason, lasts).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Exclude {
    digest: String,
    /// Ids of targets, as `target` of a credential or session shows them.
    targets: Vec<String>,
}

/// Takes targets out of a plan; approvals stay.
#[utoipa::path(post, path = "/cases/{id}/exclude", tag = "orders", params(("id" = String, Path)), request_body = Exclude, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn exclude(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(out): Input<Exclude>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let mut targets = Vec::new();
    for target in &out.targets {
        targets.push(target_of(&app, &id, target).await?);
    }
    app.engine.exclude(&person.caller, &id, &out.digest, targets).await?;
    shown(&app, &id).await
}

/// The target of a case by its id, or by its reference `SYSTEM/NATIVE_ID`.
async fn target_of(app: &State, id: &CaseId, text: &str) -> Answer<TargetId> {
    let case = app.engine.case(id).await?.ok_or_else(|| Problem::unknown(format!("case `{id}`")))?;
    let known = case.linked.iter().find(|(t, _)| t.id.as_str() == text || t.reference() == text);
    known.map(|(t, _)| t.id.clone()).ok_or_else(|| Problem::unknown(format!("target `{}` in case `{id}`", text.escape_default())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Judge {
    /// iam, secops or business_owner
    #[schema(value_type = String)]
    role: Role,
    /// entitled, not_entitled, malicious, not_malicious, expected, not_expected, do_not_know
    #[schema(value_type = String)]
    verdict: Verdict,
    evidence: Option<String>,
}

/// Records one function's answer.
#[utoipa::path(post, path = "/cases/{id}/verdict", tag = "orders", params(("id" = String, Path)), request_body = Judge, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn verdict(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(judge): Input<Judge>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.give_verdict(&person.caller, &id, judge.role, judge.verdict, judge.evidence).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
}

/// Writes a note.
#[utoipa::path(post, path = "/cases/{id}/note", tag = "orders", params(("id" = String, Path)), request_body = Note, responses((status = 200, description = "the case", body = shape::Case), (status = 403)))]
async fn note(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(note): Input<Note>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let text = Salter::new(app.engine.ports.chance.seed()).commit(note.text);
    app.engine.command(&person.caller, &id, Verb::Note, Command::Note { text }).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Task {
    #[schema(value_type = String)]
    owner: Role,
    text: String,
}

/// Asks somebody to do something by hand.
#[utoipa::path(post, path = "/cases/{id}/task", tag = "orders", params(("id" = String, Path)), request_body = Task, responses((status = 200, description = "the case", body = shape::Case), (status = 403)))]
async fn task(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(task): Input<Task>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let chance = &app.engine.ports.chance;
    let command =
        Command::AddTask { task: TaskId::from_chance(chance.id()), owner: task.owner, text: Salter::new(chance.seed()).commit(task.text) };
    app.engine.command(&person.caller, &id, Verb::Task, command).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Attest {
    /// What was done and seen. Said is not proved.
    attested: Option<String>,
    /// When it was seen, RFC 3339; not later than now.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    seen_at: Option<Timestamp>,
    /// The SHA-256 of a file that shows it, in hex; the file stays where it is.
    #[serde(default)]
    file: Option<String>,
}

/// Says that a task is done.
#[utoipa::path(post, path = "/cases/{id}/task/{task}/done", tag = "orders", params(("id" = String, Path), ("task" = String, Path)), request_body = Attest, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn task_done(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path((id, task)): Path<(String, String)>,
    Input(attest): Input<Attest>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let file = attest.file.map(|file| file.to_ascii_lowercase());
    if file.as_ref().is_some_and(|file| file.len() != 64 || !file.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(Problem::invalid("file", "it wants the SHA-256 of a file, 64 hex digits"));
    }
    let saw = attest.attested.filter(|saw| !saw.trim().is_empty());
    let brought = Brought { saw: committed(&app, saw), seen_at: attest.seen_at, file };
    let command = Command::EndTask { task: TaskId::new(task), by: person.caller.by(), brought };
    app.engine.command(&person.caller, &id, Verb::Task, command).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Merge {
    /// The case that goes on with both.
    into: String,
    reason: String,
}

/// Makes the case part of another one, which is answered.
#[utoipa::path(post, path = "/cases/{id}/merge", tag = "orders", params(("id" = String, Path)), request_body = Merge,
    responses((status = 200, description = "the case it is part of now", body = shape::Case), (status = 403), (status = 404), (status = 409, description = "closed, merged already, or a plan of it is executing")))]
async fn merge(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(merge): Input<Merge>,
) -> Answer<Json<Value>> {
    let (from, into) = (CaseId::new(id), CaseId::new(merge.into));
    app.engine.merge_cases(&person.caller, &from, &into, &merge.reason).await?;
    shown(&app, &into).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Unmerge {
    reason: String,
}

/// Takes a merged case out again, with its findings as they are now.
#[utoipa::path(post, path = "/cases/{id}/unmerge", tag = "orders", params(("id" = String, Path)), request_body = Unmerge,
    responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 404), (status = 409, description = "not merged, or a plan of the other case is executing")))]
async fn unmerge(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(unmerge): Input<Unmerge>,
) -> Answer<Json<Value>> {
    let from = CaseId::new(id);
    app.engine.unmerge_case(&person.caller, &from, &unmerge.reason).await?;
    shown(&app, &from).await
}

/// Takes the lead.
#[utoipa::path(post, path = "/cases/{id}/lead", tag = "orders", params(("id" = String, Path)), request_body = Nothing, responses((status = 200, description = "the case", body = shape::Case), (status = 403)))]
async fn lead(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(Nothing {}): Input<Nothing>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.command(&person.caller, &id, Verb::TakeLead, Command::TakeLead { person: person.caller.id.clone() }).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Accept {
    /// A target's id or reference.
    target: String,
    /// RFC 3339, or a length of time such as `30d`.
    until: String,
    reason: String,
}

/// Accepts the rest until a date; it keeps being probed and counts as open.
#[utoipa::path(post, path = "/cases/{id}/accept", tag = "orders", params(("id" = String, Path)), request_body = Accept, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn accept(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(accept): Input<Accept>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let until = duration::moment(&accept.until, app.engine.ports.clock.now()).map_err(|e| Problem::invalid("until", e))?;
    app.engine.may(&person.caller, Verb::Accept, Some(&id), &[]).await?;
    let target = target_of(&app, &id, &accept.target).await?;
    let reason = Salter::new(app.engine.ports.chance.seed()).commit(accept.reason);
    app.engine.command(&person.caller, &id, Verb::Accept, Command::Accept { target, until, reason }).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Undo {
    /// reinstate (the default) or restore
    #[serde(default = "reinstate")]
    #[schema(value_type = String)]
    mode: UndoMode,
    /// One containment of the case; every one of it where none is named
    plan: Option<String>,
}

fn reinstate() -> UndoMode {
    UndoMode::Reinstate
}

/// Drafts the way back; it is approved and run like any plan.
#[utoipa::path(post, path = "/cases/{id}/undo", tag = "orders", params(("id" = String, Path)), request_body = Undo, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn undo(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(undo): Input<Undo>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.undo(&person.caller, &id, undo.mode, undo.plan.map(PlanId::new)).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Close {
    note: Option<String>,
}

/// Closes a case whose every subject is in its end state.
#[utoipa::path(post, path = "/cases/{id}/close", tag = "orders", params(("id" = String, Path)), request_body = Close, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn close(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(close): Input<Close>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let note = committed(&app, close.note);
    app.engine.command(&person.caller, &id, Verb::Close, Command::Close { note }).await?;
    shown(&app, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct End {
    finding: String,
    /// contained, privilege_reduced, retired, expected, false_positive, duplicate, re_use, accepted_risk
    outcome: String,
    /// The end of an accepted risk: RFC 3339, or a length of time.
    until: Option<String>,
    evidence: Option<String>,
}

/// Gives a finding its outcome.
#[utoipa::path(post, path = "/cases/{id}/outcome", tag = "orders", params(("id" = String, Path)), request_body = End, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn outcome(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(end): Input<End>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    let mut wanted = json!({ "outcome": end.outcome });
    if let Some(until) = &end.until {
        let until = duration::moment(until, app.engine.ports.clock.now()).map_err(|e| Problem::invalid("until", e))?;
        wanted["until"] = json!(until);
    }
    let outcome: Outcome = serde_json::from_value(wanted).map_err(|_| {
        Problem::invalid(
            "outcome",
            "expected contained, privilege_reduced, retired, expected, false_positive, duplicate, re_use, or accepted_risk with `until`",
        )
    })?;
    // Accepting a risk is another authority than saying how it ended.
    let verb = if matches!(outcome, Outcome::AcceptedRisk { .. }) { Verb::Accept } else { Verb::Close };
    let command = Command::EndFinding { finding: FindingId::new(end.finding), outcome, evidence: committed(&app, end.evidence) };
    app.engine.command(&person.caller, &id, verb, command).await?;
    shown(&app, &id).await
}
