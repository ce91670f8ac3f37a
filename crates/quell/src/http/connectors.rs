//! Planes: what they offer, how they are, and whether they may act.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State as Shared},
};
use quell_connectors::coverage;
use quell_core::{action::Action, coverage::Row, decision::Verb, people::Installation, time::Timestamp};
use quell_engine::port::{Check, Connector};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
    shape_screens,
    shown::{self, Which},
};
use crate::duration;

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(check)).routes(routes!(arm)).routes(routes!(disarm))
}

/// Every plane, without asking it anything.
#[utoipa::path(get, path = "/connectors", tag = "connectors",
    responses((status = 200, description = "`[{name, kind, armed_until, armed_actions, reachable, privileges, actions}]`; `reachable` and `privileges` are null; each action has `last_proven_at`, by a case here, and `lab_drill: {proven_at, server, strength, undone}`, by a drill on a server of the lab and never on this one", body = Vec<shape_screens::Plane>)))]
async fn list(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    every(&app, false).await
}

/// Every plane, asked now: reachable, with which privileges, its control alive.
#[utoipa::path(get, path = "/connectors/check", tag = "connectors",
    responses((status = 200, description = "`[{name, kind, armed_until, armed_actions, reachable, privileges: {needed, missing, excess}, control_alive, warnings, actions}]`; actions as in `/connectors`", body = Vec<shape_screens::Plane>)))]
async fn check(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    every(&app, true).await
}

async fn every(app: &State, ask: bool) -> Answer<Json<Value>> {
    let installation = app.engine.installation().await?;
    let planes: Vec<_> = app.engine.ports.connectors.iter().cloned().collect();
    let checks = futures::future::join_all(planes.iter().map(async |p| if ask { Some(p.check().await) } else { None })).await;
    let now = app.engine.ports.clock.now();
    let proven = last_proven(app).await?;
    let shown = planes.iter().zip(checks).map(|(plane, check)| one(app, &**plane, check, &installation, &proven, now)).collect();
    Ok(Json(Value::Array(shown)))
}

/// When an action of a plane was proved last.
type Proven = BTreeMap<(String, Action), Timestamp>;

/// Cases that are looked through for it, the newest first.
const CASES_MAX: usize = 500;

async fn last_proven(app: &State) -> Answer<Proven> {
    let mut proven = Proven::new();
    for id in shown::ids(app, Which::All, None, CASES_MAX).await? {
        let Some(ground) = app.engine.ground(&id).await? else { continue };
        for state in ground.plans.values() {
            for step in &state.plan.steps {
                if let Some((how, _, at)) = state.course(step.n).ended
                    && how == "proved"
                {
                    let last = proven.entry((step.plane.connector.clone(), step.action)).or_insert(at);
                    *last = (*last).max(at);
                }
            }
        }
    }
    Ok(proven)
}

/// What a drill in the lab proved, on the server that it names and on no other.
fn drilled(row: Row) -> Value {
    json!({ "proven_at": row.proved_at, "server": row.server, "strength": row.proved, "undone": row.undone })
}

fn one(app: &State, plane: &dyn Connector, check: Option<Check>, installation: &Installation, proven: &Proven, now: Timestamp) -> Value {
    let armed = installation.armed.get(plane.name()).filter(|a| now <= a.until);
    let actions: Vec<Value> = plane
        .manifest()
        .actions
        .iter()
        .map(|a| {
            json!({ "action": a.action, "reversible": a.reversible, "effective": a.effective, "survives": a.survives,
                "last_proven_at": proven.get(&(plane.name().to_owned(), a.action)),
                "lab_drill": coverage::last_proven(&plane.manifest().kind, a.action).map(drilled) })
        })
        .collect();
    let mut shown = json!({
        "name": plane.name(), "kind": app.kinds.get(plane.name()), "endpoint": plane.endpoint(),
        "armed_until": armed.map(|a| a.until), "armed_actions": armed.map(|a| a.actions.clone()).unwrap_or_default(),
        "reachable": Value::Null, "privileges": Value::Null, "actions": actions,
    });
    if let Some(check) = check {
        shown["reachable"] = json!(check.reachable);
        shown["why_not"] = json!(check.why_not);
        shown["privileges"] = json!(check.privileges);
        shown["control_alive"] = json!(check.control_alive);
        shown["warnings"] = json!(check.warnings);
    }
    shown
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Arm {
    /// Ids of actions.
    actions: Vec<String>,
    /// RFC 3339, or a length of time such as `8h`.
    until: String,
}

/// Lets actions of a plane run until a date.
#[utoipa::path(post, path = "/connectors/{name}/arm", tag = "connectors", params(("name" = String, Path)), request_body = Arm, responses((status = 200, description = "the plane", body = shape_screens::Plane), (status = 403), (status = 404), (status = 409)))]
async fn arm(
    Shared(app): Shared<State>,
    Account(person): Account,
    Path(name): Path<String>,
    Input(arm): Input<Arm>,
) -> Answer<Json<Value>> {
    let mut actions = Vec::new();
    for (n, action) in arm.actions.iter().enumerate() {
        let action = Action::of_name(action)
            .ok_or_else(|| Problem::invalid(format!("actions[{n}]"), format!("unknown action `{}`", action.escape_default())))?;
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    if actions.is_empty() {
        return Err(Problem::invalid("actions", "name at least one action; `quell connector list` shows what there is"));
    }
    let until = duration::moment(&arm.until, app.engine.ports.clock.now()).map_err(|e| Problem::invalid("until", e))?;
    app.engine.arm(&person.caller, &name, actions, until).await?;
    now_shown(&app, &name).await
}

/// Lets a plane only observe again.
#[utoipa::path(post, path = "/connectors/{name}/disarm", tag = "connectors", params(("name" = String, Path)), responses((status = 200, description = "the plane", body = shape_screens::Plane), (status = 403), (status = 404)))]
async fn disarm(Shared(app): Shared<State>, Account(person): Account, Path(name): Path<String>) -> Answer<Json<Value>> {
    if app.engine.ports.connectors.get(&name).is_none() {
        return Err(Problem::unknown(format!("connector `{}`", name.escape_default())));
    }
    app.engine.disarm(&person.caller, &name).await?;
    now_shown(&app, &name).await
}

async fn now_shown(app: &State, name: &str) -> Answer<Json<Value>> {
    let plane = app.engine.ports.connectors.get(name).ok_or_else(|| Problem::unknown(format!("connector `{}`", name.escape_default())))?;
    let (installation, proven) = (app.engine.installation().await?, last_proven(app).await?);
    Ok(Json(one(app, &**plane, None, &installation, &proven, app.engine.ports.clock.now())))
}
