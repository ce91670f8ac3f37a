//! Threat context: feeds that others publish, brought in from files. They decide nothing.

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State as Shared, rejection::BytesRejection},
};
use quell_core::{context::Feed, decision::Verb, secret::sha256};
use quell_detectors::feed;
use quell_engine::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{self, Account},
    problem::{Answer, Problem},
    shape_screens,
};

/// Files are larger than other requests.
pub fn patient() -> OpenApiRouter<State> {
    // What is over the bound is refused with a sentence of its own.
    OpenApiRouter::new().routes(routes!(feeds, import)).layer(DefaultBodyLimit::max(feed::BYTES_MAX + 1024))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Import {
    /// Who publishes it; it takes the place of the feed of this name.
    name: String,
    /// Only say what it holds.
    #[serde(default)]
    dry_run: bool,
}

/// Every feed of threat context.
#[utoipa::path(get, path = "/context", tag = "inventory", responses((status = 200, description = "`{feeds: [...]}`", body = shape_screens::Feeds), (status = 403)))]
async fn feeds(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    Ok(Json(json!({ "feeds": app.engine.feeds().await? })))
}

/// Brings in a KEV catalogue or a STIX 2.1 bundle: all of it or nothing.
#[utoipa::path(post, path = "/context", tag = "inventory", params(Import),
    request_body(content = Vec<u8>, content_type = "application/json", description = "CISA KEV (JSON) or a STIX 2.1 bundle, at most 32 MiB"),
    responses((status = 200, description = "`{name, form, entries, left_out}`", body = Object), (status = 403), (status = 413), (status = 422, description = "it is neither, and where")))]
async fn import(
    Shared(app): Shared<State>,
    Account(person): Account,
    Query(query): Query<Import>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::ImportInventory, None, &[]).await?;
    if query.name.is_empty() || query.name.len() > 100 || query.name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", "a feed's name has 1 to 100 characters"));
    }
    let bytes = body.map_err(|e| input::unread(&e, feed::BYTES_MAX))?;
    let digest = sha256(&bytes);
    // Large files take a while to read; requests are answered meanwhile.
    let read = tokio::task::spawn_blocking(move || feed::read(&bytes)).await;
    let read = read.map_err(|_| Failure::Unavailable("the server is stopping".to_owned()))?;
    let read = read.map_err(|e| Problem::invalid("body", e.to_string()))?;
    let told = json!({ "name": query.name, "form": read.form, "entries": read.entries.len(), "left_out": read.left_out });
    let feed = Feed { name: query.name, form: read.form, entries: read.entries };
    app.engine.import_context(&person.caller, feed, &digest, query.dry_run).await?;
    Ok(Json(told))
}
