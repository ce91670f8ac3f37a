//! Pausing automation, at once, and resuming it, by another person.

use axum::{Json, extract::State as Shared};
use quell_core::decision::Verb;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
    shape,
};
use crate::duration;

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(mode)).routes(routes!(pause)).routes(routes!(resume))
}

/// Whether this installation observes, is armed, or is paused.
#[utoipa::path(get, path = "/automation", tag = "automation", responses((status = 200, description = "`{mode, paused, until, planes, now}`", body = shape::Mode), (status = 403)))]
async fn mode(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let planes: Vec<String> = app.engine.ports.connectors.iter().map(|c| c.name().to_owned()).collect();
    Ok(Json(shape::mode(&app.engine.installation().await?, &planes, app.engine.ports.clock.now())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Pause {
    /// RFC 3339, or a length of time such as `1h`: a pause ends by itself.
    until: String,
    reason: Option<String>,
}

/// Automation stops acting at once; probes go on.
#[utoipa::path(post, path = "/automation/pause", tag = "automation", request_body = Pause, responses((status = 200, description = "`{paused, until}`", body = Object), (status = 403)))]
async fn pause(Shared(app): Shared<State>, Account(person): Account, Input(pause): Input<Pause>) -> Answer<Json<Value>> {
    let now = app.engine.ports.clock.now();
    let until = duration::moment(&pause.until, now).map_err(|e| Problem::invalid("until", e))?;
    if until <= now {
        return Err(Problem::invalid("until", format!("`{until}` is in the past")));
    }
    app.engine.pause(&person.caller, until, pause.reason).await?;
    standing(&app).await
}

/// Ends the pause: not by whom it was begun.
#[utoipa::path(post, path = "/automation/resume", tag = "automation", responses((status = 200, description = "`{paused, until}`", body = Object), (status = 403), (status = 409)))]
async fn resume(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.resume(&person.caller).await?;
    standing(&app).await
}

async fn standing(app: &State) -> Answer<Json<Value>> {
    let installation = app.engine.installation().await?;
    let paused = installation.is_paused(app.engine.ports.clock.now());
    Ok(Json(json!({ "paused": paused, "until": installation.paused.filter(|_| paused).map(|p| p.until) })))
}
