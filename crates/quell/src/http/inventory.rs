//! What is known of identities: bringing it in, looking at it, walking it.

use axum::{
    Json,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State as Shared, rejection::BytesRejection},
};
use quell_core::{
    decision::Verb,
    inventory::{Change, Object},
    secret::sha256,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{self, Account},
    problem::{Answer, Problem},
    shape, shape_screens,
};
use crate::{inventory_file, owners_file};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(reach))
}

/// Files are larger than other requests.
pub fn patient() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(show, import)).layer(DefaultBodyLimit::max(FILE_BYTES_MAX))
}

/// The largest inventory file.
const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How a file says it.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Inventory,
    Codeowners,
    OwnersCsv,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Import {
    /// Who says so.
    source: String,
    /// What this source named before and not now is gone.
    #[serde(default)]
    replace: bool,
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
    /// `inventory`, or a list of owners: `codeowners`, `owners_csv`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Whose paths a `codeowners` file names, such as `acme/shop`; without one its patterns
    /// are references of the inventory.
    repository: Option<String>,
}

/// Brings in an inventory file (JSON Lines, JSON or YAML) or a list of owners (CODEOWNERS,
/// CSV): all of it or nothing.
#[utoipa::path(post, path = "/inventory", tag = "inventory", params(Import),
    request_body(content = Vec<u8>, content_type = "application/x-ndjson", description = "`quell-inventory/1`"),
    responses((status = 200, description = "`{read, added, changed, unchanged, gone, errors, warnings}`; with errors nothing was brought in", body = Object), (status = 403), (status = 413)))]
async fn import(
    Shared(app): Shared<State>,
    Account(person): Account,
    Query(query): Query<Import>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Change>> {
    app.engine.may(&person.caller, Verb::ImportInventory, None, &[]).await?;
    if query.source.is_empty() || query.source.len() > 200 || query.source.chars().any(char::is_control) {
        return Err(Problem::invalid("source", "a source's name has 1 to 200 characters"));
    }
    let bytes = body.map_err(|e| input::unread(&e, FILE_BYTES_MAX))?;
    let digest = sha256(&bytes);
    let key = app.engine.settings.key.clone();
    // Large files take a while to read; requests are answered meanwhile.
    let read = tokio::task::spawn_blocking(move || {
        let read = match query.format {
            Format::Inventory => inventory_file::read(&bytes, Some(&key)),
            Format::Codeowners => owners_file::codeowners(&bytes, query.repository.as_deref()),
            Format::OwnersCsv => owners_file::csv(&bytes),
        };
        input::wipe(bytes);
        read
    });
    let read = read.await.map_err(|_| quell_engine::Failure::Unavailable("the server is stopping".to_owned()))?;
    let objects = read.objects.len() as u64;
    // A file with a line that cannot be read changes nothing, and still all of it is told.
    let dry_run = query.dry_run || !read.errors.is_empty();
    let mut change = app.engine.import(&person.caller, &query.source, read.objects, query.replace, dry_run, &digest).await?;
    change.read = objects + read.errors.len() as u64;
    change.errors.splice(0..0, read.errors);
    change.warnings = read.warnings;
    Ok(Json(change))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Reference {
    /// SYSTEM/NATIVE_ID; everything, at most 1,000, where it is left out
    #[serde(rename = "ref")]
    #[param(rename = "ref")]
    reference: Option<String>,
}

/// Everything that concerns one reference, and who answers for it.
#[utoipa::path(get, path = "/inventory", tag = "inventory", params(Reference),
    responses((status = 200, description = "`{objects, owners, consumers, truncated}`", body = shape_screens::InventoryAnswer), (status = 404)))]
async fn show(Shared(app): Shared<State>, Account(person): Account, Query(query): Query<Reference>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    const MANY: usize = 1_000;
    let inventory = app.engine.inventory();
    let Some(reference) = query.reference else {
        let objects: Vec<&Object> = inventory.iter().map(|(_, o)| o).take(MANY).collect();
        let truncated = inventory.iter().nth(MANY).is_some();
        return Ok(Json(json!({ "objects": objects, "owners": [], "consumers": [], "truncated": truncated })));
    };
    let id = inventory.identity(&reference).map_or(reference.as_str(), |i| i.id.as_str());
    let concerned: Vec<&Object> = inventory.iter().map(|(_, o)| o).filter(|o| concerns(o, id)).take(MANY + 1).collect();
    let owners = inventory.owners(id);
    if concerned.is_empty() && owners.is_empty() {
        return Err(Problem::unknown(format!("`{}` in the inventory", reference.escape_default())));
    }
    let truncated = concerned.len() > MANY;
    let objects: Vec<&Object> = concerned.into_iter().take(MANY).collect();
    Ok(Json(json!({ "objects": objects, "owners": owners, "consumers": inventory.consumers(id), "truncated": truncated })))
}

fn concerns(object: &Object, id: &str) -> bool {
    match object {
        Object::System(o) => o.id == id,
        Object::Identity(o) => o.id == id,
        Object::Credential(o) => o.id == id || o.identity == id,
        Object::Session(o) => o.id == id || o.identity == id,
        Object::Entitlement(o) => o.identity == id,
        Object::Owner(o) => quell_core::inventory::matches_glob(&o.of, id),
        Object::Derivation(o) => o.from == id || o.to == id,
        Object::Dependency(o) => o.on == id || o.consumer == id,
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Walk {
    /// SYSTEM/NATIVE_ID
    #[serde(rename = "ref")]
    #[param(rename = "ref")]
    reference: String,
    /// Steps outward, 1 to 64.
    depth: Option<u32>,
}

/// Everything derivable from a reference: the blast radius.
#[utoipa::path(get, path = "/inventory/reach", tag = "inventory", params(Walk),
    responses((status = 200, description = "`{start, observed, possible, count, truncated, not_looked_at}`", body = shape::ReachAnswer)))]
async fn reach(Shared(app): Shared<State>, Account(person): Account, Query(walk): Query<Walk>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let planes: Vec<String> = app.engine.ports.connectors.iter().map(|c| c.name().to_owned()).collect();
    let depth = walk.depth.unwrap_or(6).clamp(1, 64);
    let reach = quell_core::reach::reach(&app.engine.inventory(), &planes, &walk.reference, depth, 10_000);
    Ok(Json(json!(reach)))
}
