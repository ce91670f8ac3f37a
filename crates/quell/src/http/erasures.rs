//! Forgetting personal data: asked for by one person, approved or denied by another,
//! withdrawn by the first.

use axum::{
    Json,
    extract::{Path, State as Shared},
};
use quell_core::{
    decision::Verb,
    erasure::{Erasure, Found},
    event::By,
    id::ErasureId,
    time::Timestamp,
};
use quell_engine::erasure::{Asked, Ordered};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(deny)).routes(routes!(withdraw))
}

/// These read the whole record.
pub fn patient() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(request)).routes(routes!(approve))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Request {
    /// Names and addresses of one person: everything that is about them.
    #[serde(default)]
    person: Vec<String>,
    /// Or exactly these, in hex, as events hold them under `personal`.
    #[serde(default)]
    commitments: Vec<String>,
    /// Why; itself a value that can be erased.
    reason: String,
}

/// Asks that values be erased. Nothing is gone until another person approves.
#[utoipa::path(post, path = "/ledger/erasures", tag = "ledger", request_body = Request,
    responses((status = 200, description = "`{id, state, requested_by, requested_at, approved_by, approved_at, denied_by, denied_at, withdrawn_at, erased_at, cases, values, sealed, subjects, kept_sealed, elsewhere, not_reached, untrusted: {whom, reason, denied_because}}`", body = Object), (status = 403), (status = 409, description = "an open case, a hold, the inventory or an account of the person stands against it"), (status = 422)))]
async fn request(Shared(app): Shared<State>, Account(person): Account, Input(request): Input<Request>) -> Answer<Json<Value>> {
    let asked = match (request.person, request.commitments) {
        (names, none) if !names.is_empty() && none.is_empty() => Asked::Person(names),
        (none, some) if none.is_empty() && !some.is_empty() => Asked::Commitments(some),
        _ => return Err(Problem::invalid("person", "give either `person` or `commitments`")),
    };
    if request.reason.trim().is_empty() {
        return Err(Problem::invalid("reason", "an erasure needs a reason"));
    }
    let ordered = app.engine.request_erasure(&person.caller, &asked, request.reason.trim()).await?;
    Ok(Json(after(&ordered, app.engine.ports.clock.now())))
}

/// Approves an erasure that another person asked for, and carries it out.
#[utoipa::path(post, path = "/ledger/erasures/{id}/approve", tag = "ledger", params(("id" = String, Path)),
    responses((status = 200, description = "the erasure after it", body = Object), (status = 403), (status = 404), (status = 409), (status = 503, description = "erased, and a reader still needs the old pages; it is tried again")))]
async fn approve(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>) -> Answer<Json<Value>> {
    let ordered = app.engine.approve_erasure(&person.caller, &ErasureId::new(id)).await?;
    Ok(Json(after(&ordered, app.engine.ports.clock.now())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Denial {
    /// Why not.
    reason: String,
}

/// Denies an erasure that another person asked for: nothing goes.
#[utoipa::path(post, path = "/ledger/erasures/{id}/deny", tag = "ledger", params(("id" = String, Path)), request_body = Denial,
    responses((status = 200, description = "the erasure after it", body = Object), (status = 403), (status = 404), (status = 409, description = "one's own request or data, or it is over"), (status = 422)))]
async fn deny(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Input(denial): Input<Denial>,
) -> Answer<Json<Value>> {
    if denial.reason.trim().is_empty() {
        return Err(Problem::invalid("reason", "a denial needs a reason"));
    }
    let erasure = app.engine.deny_erasure(&person.caller, &ErasureId::new(id), denial.reason.trim()).await?;
    Ok(Json(shown(&erasure, app.engine.ports.clock.now())))
}

/// Takes back what one asked for oneself.
#[utoipa::path(post, path = "/ledger/erasures/{id}/withdraw", tag = "ledger", params(("id" = String, Path)),
    responses((status = 200, description = "the erasure after it", body = Object), (status = 403), (status = 404), (status = 409, description = "another person's request, or it is over")))]
async fn withdraw(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>) -> Answer<Json<Value>> {
    let erasure = app.engine.withdraw_erasure(&person.caller, &ErasureId::new(id)).await?;
    Ok(Json(shown(&erasure, app.engine.ports.clock.now())))
}

/// Every erasure.
#[utoipa::path(get, path = "/ledger/erasures", tag = "ledger",
    responses((status = 200, description = "`{erasures: [..]}`, the oldest first", body = Object), (status = 403)))]
async fn list(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let now = app.engine.ports.clock.now();
    let erasures: Vec<Value> = app.engine.erasures().await?.iter().map(|e| shown(e, now)).collect();
    Ok(Json(json!({ "erasures": erasures })))
}

/// One erasure.
#[utoipa::path(get, path = "/ledger/erasures/{id}", tag = "ledger", params(("id" = String, Path)),
    responses((status = 200, description = "the erasure, and the commitments it lists", body = Object), (status = 403), (status = 404)))]
async fn show(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let erasure = app.engine.erasure(&ErasureId::new(&id)).await?.ok_or_else(|| Problem::unknown(format!("erasure `{id}`")))?;
    let mut shown = shown(&erasure, app.engine.ports.clock.now());
    shown["commitments"] = json!(erasure.commitments);
    Ok(Json(shown))
}

fn shown(erasure: &Erasure, now: Timestamp) -> Value {
    let person = |by: &By| match by {
        By::Person(id) | By::Agent(id) => json!(id),
        _ => json!(by),
    };
    json!({
        "id": erasure.id, "state": erasure.state(now), "requested_by": person(&erasure.requested_by), "requested_at": erasure.requested_at,
        "approved_by": erasure.approved.as_ref().map(|(by, _)| person(by)), "approved_at": erasure.approved.as_ref().map(|(_, at)| at),
        "denied_by": erasure.denied.as_ref().map(|(by, ..)| person(by)), "denied_at": erasure.denied.as_ref().map(|(_, at, _)| at),
        "withdrawn_at": erasure.withdrawn_at, "erased_at": erasure.erased_at, "cases": erasure.cases, "values": erasure.commitments.len(), "sealed": erasure.sealed.len(),
        "subjects": erasure.subjects,
        "untrusted": { "whom": erasure.whom.iter().map(|w| w.shown()).collect::<Vec<_>>(), "reason": erasure.reason.shown(),
            "denied_because": erasure.denied.as_ref().map(|(.., why)| why.shown()) },
    })
}

/// With what the reading of the record showed that no erasure can change.
fn after(ordered: &Ordered, now: Timestamp) -> Value {
    let mut shown = shown(&ordered.erasure, now);
    shown["kept_sealed"] = json!(ordered.found.kept);
    shown["elsewhere"] = json!(ordered.found.elsewhere);
    shown["not_reached"] = json!(not_reached(&ordered.found, ordered.erasure.erased_at.unwrap_or(now)));
    shown
}

/// Copies outside of the data directory, each named as far as it is known.
fn not_reached(found: &Found, at: Timestamp) -> Vec<String> {
    let mut copies = vec![
        format!("backups and other copies of the data directory made before {at}"),
        "the server's log, where a headline named it".to_owned(),
    ];
    for (case, held) in &found.cases {
        copies.extend(held.exported.iter().map(|at| format!("the bundle of case `{case}` exported {at}")));
    }
    if !found.kept.is_empty() {
        let alerts: Vec<String> = found.kept.iter().map(|a| format!("`{a}`")).collect();
        copies.push(format!("the sealed bytes of {}: they are about others, too", alerts.join(", ")));
    }
    copies
}
