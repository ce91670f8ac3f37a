//! Cases: the list, one of them, why it stands as it does, its events.

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
};
use quell_core::{
    decision::Verb,
    id::{CaseId, StreamId},
    signal::SignalKind,
};
use quell_engine::{Failure, streams};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
    shape,
    shown::{self, Which},
    told, why,
};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(list, open))
        .routes(routes!(show))
        .routes(routes!(show_why))
        .routes(routes!(events))
        .routes(routes!(leaf))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Page {
    /// open, closed or all
    #[serde(default)]
    #[param(value_type = Option<String>)]
    state: Which,
    /// The last id of the page before.
    after: Option<String>,
    /// At most 200.
    limit: Option<usize>,
}

/// Cases, the newest first.
#[utoipa::path(get, path = "/cases", tag = "cases", params(Page),
    responses((status = 200, description = "`{cases: [{id, state, headline, opened_at, closed_at, findings, signals, waiting_for, ...}], next}`", body = shape::Cases)))]
async fn list(Shared(app): Shared<State>, Account(person): Account, Query(page): Query<Page>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let limit = page.limit.unwrap_or(50).clamp(1, 200);
    // One more than is shown tells whether there is a next page.
    let ids = shown::ids(&app, page.state, page.after.as_deref(), limit + 1).await?;
    let now = app.engine.ports.clock.now();
    let mut cases = Vec::new();
    for id in ids.iter().take(limit) {
        if let Some(ground) = app.engine.ground(id).await? {
            cases.push(shown::row(&ground, now));
        }
    }
    let next = ids.get(limit).and(ids.get(limit - 1));
    Ok(Json(json!({ "cases": cases, "next": next })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Open {
    /// SYSTEM/NATIVE_ID of an identity or credential.
    subject: String,
    #[serde(default = "leaked")]
    #[schema(value_type = String)]
    kind: SignalKind,
    /// Why, in your words.
    text: String,
}

fn leaked() -> SignalKind {
    SignalKind::LeakedSecret
}

/// Opens a case by hand.
#[utoipa::path(post, path = "/cases", tag = "cases", request_body = Open, responses((status = 200, description = "the case", body = shape::Case), (status = 403), (status = 409)))]
async fn open(Shared(app): Shared<State>, Account(person): Account, Input(open): Input<Open>) -> Answer<Json<Value>> {
    let id = app.engine.open_case(&person.caller, &open.subject, open.kind, &open.text).await?;
    shown(&app, &id).await
}

/// One case in full.
#[utoipa::path(get, path = "/cases/{id}", tag = "cases", params(("id" = String, Path)), responses((status = 200, description = "the case of the interface", body = shape::Case), (status = 404)))]
async fn show(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.may(&person.caller, Verb::Read, Some(&id), &[]).await?;
    shown(&app, &id).await
}

/// What was done, what was not and by which policy, who is awaited, and the one next command.
#[utoipa::path(get, path = "/cases/{id}/why", tag = "cases", params(("id" = String, Path)),
    responses((status = 200, description = "`{headline, done, not_done, awaited, next}`", body = shape::Why), (status = 404)))]
async fn show_why(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.may(&person.caller, Verb::Read, Some(&id), &[]).await?;
    let ground = app.engine.ground(&id).await?.ok_or_else(|| unknown(&id))?;
    Ok(Json(why::why(&ground.situation(), app.engine.ports.clock.now())))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct After {
    /// A leaf index: only later events.
    after: Option<u64>,
}

/// Events shown at once.
const EVENTS_MAX: usize = 500;

/// The events of a case and of everything linked to it, in the ledger's order.
#[utoipa::path(get, path = "/cases/{id}/events", tag = "cases", params(("id" = String, Path), After),
    responses((status = 200, description = "`{events: [{index, at, by, stream, type, version, views, text, untrusted, changed}], next}`", body = shape::Events), (status = 404)))]
async fn events(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(id): Path<String>,
    Query(after): Query<After>,
) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.may(&person.caller, Verb::Read, Some(&id), &[]).await?;
    let ground = app.engine.ground(&id).await?.ok_or_else(|| unknown(&id))?;
    let store = &app.engine.ports.store;
    let mut stored = Vec::new();
    for stream in linked(&ground) {
        stored.extend(store.read(&stream, 1).await.map_err(Failure::from)?);
    }
    stored.retain(|e| after.after.is_none_or(|after| e.index > after));
    stored.sort_by_key(|e| e.index);
    let more = stored.len() > EVENTS_MAX;
    stored.truncate(EVENTS_MAX);
    let decoded = streams::decode_all(&**store, &stored).await?;
    let name = |id: &quell_core::id::TargetId| {
        let linked = ground.case.linked.iter().map(|(t, _)| t).find(|t| t.id == *id);
        let known = || ground.targets.get(id).and_then(|t| t.target.as_ref());
        linked.or_else(known).map_or_else(|| format!("target {id}"), quell_core::target::Target::reference)
    };
    let events: Vec<Value> = stored
        .iter()
        .zip(&decoded)
        .map(|(s, r)| {
            let target = ground.targets.keys().find(|t| StreamId::target(t) == r.stream);
            let told = told::told(&r.event, target, name);
            json!({ "index": s.index, "at": r.at, "by": r.by, "stream": r.stream, "type": r.event.name(), "version": r.version,
                "views": told.views, "text": told.text, "untrusted": told.untrusted, "changed": told.changed })
        })
        .collect();
    let next = stored.last().filter(|_| more).map(|e| e.index);
    Ok(Json(json!({ "events": events, "next": next })))
}

/// One event of a case as the ledger holds it, with the proof that the log
/// contains it at the size it has now.
#[utoipa::path(get, path = "/cases/{id}/events/{index}", tag = "cases", params(("id" = String, Path), ("index" = u64, Path)),
    responses((status = 200, description = "the exact leaf, its hash, and its inclusion proof", body = shape::Leaf), (status = 404)))]
async fn leaf(Shared(app): Shared<State>, Account(person): Account, Path((id, index)): Path<(String, u64)>) -> Answer<Json<Value>> {
    let id = CaseId::new(id);
    app.engine.may(&person.caller, Verb::Read, Some(&id), &[]).await?;
    let ground = app.engine.ground(&id).await?.ok_or_else(|| unknown(&id))?;
    let store = &app.engine.ports.store;
    let none = || Problem::unknown(format!("event {index} in case `{}`", id.as_str().escape_default()));
    let stored = store.leaves(index, 1).await.map_err(Failure::from)?.into_iter().find(|e| e.index == index).ok_or_else(none)?;
    // Only what belongs to the case: the log holds other people's, too.
    if !linked(&ground).contains(&stored.leaf.stream) {
        return Err(none());
    }
    Ok(Json(shown::leaf(&app, &stored).await?))
}

/// The streams of a case, its own first.
pub fn linked(ground: &quell_engine::ground::Ground) -> Vec<StreamId> {
    let mut linked = std::collections::BTreeSet::new();
    linked.extend(ground.case.findings.iter().flat_map(|f| &f.alerts).map(StreamId::alert));
    for (plan, _) in &ground.case.plans {
        linked.insert(StreamId::plan(plan));
        linked.extend(ground.approvals.get(plan).into_iter().flatten().map(|a| StreamId::approval(plan, &a.by)));
    }
    linked.extend(ground.targets.keys().map(StreamId::target));
    linked.insert(StreamId::notices(&ground.case.id));
    let mut streams = vec![StreamId::case(&ground.case.id)];
    streams.extend(linked);
    streams
}

/// The case after whatever was ordered.
pub async fn shown(app: &State, id: &CaseId) -> Answer<Json<Value>> {
    Ok(Json(shown::case(app, id).await?.ok_or_else(|| unknown(id))?))
}

fn unknown(id: &CaseId) -> Problem {
    Problem::unknown(format!("case `{}`", id.as_str().escape_default()))
}
