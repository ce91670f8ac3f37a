//! What waits for me, without script; and every open case below it.

use axum::{
    extract::State as Shared,
    response::{IntoResponse, Response},
};
use quell_core::view;
use serde_json::Value;

use super::{
    page::{Html, Page},
    visitor::{Visitor, refuse},
};
use crate::http::{
    State, inbox,
    problem::Answer,
    shown::{self, Which},
};

/// Open cases listed at most; the app's queue has them all.
const CASES_MAX: usize = 200;

pub async fn show(Shared(app): Shared<State>, visitor: Visitor) -> Response {
    match page(&app, &visitor).await {
        Ok(page) => page.into_response(),
        Err(problem) => refuse(problem),
    }
}

async fn page(app: &State, visitor: &Visitor) -> Answer<Page> {
    let inbox = inbox::of(app, &visitor.person.caller).await?;
    let mut page = visitor.page(app, "Waiting for you").await?;
    let body = &mut page.body;
    let cases = inbox["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
    if cases.is_empty() {
        body.raw("<p class=\"notice\">Nothing waits for you.</p>");
    }
    for case in cases {
        body.raw("<section class=\"card\"><h2>").text(word(&case["headline"])).raw("</h2>");
        for waiting in case["waiting_for"].as_array().into_iter().flatten() {
            one(body, word(&case["id"]), waiting);
        }
        links(body, word(&case["id"]));
        body.raw("</section>");
    }
    let ids = shown::ids(app, Which::Open, None, CASES_MAX + 1).await?;
    let now = app.engine.ports.clock.now();
    body.raw("<h2>Every open case</h2>");
    if ids.is_empty() {
        body.raw("<p class=\"notice\">No case is open.</p>");
    }
    for id in ids.iter().take(CASES_MAX) {
        let Some(ground) = app.engine.ground(id).await? else { continue };
        body.raw("<section class=\"card\"><p>").text(view::headline(&ground.situation(), now)).raw("</p>");
        links(body, id.as_str());
        body.raw("</section>");
    }
    if ids.len() > CASES_MAX {
        body.raw("<p class=\"faint\">").text("There are more; `quell case list` has them all.").raw("</p>");
    }
    Ok(page)
}

fn one(body: &mut Html, case: &str, waiting: &Value) {
    body.raw("<p>").text(word(&waiting["what"]));
    if let Some(deadline) = waiting["deadline"].as_str() {
        body.raw(" by ").moment(deadline);
    }
    body.raw("; then ").text(word(&waiting["at_timeout"])).raw(".</p>");
    if let (Some(plan), false) = (waiting["plan"].as_str(), waiting["missing"].is_null()) {
        body.raw("<p><a class=\"button primary\" href=\"/cases/").text(case).raw("/approval/").text(plan).raw("\">Answer</a></p>");
    }
}

fn links(body: &mut Html, case: &str) {
    body.raw("<p class=\"faint\"><a href=\"/cases/")
        .text(case)
        .raw("\">Case ")
        .text(case)
        .raw("</a> · <a href=\"/cases/")
        .text(case)
        .raw("/evidence\">Evidence</a></p>");
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
