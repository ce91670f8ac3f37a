//! Local accounts.

use axum::{Json, extract::State as Shared};
use quell_core::{
    decision::{Role, Verb},
    time::SignedDuration,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Hidden, Input},
    problem::{Answer, Problem},
    shape,
};
use crate::access::account::{NewUser, TOKEN_DAYS, USER_SCOPES};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list, create))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    /// Ids of roles, such as `secops`.
    #[serde(default)]
    roles: Vec<String>,
    email: Option<String>,
    #[schema(value_type = Option<String>)]
    password: Option<Hidden>,
    /// Also make a machine token that reads and proposes.
    #[serde(default)]
    token: bool,
    #[serde(default)]
    kind: Kind,
}

#[derive(Deserialize, ToSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Human,
    Automation,
    Agent,
}

/// The roles of these ids.
pub fn roles_of(names: &[String]) -> Answer<Vec<Role>> {
    let mut roles = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let role = Role::of_name(name).ok_or_else(|| {
            let known: Vec<&str> = Role::ALL.iter().map(|r| r.name()).collect();
            Problem::invalid(format!("roles[{n}]"), format!("unknown role `{}`; there are {}", name.escape_default(), known.join(", ")))
        })?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}

/// Every account.
#[utoipa::path(get, path = "/users", tag = "access", responses((status = 200, description = "`{users: [{user, name, email, roles, human, disabled}]}`", body = shape::Users)))]
async fn list(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let users: Vec<Value> = app
        .engine
        .people()
        .await?
        .iter()
        .map(|p| {
            json!({ "user": p.id, "name": p.name.shown(), "email": p.email.as_ref().map(|e| e.shown().to_owned()),
                "roles": p.roles, "human": p.human, "disabled": p.disabled })
        })
        .collect();
    Ok(Json(json!({ "users": users })))
}

/// Makes an account.
#[utoipa::path(post, path = "/users", tag = "access", request_body = User,
    responses((status = 200, description = "`{user, token}`; the token is null unless asked for", body = Object), (status = 403), (status = 409, description = "name or address is taken")))]
async fn create(Shared(app): Shared<State>, Account(person): Account, Input(user): Input<User>) -> Answer<Json<Value>> {
    let roles = roles_of(&user.roles)?;
    app.engine.may(&person.caller, Verb::CreateUser, None, &roles).await?;
    let by = person.caller.by();
    let new = NewUser {
        name: user.name.clone(),
        email: user.email,
        roles,
        human: user.kind == Kind::Human,
        password: user.password.map(|p| p.0),
    };
    let made = app.accounts.create(Some(&by), new).await?;
    let token = if user.token {
        let scopes = USER_SCOPES.map(str::to_owned).to_vec();
        Some(app.accounts.user_token(&by, &made, &user.name, scopes, SignedDuration::from_hours(24 * TOKEN_DAYS)).await?)
    } else {
        None
    };
    Ok(Json(json!({ "user": made, "token": token.map(|t| t.token.expose().to_owned()) })))
}
