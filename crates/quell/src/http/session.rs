//! Signing in and out, and who one is.

use axum::{
    Json,
    extract::State as Shared,
    http::{HeaderMap, StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Caller, Hidden, Input},
    problem::Answer,
    shape,
};
use crate::access::{caller::Who, cookie};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(log_in)).routes(routes!(log_out)).routes(routes!(who_am_i))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// Name, address or id.
    user: String,
    #[schema(value_type = String)]
    password: Hidden,
}

/// Begins a sign-in session of 12 hours.
#[utoipa::path(post, path = "/login", tag = "access", request_body = Login,
    responses((status = 200, description = "`{user, token, expires_at}`", body = Object), (status = 401, description = "name or password is wrong"), (status = 429, description = "too many wrong tries")), security(()))]
async fn log_in(Shared(app): Shared<State>, Input(login): Input<Login>) -> Answer<Json<Value>> {
    let (person, made) = app.accounts.login(&login.user, &login.password.0).await?;
    Ok(Json(json!({ "user": person, "token": made.token.expose(), "expires_at": made.expires_at })))
}

/// Ends the session or token it is called with.
#[utoipa::path(post, path = "/logout", tag = "access", responses((status = 204, description = "it is over")))]
async fn log_out(Shared(app): Shared<State>, Account(person): Account) -> Answer<StatusCode> {
    app.accounts.log_out(&person.caller.by(), &person.caller.id, person.token, person.hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom the token stands for.
#[utoipa::path(get, path = "/whoami", tag = "access",
    responses((status = 200, description = "`{user, name, roles, human, signed_in, scopes, expires_at}`, or `{source, scopes}`; `csrf` for a browser's session", body = shape::Me)))]
async fn who_am_i(Shared(app): Shared<State>, headers: HeaderMap, Caller(who): Caller) -> Answer<Json<Value>> {
    let csrf = cookie::token(&headers, app.secure()).filter(|_| !headers.contains_key(header::AUTHORIZATION)).map(cookie::csrf);
    let mut me = match who {
        Who::Person(person) => {
            let account = app.engine.person(&person.caller.id).await?;
            json!({
                "user": person.caller.id, "name": account.map(|a| a.name.shown().to_owned()),
                "roles": person.caller.roles, "human": person.caller.human, "signed_in": person.caller.signed_in,
                "scopes": person.caller.scopes, "expires_at": person.expires_at,
            })
        }
        Who::Sender(sender) => json!({
            "user": sender.source.source, "source": sender.source.name, "roles": [], "human": false, "signed_in": false,
            "scopes": sender.scopes, "expires_at": sender.source.expires_at,
        }),
    };
    if let Some(csrf) = csrf {
        me["csrf"] = json!(csrf);
    }
    Ok(Json(me))
}
