//! The record itself: signing and checking it.

use axum::{Json, extract::State as Shared};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use quell_core::decision::Verb;
use quell_engine::{Failure, port::StoreError};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{State, input::Account, problem::Answer, shape_screens};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(checkpoint)).routes(routes!(verify))
}

/// Signs a checkpoint over everything that is committed.
#[utoipa::path(post, path = "/ledger/checkpoint", tag = "ledger", responses((status = 200, description = "`{ok, size, root, checkpoint, key}`", body = shape_screens::LedgerWhole), (status = 403)))]
async fn checkpoint(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::OperateLedger, None, &[]).await?;
    let note = app.engine.sign_checkpoint().await?;
    let signed = quell_ledger::Note::parse(note.as_bytes()).map_err(|e| Failure::Damaged(e.to_string()))?;
    let body = quell_ledger::Checkpoint::parse(signed.text()).map_err(|e| Failure::Damaged(e.to_string()))?;
    let key = app.engine.ports.signer.vkey();
    Ok(Json(json!({ "ok": true, "size": body.size, "root": body.root.base64(), "checkpoint": note, "key": key })))
}

/// Reads the whole log and recomputes every hash, version and root.
#[utoipa::path(get, path = "/ledger/verify", tag = "ledger", responses((status = 200, description = "`{ok, size, root}`, and `error` where it is not", body = shape_screens::LedgerWhole), (status = 403)))]
async fn verify(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::OperateLedger, None, &[]).await?;
    match app.store.verify().await {
        Ok(whole) => Ok(Json(json!({ "ok": true, "size": whole.size, "root": STANDARD.encode(whole.root) }))),
        Err(StoreError::Damaged(why)) => Ok(Json(json!({ "ok": false, "size": Value::Null, "root": Value::Null, "error": why }))),
        Err(other) => Err(Failure::from(other).into()),
    }
}
