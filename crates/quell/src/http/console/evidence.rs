//! Taking a case's evidence away, without script.

use axum::{
    extract::{Path, State as Shared},
    http::header,
    response::{IntoResponse, Response},
};
use quell_core::{decision::Verb, id::CaseId, view};
use serde::Deserialize;

use super::{
    page::Page,
    visitor::{Guarded, Sent, Visitor, refuse},
};
use crate::http::{
    State,
    problem::{Answer, Problem},
};

pub async fn show(Shared(app): Shared<State>, Path(id): Path<String>, visitor: Visitor) -> Response {
    match page(&app, &CaseId::new(id), &visitor).await {
        Ok(page) => page.into_response(),
        Err(problem) => refuse(problem),
    }
}

async fn page(app: &State, id: &CaseId, visitor: &Visitor) -> Answer<Page> {
    app.engine.may(&visitor.person.caller, Verb::Read, Some(id), &[]).await?;
    let ground = app.engine.ground(id).await?.ok_or_else(|| Problem::unknown(format!("case `{}`", id.as_str().escape_default())))?;
    let mut page = visitor.page(app, "Evidence").await?;
    page.body.raw("<p>").text(view::headline(&ground.situation(), app.engine.ports.clock.now())).raw("</p>");
    if let Err(why) = app.engine.may(&visitor.person.caller, Verb::ExportEvidence, Some(id), &[]).await {
        page.body.raw("<p class=\"notice\">You may not take it away: ").text(why.to_string()).raw("</p>");
        return Ok(page);
    }
    page.body
        .raw("<form method=\"post\" class=\"card stack\"><p>One file with every event of this case, each with its proof that the ledger holds it, a signed checkpoint, and what people need to check it offline, with or without our software.</p>")
        .csrf(&visitor.csrf())
        .raw("<button class=\"primary\">Download the evidence bundle</button><p class=\"faint\">Downloading is itself an event of the case. Check the file with <code>quell evidence verify ")
        .text(id.as_str())
        .raw(".zip --key KEY</code>, with a key that you had from elsewhere.</p><p class=\"faint\">It proves that the record was not changed. It does not prove that its events are true, nor, unless the checkpoint was witnessed, that others saw the same ledger.</p></form>");
    Ok(page)
}

#[derive(Deserialize)]
pub struct Take {
    csrf: String,
}

impl Guarded for Take {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

pub async fn download(Shared(app): Shared<State>, Path(id): Path<String>, Sent { visitor, .. }: Sent<Take>) -> Response {
    match bundle(&app, &CaseId::new(id), &visitor).await {
        Ok(response) => response,
        Err(problem) => refuse(problem),
    }
}

async fn bundle(app: &State, id: &CaseId, visitor: &Visitor) -> Answer<Response> {
    let caller = &visitor.person.caller;
    app.engine.may(caller, Verb::ExportEvidence, Some(id), &[]).await?;
    let export = app.engine.export(&caller.by(), id).await?;
    let headers =
        [(header::CONTENT_TYPE, "application/zip".to_owned()), (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.zip\""))];
    Ok((headers, export.bytes).into_response())
}
