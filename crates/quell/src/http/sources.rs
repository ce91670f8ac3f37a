//! Sources: the authenticated ways in for alerts.

use axum::{
    Json,
    extract::{Path, State as Shared},
};
use quell_core::{decision::Verb, plan::Tier};
use quell_engine::{Failure, streams::SourceState};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::Answer,
    shape_screens,
};
use crate::access::account::NewSource;

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show)).routes(routes!(own))
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
#[utoipa::path(get, path = "/sources", tag = "alerts", responses((status = 200, description = "`{sources: [...]}`", body = shape_screens::SourcesAnswer)))]
async fn list(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let mut sources = Vec::new();
    for source in app.engine.sources().await? {
        sources.push(shown(&app, &source).await?);
    }
    Ok(Json(json!({ "sources": sources })))
}

/// One source: what it may cause, when it was heard, who answers for it, and what its messages hold.
#[utoipa::path(get, path = "/sources/{name}", tag = "alerts", params(("name" = String, Path)),
    responses((status = 200, description = "The source, with `schema`: what each kind of its readings was seen to hold", body = shape_screens::SourceRow), (status = 404)))]
async fn show(Shared(app): Shared<State>, Account(person): Account, Path(name): Path<String>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let source = app.engine.source_state(&name).await?.ok_or_else(|| Failure::Unknown(format!("source `{}`", name.escape_default())))?;
    let mut shown = shown(&app, &source).await?;
    shown["schema"] = json!(app.engine.schema_of(&source.created.source).await?);
    Ok(Json(shown))
}

/// A source as it is shown; `usual` is null while it has no habit yet.
async fn shown(app: &State, source: &SourceState) -> Result<Value, Failure> {
    let s = &source.created;
    let health = app.engine.health_of(&s.source).await?;
    let owner = match &source.owner {
        Some(id) => app.engine.person(id).await?.map(|p| p.name.shown().to_owned()),
        None => None,
    };
    let usual = health.usual.map(|u| json!({ "hours_heard": u.hours_heard, "hours": u.hours, "wait_seconds": u.wait_seconds }));
    Ok(
        json!({ "source": s.name, "id": s.source, "detector": s.detector, "systems": s.systems, "tier_max": s.tier_max, "hmac": s.hmac_key.is_some(),
        "made_at": source.at, "owner": owner, "last_alert_at": health.last_at, "usual": usual, "silent_since": health.silence.map(|s| s.from) }),
    )
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceOwner {
    /// The name of an account.
    person: String,
}

/// Names who answers for a source's silence and for a change of its schema.
#[utoipa::path(post, path = "/sources/{name}/owner", tag = "alerts", params(("name" = String, Path)), request_body = SourceOwner,
    responses((status = 200, description = "`{source, owner}`", body = Object), (status = 403), (status = 404, description = "no such source or account")))]
async fn own(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(name): Path<String>,
    Input(owner): Input<SourceOwner>,
) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::CreateSource, None, &[]).await?;
    let account = app.engine.person_by_name(&owner.person).await?;
    let account = account.ok_or_else(|| Failure::Unknown(format!("account `{}`", owner.person.escape_default())))?;
    app.engine.own_source(&person.caller.by(), &name, account).await?;
    Ok(Json(json!({ "source": name, "owner": owner.person })))
}
