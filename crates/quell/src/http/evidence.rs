//! The evidence bundle of a case.

use axum::{
    extract::{Path, State as Shared},
    http::header,
    response::{IntoResponse, Response},
};
use quell_core::{decision::Verb, id::CaseId};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{State, input::Account, problem::Answer};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Exports a case: one file that anyone can check offline.
#[utoipa::path(post, path = "/cases/{id}/evidence", tag = "evidence", params(("id" = String, Path)),
    responses((status = 200, description = "the bundle; the headers Quell-Events, Quell-Size, Quell-Root, Quell-Key describe it", content_type = "application/zip"), (status = 403), (status = 404)))]
async fn export(Shared(app): Shared<State>, Account(person): Account, Path(id): Path<String>) -> Answer<Response> {
    let id = CaseId::new(id);
    app.engine.may(&person.caller, Verb::ExportEvidence, Some(&id), &[]).await?;
    let export = app.engine.export(&person.caller.by(), &id).await?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION.as_str(), format!("attachment; filename=\"{id}.zip\"")),
        ("quell-events", export.events.to_string()),
        ("quell-size", export.size.to_string()),
        ("quell-root", export.root),
        ("quell-key", export.key),
    ];
    Ok((headers, export.bytes).into_response())
}
