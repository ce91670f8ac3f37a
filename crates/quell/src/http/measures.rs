//! What figures are made of: one row a case with its moments, as the record has
//! them. The sums are made where they are shown; nothing is estimated here.

use axum::{Json, extract::State as Shared};
use quell_core::{decision::Verb, view};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::Account,
    problem::Answer,
    shape_screens,
    shown::{self, Which},
};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(measures))
}

/// Cases that are read, the newest first.
const CASES_MAX: usize = 2_000;

/// The moments of every case, the newest first, at most 2,000.
#[utoipa::path(get, path = "/measures", tag = "cases",
    responses((status = 200, description = "`{now, cases, truncated}`; `routed` is `owner`, `fallback`, or null where nobody was looked up", body = shape_screens::Measures), (status = 403)))]
async fn measures(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let now = app.engine.ports.clock.now();
    let ids = shown::ids(&app, Which::All, None, CASES_MAX + 1).await?;
    let mut cases = Vec::new();
    for id in ids.iter().take(CASES_MAX) {
        let Some(ground) = app.engine.ground(id).await? else { continue };
        let (situation, case) = (ground.situation(), &ground.case);
        let stages: Vec<Value> = case.stages.iter().map(|(stage, at)| json!({ "state": stage, "at": at })).collect();
        let routed = match case.subjects.values().map(|s| s.owners.is_empty()).collect::<Vec<_>>()[..] {
            [] => None,
            ref none if none.iter().any(|none| *none) => Some("fallback"),
            _ => Some("owner"),
        };
        let outcomes: Vec<Value> = case.findings.iter().map(|f| json!(f.outcome)["outcome"].clone()).collect();
        cases.push(json!({
            "id": id, "headline": view::headline(&situation, now), "state": case.stage(), "opened_at": case.opened_at, "closed_at": case.closed_at, "stages": stages,
            "exposure": view::exposure(&situation, now), "states": view::states(&situation), "routed": routed, "outcomes": outcomes,
            "sample": case.findings.iter().all(|f| f.sample), "posture": case.is_posture(),
        }));
    }
    Ok(Json(json!({ "now": now, "cases": cases, "truncated": ids.len() > CASES_MAX })))
}
