//! A case as it is shown, and the rows of the list: loaded by the engine, put
//! in words by the core.

use quell_core::{id::CaseId, id::StreamId, time::Timestamp, view};
use quell_engine::{Failure, ground::Ground, lookup};
use serde_json::{Value, json};

use super::State;

/// A case in full, or nothing where there is none.
pub async fn case(app: &State, id: &CaseId) -> Result<Option<Value>, Failure> {
    let Some(ground) = app.engine.ground(id).await? else { return Ok(None) };
    of_ground(app, &ground).await.map(Some)
}

/// A case that was loaded.
pub async fn of_ground(app: &State, ground: &Ground) -> Result<Value, Failure> {
    let mut shown = view::case(&ground.situation(), app.engine.ports.clock.now());
    let events = app.engine.ports.store.read(&StreamId::case(&ground.case.id), 1).await?;
    shown["events"] = json!({ "first": events.first().map(|e| e.index), "last": events.last().map(|e| e.index) });
    Ok(shown)
}

/// One row of the list.
pub fn row(ground: &Ground, now: Timestamp) -> Value {
    let situation = ground.situation();
    let case = &ground.case;
    json!({
        "id": case.id, "state": case.stage(), "headline": view::headline(&situation, now), "opened_at": case.opened_at, "closed_at": case.closed_at,
        "findings": case.findings.len(), "signals": case.findings.iter().map(|f| u64::from(f.count)).sum::<u64>(),
        "waiting_for": view::waiting_for(&situation, now), "exposure": view::exposure(&situation, now), "states": view::states(&situation),
        "because": case.because, "lead": case.lead, "confidence": case.corroboration().confidence(),
        "kinds": case.findings.iter().map(|f| f.kind).collect::<std::collections::BTreeSet<_>>(),
        "last_at": case.findings.iter().map(|f| f.last_at).max(),
        "owned": case.subjects.values().any(|s| !s.owners.is_empty()),
        // Unknown is null and never 0: the largest of what is known, where everything is.
        "reach": case.subjects.values().map(|s| s.reach).collect::<Option<Vec<_>>>().and_then(|r| r.into_iter().max()),
    })
}

/// Which cases are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    #[default]
    Open,
    Closed,
    All,
}

/// Ids of cases, the newest first.
pub async fn ids(app: &State, which: Which) -> Result<Vec<CaseId>, Failure> {
    const MANY: u32 = 100_000;
    let store = &app.engine.ports.store;
    let open: std::collections::BTreeSet<String> =
        store.lookup_range(lookup::OPEN_CASE, "", None, MANY).await?.into_iter().map(|(id, _)| id).collect();
    let mut cases: Vec<(String, String)> = store
        .lookup_range(lookup::CASE, "", None, MANY)
        .await?
        .into_iter()
        .filter(|(id, _)| match which {
            Which::All => true,
            Which::Open => open.contains(id),
            Which::Closed => !open.contains(id),
        })
        .map(|(id, row)| (row["opened_at"].as_str().unwrap_or_default().to_owned(), id))
        .collect();
    cases.sort_by(|a, b| b.cmp(a));
    Ok(cases.into_iter().map(|(_, id)| CaseId::new(id)).collect())
}
