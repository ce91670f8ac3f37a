//! The record to read in: how far the log goes and what was signed of it, a search
//! over its lines, and the proof of any one of them.
//!
//! A search goes backwards from the newest line and looks at a bounded number of
//! leaves; what it did not come to is said, so that nothing found never passes for
//! nothing there.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
};
use quell_core::{
    decision::Verb,
    event::{Event, Recorded},
    id::{CaseId, TargetId},
    target::Target,
    time::Timestamp,
};
use quell_engine::{Failure, lookup, port::StoredEvent, streams};
use quell_ledger::{Checkpoint, Note};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::Account,
    problem::{Answer, Problem},
    shape, shape_screens, shown,
    told::{Told, told},
};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(head)).routes(routes!(search)).routes(routes!(leaf))
}

/// The log's size and root now, the checkpoint that was signed last, and who signed it.
#[utoipa::path(get, path = "/ledger", tag = "ledger", responses((status = 200, description = "the log", body = shape_screens::Ledger), (status = 403)))]
async fn head(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let store = &app.engine.ports.store;
    let (size, root) = store.root(None).await.map_err(Failure::from)?;
    let note = store.checkpoint().await.map_err(Failure::from)?;
    let signed = note.as_ref().and_then(|note| Note::parse(note.as_bytes()).ok());
    let body = signed.as_ref().and_then(|note| Checkpoint::parse(note.text()).ok());
    let others: Vec<&str> = match (&signed, &body) {
        (Some(note), Some(body)) => {
            note.signatures().iter().map(quell_ledger::note::Signature::name).filter(|name| *name != body.origin).collect()
        }
        _ => Vec::new(),
    };
    Ok(Json(json!({
        "size": size, "root": quell_ledger::leaf::Hash(root).base64(), "key": app.engine.ports.signer.vkey(), "checkpoint": note,
        "signed_size": body.as_ref().map(|b| b.size), "signed_root": body.as_ref().map(|b| b.root.base64()), "witnesses": others,
    })))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Lines before this index; from the newest where it is left out.
    before: Option<u64>,
    /// At most 200.
    limit: Option<usize>,
    /// Types, separated by commas: only these.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kinds: Option<String>,
    /// What the stream's name begins with, such as `case/` or `person/`.
    stream: Option<String>,
    /// The author, such as `automation` or `person:ID`.
    by: Option<String>,
    /// What the line says, or its stream, type or author contains.
    text: Option<String>,
}

/// Leaves looked at in one request.
const LOOKED_AT_MAX: u64 = 20_000;
const BATCH: u64 = 1_000;

/// Lines of the log, the newest first. `next` goes on where this answer ended; it is
/// null only where the first line was reached.
#[utoipa::path(get, path = "/ledger/events", tag = "ledger", params(Search),
    responses((status = 200, description = "`{events, next, looked_at, size}`", body = shape_screens::LedgerLines), (status = 403)))]
async fn search(Shared(app): Shared<State>, Account(person): Account, Query(search): Query<Search>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let store = &app.engine.ports.store;
    let size = store.size().await.map_err(Failure::from)?;
    let limit = search.limit.unwrap_or(100).clamp(1, 200);
    let start = search.before.unwrap_or(size).min(size);
    let mut names = Names::default();
    let (mut at, mut lines) = (start, Vec::new());
    while at > 0 && lines.len() < limit && start - at < LOOKED_AT_MAX {
        let from = at.saturating_sub(BATCH);
        let mut stored = streams::batch(&**store, from, at).await?;
        stored.retain(|leaf| search.may_match(leaf));
        if search.text.is_none() {
            // All of these match; what is beyond the page need not be decoded.
            stored.drain(..stored.len().saturating_sub(limit - lines.len()));
        }
        let decoded = streams::decode_all(&**store, &stored).await?;
        let mut next = from;
        for (leaf, recorded) in stored.iter().zip(&decoded).rev() {
            let line = line(&app, leaf, recorded, &mut names).await?;
            if !search.matches(&line) {
                continue;
            }
            lines.push(line);
            if lines.len() == limit {
                next = leaf.index;
                break;
            }
        }
        at = next;
    }
    Ok(Json(json!({ "events": lines, "next": (at > 0).then_some(at), "looked_at": start - at, "size": size })))
}

impl Search {
    /// Before it is decoded: by the envelope alone.
    fn may_match(&self, leaf: &StoredEvent) -> bool {
        let Ok(value) = serde_json::from_slice::<Value>(&leaf.leaf.bytes) else { return true };
        let said = |key: &str| value[key].as_str().unwrap_or_default();
        self.kinds.as_deref().is_none_or(|kinds| kinds.split(',').any(|kind| kind.trim() == said("type")))
            && self.stream.as_deref().is_none_or(|prefix| leaf.leaf.stream.as_str().starts_with(prefix.trim()))
            && self.by.as_deref().is_none_or(|by| by.trim() == said("by"))
    }

    fn matches(&self, line: &Value) -> bool {
        let Some(text) = self.text.as_deref().map(|t| t.trim().to_lowercase()).filter(|t| !t.is_empty()) else { return true };
        ["text", "untrusted", "stream", "type", "by", "case"]
            .iter()
            .any(|key| line[key].as_str().is_some_and(|said| said.to_lowercase().contains(&text)))
    }
}

/// What targets of a case are called; each case is loaded once.
type Names = BTreeMap<CaseId, BTreeMap<TargetId, String>>;

async fn line(app: &State, leaf: &StoredEvent, recorded: &Recorded, names: &mut Names) -> Answer<Value> {
    let case = case_of(app, recorded).await?;
    if let Some(id) = case.as_ref().filter(|id| names_a_target(&recorded.event) && !names.contains_key(id)) {
        let ground = app.engine.ground(id).await?;
        let linked = ground.iter().flat_map(|g| g.case.linked.iter()).map(|(t, _)| (t.id.clone(), Target::reference(t)));
        names.insert(id.clone(), linked.collect());
    }
    let known = case.as_ref().and_then(|id| names.get(id));
    let name = |id: &TargetId| known.and_then(|n| n.get(id)).cloned().unwrap_or_else(|| format!("target {id}"));
    let Told { views, text, untrusted, changed } = installation(&recorded.event).unwrap_or_else(|| told(&recorded.event, None, name));
    Ok(json!({ "index": leaf.index, "at": recorded.at, "by": recorded.by, "stream": recorded.stream, "type": recorded.event.name(),
        "version": recorded.version, "views": views, "text": text, "untrusted": untrusted, "changed": changed, "case": case }))
}

fn names_a_target(event: &Event) -> bool {
    matches!(event, Event::RestAccepted(_) | Event::SecretUsed(_) | Event::ReuseSeen(_))
}

/// The case that a line is of, where its stream says so.
async fn case_of(app: &State, recorded: &Recorded) -> Answer<Option<CaseId>> {
    let (family, key) = recorded.stream.as_str().split_once('/').unwrap_or_default();
    Ok(match family {
        "case" => Some(CaseId::new(key)),
        "plan" => {
            let found = app.engine.ports.store.lookup(lookup::PLAN, key).await.map_err(Failure::from)?;
            found.and_then(|case| case.as_str().map(CaseId::new))
        }
        _ => None,
    })
}

/// What concerns the whole installation, in words; a case's timeline has none of it.
fn installation(event: &Event) -> Option<Told> {
    let mut untrusted = None;
    let text = match event {
        Event::AutomationPaused(e) => {
            untrusted = e.reason.as_ref().map(|r| r.shown().to_owned());
            format!("paused automation until {}", plain(e.until))
        }
        Event::AutomationResumed(_) => "ended the pause of automation".to_owned(),
        Event::ConnectorArmed(e) => {
            let actions: Vec<&str> = e.actions.iter().map(|a| a.name()).collect();
            format!("armed {} until {}: {}", e.connector, plain(e.until), actions.join(", "))
        }
        Event::ConnectorDisarmed(e) => format!("disarmed {}: it only observes", e.connector),
        Event::PolicyLoaded(e) => format!("policy {} is in force", e.digest.get(..12).unwrap_or(&e.digest)),
        Event::ClockStepped(e) => format!("the clock stepped from {} to {}; what was open lapsed", plain(e.from), plain(e.to)),
        _ => return None,
    };
    Some(Told { views: &[], text, untrusted, changed: Value::Null })
}

/// `2026-11-30 14:04:58 UTC`: a line is read by people, the leaf has the rest.
fn plain(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// One line as the log holds it, with the proof that the log contains it at the size
/// it has now. Personal data is not in it, only commitments to it.
#[utoipa::path(get, path = "/ledger/events/{index}", tag = "ledger", params(("index" = u64, Path)),
    responses((status = 200, description = "the exact leaf, its hash, and its inclusion proof", body = shape::Leaf), (status = 403), (status = 404)))]
async fn leaf(Shared(app): Shared<State>, Account(person): Account, Path(index): Path<u64>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let store = &app.engine.ports.store;
    let found = store.leaves(index, 1).await.map_err(Failure::from)?.into_iter().find(|e| e.index == index);
    let stored = found.ok_or_else(|| Problem::unknown(format!("event {index} in the log")))?;
    Ok(Json(shown::leaf(&app, &stored).await?))
}
