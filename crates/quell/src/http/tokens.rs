//! Machine tokens: bounded by scopes and by an end, never approving.

use axum::{Json, extract::State as Shared};
use quell_core::{decision::Verb, id::PersonId, time::SignedDuration};
use quell_engine::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
};
use crate::{access::account::TOKEN_DAYS, duration};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(create))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Token {
    name: String,
    /// An account's id, name or address; the caller where neither is named.
    user: Option<String>,
    /// A source's name.
    source: Option<String>,
    /// `cases:read`, `cases:write`; of a source `alerts:write`, `cases:read`.
    #[serde(default)]
    scopes: Vec<String>,
    /// Such as `30d`.
    expires: Option<String>,
}

/// Makes a machine token, shown once.
#[utoipa::path(post, path = "/tokens", tag = "access", request_body = Token,
    responses((status = 200, description = "`{id, token, expires_at}`", body = Object), (status = 403), (status = 404)))]
async fn create(Shared(app): Shared<State>, Account(person): Account, Input(token): Input<Token>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::CreateToken, None, &[]).await?;
    let length = match &token.expires {
        Some(text) => duration::parse(text).map_err(|e| Problem::invalid("expires", e))?,
        None => SignedDuration::from_hours(24 * TOKEN_DAYS),
    };
    let by = person.caller.by();
    let made = match (token.user, token.source) {
        (Some(_), Some(_)) => return Err(Problem::invalid("source", "a token is of an account or of a source, not of both")),
        (None, Some(source)) => app.accounts.source_token(&by, &source, &token.name, token.scopes, length).await?,
        (user, None) => {
            let user = match user {
                Some(user) => account(&app, &user).await?,
                None => person.caller.id.clone(),
            };
            app.accounts.user_token(&by, &user, &token.name, token.scopes, length).await?
        }
    };
    Ok(Json(json!({ "id": made.id, "token": made.token.expose(), "expires_at": made.expires_at })))
}

/// The account of an id, name or address.
async fn account(app: &State, text: &str) -> Result<PersonId, Failure> {
    if let Some(person) = app.engine.person(&PersonId::new(text)).await? {
        return Ok(person.id);
    }
    if let Some(id) = app.engine.person_by_name(text).await? {
        return Ok(id);
    }
    app.engine.person_by_email(text).await?.ok_or_else(|| Failure::Unknown(format!("account `{}`", text.escape_default())))
}
