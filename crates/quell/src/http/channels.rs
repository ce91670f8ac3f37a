//! The ways to tell people: how they did, and a message to try one.

use axum::{
    Json,
    extract::{Path, State as Shared},
};
use quell_core::{decision::Verb, id::CaseId};
use quell_engine::{
    Failure,
    port::{Addressee, Message},
};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{State, input::Account, problem::Answer, shape_screens};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(test))
}

/// Every channel of the configuration, and how it did since this node started. Everybody's
/// inbox is beside them.
#[utoipa::path(get, path = "/notify", tag = "installation", responses((status = 200, description = "`{channels: [...]}`", body = shape_screens::Channels), (status = 403)))]
async fn list(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let channels: Vec<Value> = app
        .post
        .channels()
        .into_iter()
        .map(|(channel, health)| {
            let failing = health.failing.map(|(at, why)| json!({ "at": at, "why": why }));
            json!({ "name": channel.name(), "kind": channel.kind(), "pages_only": channel.pages_only(), "last_taken_at": health.last_taken_at, "failing": failing })
        })
        .collect();
    Ok(Json(json!({ "channels": channels })))
}

/// Sends the caller a message over one channel, as if it were to interrupt them. That the
/// channel took it says nothing of whether it arrived: whoever sent it looks.
#[utoipa::path(post, path = "/notify/{name}/test", tag = "installation", params(("name" = String, Path)),
    responses((status = 200, description = "`{channel, taken, why}`", body = Object), (status = 403), (status = 404, description = "no such channel")))]
async fn test(Shared(app): Shared<State>, Account(person): Account, Path(name): Path<String>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::CreateSource, None, &[]).await?;
    let me = app.engine.person(&person.caller.id).await?.ok_or_else(|| Failure::Unknown("such account".to_owned()))?;
    let email = me.email.as_ref().and_then(|e| e.value()).map(str::to_owned);
    let to = Addressee { person: Some(me.id.clone()), role: None, name: me.name.shown().to_owned(), email, interrupts: true };
    let message = Message {
        id: format!("test/{}", app.engine.ports.clock.now()),
        case: CaseId::new("none"),
        headline: "a test of this channel; nothing happened".to_owned(),
        why: "you asked for a test of this channel",
        hand_on: "There is nothing to hand on.",
        to: vec![to],
        settled: Default::default(),
    };
    let handed = app.post.test(&name, &message).await.ok_or_else(|| Failure::Unknown(format!("channel `{}`", name.escape_default())))?;
    Ok(Json(match handed {
        Ok(()) => json!({ "channel": name, "taken": true, "why": null }),
        Err(lost) => json!({ "channel": name, "taken": false, "why": lost.why }),
    }))
}
