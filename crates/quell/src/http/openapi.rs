//! The description of this API (OpenAPI 3.1), made from the routes themselves.

use std::sync::OnceLock;

use axum::Json;
use serde_json::Value;
use utoipa::{
    OpenApi,
    openapi::{
        self,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::State;

static DESCRIPTION: OnceLock<Value> = OnceLock::new();

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quell",
        description = "From an identity alert to a proven containment. Errors are problem documents (RFC 9457). Text from outside stands under `untrusted`.",
    ),
    security(("bearer" = [])),
)]
struct Head;

/// The description without its paths.
pub fn head() -> openapi::OpenApi {
    let mut head = Head::openapi();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    head.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    head
}

/// Keeps the description that the router was built with.
pub fn describe(description: openapi::OpenApi) {
    let mut description = serde_json::to_value(description).unwrap_or_default();
    name_operations(&mut description);
    // The same routes give the same description, whoever is first.
    let _ = DESCRIPTION.set(description);
}

/// An operation is named by its method and path: handlers of different files have
/// the same names, and a client is made of names that differ.
fn name_operations(description: &mut Value) {
    for (path, methods) in description["paths"].as_object_mut().into_iter().flatten() {
        let words: Vec<&str> = path.trim_start_matches("/api/v1").split(['/', '.', '{', '}']).filter(|w| !w.is_empty()).collect();
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            operation["operationId"] = format!("{method}_{}", words.join("_")).into();
        }
    }
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "health", responses((status = 200, description = "OpenAPI 3.1", body = Object)), security(()))]
async fn show() -> Json<Value> {
    Json(DESCRIPTION.get().cloned().unwrap_or_default())
}
