//! What leaves the record as a proof: a case, every case of a range, who could decide.

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
    http::header,
    response::{IntoResponse, Response},
};
use quell_core::{decision::Verb, id::CaseId};
use quell_engine::census::Mark;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
    shape_screens,
};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(population)).routes(routes!(who))
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Range {
    /// A size of the log, an RFC 3339 time, or a signed checkpoint of it, verbatim.
    from: String,
    to: String,
}

/// Exports every case that was opened between two sizes, and how each stood at the later one.
#[utoipa::path(post, path = "/evidence/population", tag = "evidence", request_body = Range,
    responses((status = 200, description = "the bundle; the headers Quell-From, Quell-To, Quell-Cases, Quell-Events, Quell-Size, Quell-Root, Quell-Key describe it", content_type = "application/zip"), (status = 403), (status = 409), (status = 422)))]
async fn population(Shared(app): Shared<State>, Account(person): Account, Input(range): Input<Range>) -> Answer<Response> {
    app.engine.may(&person.caller, Verb::ExportEvidence, None, &[]).await?;
    let (from, to) = (mark("from", &range.from)?, mark("to", &range.to)?);
    let (export, census) = app.engine.export_population(&person.caller.by(), &from, &to).await?;
    let name = format!("cases-{}-{}.zip", census.from.size, census.to.size);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION.as_str(), format!("attachment; filename=\"{name}\"")),
        ("quell-from", census.from.size.to_string()),
        ("quell-to", census.to.size.to_string()),
        ("quell-cases", census.cases.to_string()),
        ("quell-events", export.events.to_string()),
        ("quell-size", export.size.to_string()),
        ("quell-root", export.root),
        ("quell-key", export.key),
    ];
    Ok((headers, export.bytes).into_response())
}

fn mark(path: &str, text: &str) -> Answer<Mark> {
    if text.trim_end().contains('\n') {
        return Ok(Mark::Checkpoint(text.to_owned()));
    }
    let text = text.trim();
    if let Ok(size) = text.parse() {
        return Ok(Mark::Size(size));
    }
    let wrong = "expected a size, an RFC 3339 time or a signed checkpoint";
    text.parse().map(Mark::Time).map_err(|_| Problem::invalid(path, format!("{wrong}, found `{}`", text.escape_default())))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Moment {
    /// RFC 3339; now where none is given.
    at: Option<String>,
}

/// Who could decide what at a moment: the roles they held, without accounts that were disabled then.
#[utoipa::path(get, path = "/evidence/who", tag = "evidence", params(Moment),
    responses((status = 200, description = "`{at, policy: {digest, loaded_at, is_loaded}, people: [{user, name, human, roles: [{role, since}], approves_as, may}]}`; `may` is null where another policy set is loaded now", body = shape_screens::WhoCould), (status = 403), (status = 422)))]
async fn who(Shared(app): Shared<State>, Account(person): Account, Query(moment): Query<Moment>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let at = match &moment.at {
        Some(text) => {
            text.parse().map_err(|_| Problem::invalid("at", format!("expected an RFC 3339 time, found `{}`", text.escape_default())))?
        }
        None => app.engine.ports.clock.now(),
    };
    let who = app.engine.who(at).await?;
    let people: Vec<Value> = who
        .people
        .iter()
        .map(|held| {
            let roles: Vec<Value> = held.person.since.iter().map(|(role, since)| json!({ "role": role, "since": since })).collect();
            json!({ "user": held.person.id, "name": held.person.name.shown(), "human": held.person.human, "roles": roles,
                "approves_as": held.approves_as, "may": held.may })
        })
        .collect();
    let policy = json!({ "digest": who.policy, "loaded_at": who.loaded_at, "is_loaded": who.is_loaded });
    Ok(Json(json!({ "at": who.at, "policy": policy, "people": people })))
}
