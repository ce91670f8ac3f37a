//! What waits for the caller: by name, or by a role they hold.

use axum::{Json, extract::State as Shared};
use quell_core::{decision::Verb, view};
use quell_engine::order::Caller;
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{State, input::Account, problem::Answer, shape, shown};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(inbox))
}

/// Cases that wait for the caller, and what the caller was told.
#[utoipa::path(get, path = "/inbox", tag = "cases",
    responses((status = 200, description = "`{cases: [{id, headline, state, waiting_for}], notices: [{id, case, at, headline, why, pages}], truncated}`; truncated: more waits than was looked at", body = shape::Inbox)))]
async fn inbox(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    Ok(Json(of(&app, &person.caller).await?))
}

/// What waits for the caller, for the API and for the page without script.
pub async fn of(app: &State, caller: &Caller) -> Answer<Value> {
    app.engine.may(caller, Verb::Read, None, &[]).await?;
    let now = app.engine.ports.clock.now();
    let mut cases = Vec::new();
    let (waiting, more) = shown::waiting(app).await?;
    for id in waiting {
        let Some(ground) = app.engine.ground(&id).await? else { continue };
        let waiting: Vec<Value> = view::waiting_for(&ground.situation(), now).into_iter().filter(|w| is_for(w, caller)).collect();
        if !waiting.is_empty() {
            let headline = view::headline(&ground.situation(), now);
            cases.push(json!({ "id": id, "headline": headline, "state": ground.case.stage(), "waiting_for": waiting }));
        }
    }
    let me = caller.id.as_str();
    let name = app.engine.person(&caller.id).await?.map(|p| p.name.shown().to_owned()).unwrap_or_default();
    let told = app.post.inbox.to(me, &name).into_iter().take(50);
    let notices: Vec<Value> = told
        .map(|(at, m, pages)| json!({ "id": m.id, "case": m.case, "at": at, "headline": m.headline, "why": m.why, "pages": pages }))
        .collect();
    Ok(json!({ "cases": cases, "notices": notices, "truncated": more }))
}

/// Once people were named, it is theirs and not everybody's of the role.
pub fn is_for(waiting: &Value, caller: &Caller) -> bool {
    let people = waiting["people"].as_array().map(Vec::as_slice).unwrap_or_default();
    if people.is_empty() {
        waiting["role"].as_str().is_some_and(|role| caller.roles.iter().any(|r| r.name() == role))
    } else {
        people.iter().any(|p| p == caller.id.as_str())
    }
}
