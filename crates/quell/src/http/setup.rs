//! `POST /setup`: the first account, once.

use std::net::SocketAddr;

use axum::{
    Json,
    extract::{ConnectInfo, State as Shared},
    http::HeaderMap,
};
use quell_core::decision::Role;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Hidden, Input},
    problem::Answer,
};
use crate::access::account::NewUser;

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(set_up))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// As the server printed it.
    #[schema(value_type = String)]
    code: Hidden,
    name: String,
    #[schema(value_type = String)]
    password: Hidden,
    email: Option<String>,
}

/// Makes the first administrator: from the server's own host, with its code, once.
#[utoipa::path(post, path = "/setup", tag = "access", request_body = Setup,
    responses((status = 200, description = "`{user, token}`: the account and its sign-in session", body = Object), (status = 403, description = "elsewhere, too late, wrong code, or done already")), security(()))]
async fn set_up(
    Shared(app): Shared<State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Input(setup): Input<Setup>,
) -> Answer<Json<Value>> {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| headers.contains_key(*name));
    let opened = app.door.enter(peer, forwarded, setup.code.0.expose(), app.engine.ports.clock.now()).await?;
    let new = NewUser { name: setup.name, email: setup.email, roles: vec![Role::Admin], human: true, password: Some(setup.password.0) };
    let person = app.accounts.create(None, new).await?;
    opened.done();
    let made = app.accounts.sign_in(&person).await?;
    tracing::info!(%person, "the first administrator was made");
    Ok(Json(json!({ "user": person, "token": made.token.expose(), "expires_at": made.expires_at })))
}
