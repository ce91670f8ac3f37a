//! Server-sent events: what is recorded, as it is recorded. They name streams
//! and types, never content: whoever wants that reads the case.

use std::convert::Infallible;

use axum::{
    extract::State as Shared,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::stream::{self, Stream};
use quell_core::decision::Verb;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{State, input::Account, problem::Answer};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// Every event from now on, as `data: {stream, version, type}`. `event: missed`
/// says that some were left out because the reader was slow: read again.
#[utoipa::path(get, path = "/stream", tag = "stream", responses((status = 200, description = "server-sent events", content_type = "text/event-stream"), (status = 403)))]
async fn follow(Shared(app): Shared<State>, Account(person): Account) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let follower = (app.engine.watch(), app.stop.clone());
    let events = stream::unfold(follower, |(mut told, mut stop)| async move {
        let event = tokio::select! {
            // A stream that went on would keep the server from ending.
            _ = stop.wait_for(|stop| *stop) => return None,
            told = told.recv() => match told {
                Ok(told) => {
                    let data = json!({ "stream": told.stream, "version": told.version, "type": told.kind });
                    Event::default().data(data.to_string())
                }
                Err(RecvError::Lagged(n)) => Event::default().event("missed").data(json!({ "missed": n }).to_string()),
                Err(RecvError::Closed) => return None,
            },
        };
        Some((Ok(event), (told, stop)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
