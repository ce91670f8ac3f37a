//! Sources: the authenticated ways in for alerts.

use axum::{Json, extract::State as Shared};
use quell_core::{decision::Verb, plan::Tier};
use quell_engine::lookup;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::Answer,
};
use crate::access::account::NewSource;

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list, create))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Source {
    name: String,
    /// Such as `gitleaks`, or `auto`.
    detector: String,
    /// Globs of the systems it may speak about; all where none is named.
    #[serde(default = "everything")]
    systems: Vec<String>,
    /// The highest tier it may cause: observe, step_up, restrict, contain.
    #[serde(default = "contain")]
    #[schema(value_type = String)]
    tier_max: Tier,
    /// It signs its messages; the answer holds the key.
    #[serde(default)]
    hmac: bool,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn contain() -> Tier {
    Tier::Contain
}

/// Every source.
#[utoipa::path(get, path = "/sources", tag = "alerts", responses((status = 200, description = "`{sources: [{source, id, detector, systems, tier_max, hmac}]}`", body = Object)))]
async fn list(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let rows = app.engine.ports.store.lookup_range(lookup::SOURCE, "", None, 10_000).await.map_err(quell_engine::Failure::from)?;
    let mut sources = Vec::new();
    for (name, _) in rows {
        if let Some(s) = app.engine.source(&name).await? {
            sources.push(json!({ "source": s.name, "id": s.source, "detector": s.detector, "systems": s.systems, "tier_max": s.tier_max, "hmac": s.hmac_key.is_some() }));
        }
    }
    Ok(Json(json!({ "sources": sources })))
}

/// Makes a source; its token, and its key where it signs, are shown once.
#[utoipa::path(post, path = "/sources", tag = "alerts", request_body = Source,
    responses((status = 200, description = "`{source, token, hmac_key}`", body = Object), (status = 403), (status = 409, description = "the name is taken")))]
async fn create(Shared(app): Shared<State>, Account(person): Account, Input(source): Input<Source>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::CreateSource, None, &[]).await?;
    let name = source.name.clone();
    let new =
        NewSource { name: source.name, detector: source.detector, systems: source.systems, tier_max: source.tier_max, signs: source.hmac };
    let (id, token, key) = app.accounts.create_source(&person.caller.by(), new).await?;
    let mut answer = json!({ "source": name, "id": id, "token": token.expose() });
    if let Some(key) = key {
        answer["hmac_key"] = json!(key.expose());
    }
    Ok(Json(answer))
}
