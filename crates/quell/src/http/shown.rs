//! A case as it is shown, and the rows of the list: loaded by the engine, put
//! in words by the core.

use std::collections::BTreeSet;

use quell_core::{
    id::{CaseId, StreamId},
    notice::{To, channel_of},
    secret::hex,
    time::Timestamp,
    view,
};
use quell_engine::{Failure, ground::Ground, lookup, port::StoredEvent};
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
    shown["blind_sources"] = json!(app.engine.blind_sources(&ground.case).await?);
    shown["threat_context"] = json!(app.engine.threat_context(&ground.case).await?);
    shown["notices"] = notices(app, &ground.case.id).await?;
    let events = app.engine.ports.store.read(&StreamId::case(&ground.case.id), 1).await?;
    shown["events"] = json!({ "first": events.first().map(|e| e.index), "last": events.last().map(|e| e.index) });
    Ok(shown)
}

/// Who was to be told of a case, in the order in which it was due, and what became of it.
async fn notices(app: &State, case: &CaseId) -> Result<Value, Failure> {
    let notices = app.engine.notices(case).await?.0;
    let mut in_order: Vec<_> = notices.iter().collect();
    in_order.sort_by_key(|(id, notice)| (notice.due_at, id.as_str()));
    let mut rows = Vec::new();
    for (id, notice) in in_order {
        let last = notice.handed.last().map(|(last, _)| last);
        let to = match &notice.to {
            To::Person(person) => app.engine.person(person).await?.map_or_else(|| person.to_string(), |p| p.name.shown().to_owned()),
            To::Role(role) => role.in_words().to_owned(),
            To::Named(name) => name.shown().to_owned(),
        };
        let failed: Vec<Value> =
            last.iter().flat_map(|l| &l.failed).map(|f| json!({ "channel": channel_of(&f.channel), "why": f.why })).collect();
        rows.push(json!({
            "id": id, "to": to, "why": notice.cause.in_words(), "pages": notice.pages, "due_at": notice.due_at, "standing": notice.standing(),
            "people": last.map_or(0, |l| l.people.len()), "paged": last.map_or(0, |l| l.interrupts.len()),
            "over": notice.taken_by().into_iter().map(channel_of).collect::<BTreeSet<_>>(), "failed": failed, "tried_at": notice.handed.last().map(|(_, at)| at),
        }));
    }
    Ok(json!(rows))
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
        "kinds": case.findings.iter().map(|f| f.kind).collect::<BTreeSet<_>>(),
        "last_at": case.findings.iter().map(|f| f.last_at).max(),
        "owned": case.subjects.values().any(|s| !s.owners.is_empty()),
        // Unknown is null and never 0: the largest of what is known, where everything is.
        "reach": case.subjects.values().map(|s| s.reach).collect::<Option<Vec<_>>>().and_then(|r| r.into_iter().max()),
    })
}

/// One line as the ledger holds it, with the proof that the log contains it at the size
/// it has now.
pub async fn leaf(app: &State, stored: &StoredEvent) -> Result<Value, Failure> {
    let store = &app.engine.ports.store;
    let (size, root) = store.root(None).await?;
    let proof = store.inclusion(stored.index, size).await?;
    Ok(json!({
        "index": stored.index, "leaf": String::from_utf8_lossy(&stored.leaf.bytes), "hash": hex(&stored.leaf.hash), "size": size, "root": hex(&root),
        "proof": proof.iter().map(|h| hex(h.as_slice())).collect::<Vec<_>>(), "checkpoint": store.checkpoint().await?,
    }))
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

/// Rows of a projection that are read at once.
const BATCH: u32 = 1_000;

/// So many cases of a kind are put in order instead of looked for among all.
const FEW: usize = 5_000;

/// At most `limit` ids of cases after `after`, the newest first; a case that nobody
/// opened has none after it. No more is read than it takes to find these.
pub async fn ids(app: &State, which: Which, after: Option<&str>, limit: usize) -> Result<Vec<CaseId>, Failure> {
    let store = &app.engine.ports.store;
    let mut from = match after {
        Some(after) => match place(app, after).await? {
            Some(place) => Some(place),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let table = match which {
        Which::All => None,
        Which::Open => Some(lookup::OPEN_CASE),
        Which::Closed => Some(lookup::CLOSED_CASE),
    };
    let (first, mut found) = (from.clone(), Vec::new());
    let mut kind: Option<BTreeSet<String>> = None;
    loop {
        let rows = store.lookup_range(lookup::RECENT_CASE, "", from.as_deref(), BATCH).await?;
        let Some((last, _)) = rows.last() else { return Ok(found) };
        from = Some(last.clone());
        for id in rows.iter().filter_map(|(_, id)| id.as_str()) {
            let asked = match (table, &kind) {
                (None, _) => true,
                (Some(_), Some(kind)) => kind.contains(id),
                (Some(table), None) => store.lookup(table, id).await?.is_some(),
            };
            if asked {
                found.push(CaseId::new(id));
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
        // What is asked for is rare among the newest.
        if let Some(table) = table.filter(|_| kind.is_none()) {
            let all: BTreeSet<String> = store.lookup_range(table, "", None, u32::MAX).await?.into_iter().map(|(id, _)| id).collect();
            if all.len() <= FEW {
                return in_order(app, all, first.as_deref(), limit).await;
            }
            kind = Some(all);
        }
    }
}

/// At most `limit` of these after the place `from`, the newest first.
async fn in_order(app: &State, cases: BTreeSet<String>, from: Option<&str>, limit: usize) -> Result<Vec<CaseId>, Failure> {
    let mut found = Vec::new();
    for case in cases {
        found.extend(place(app, &case).await?.filter(|p| from.is_none_or(|from| p.as_str() > from)).map(|p| (p, CaseId::new(case))));
    }
    found.sort();
    Ok(found.into_iter().take(limit).map(|(_, id)| id).collect())
}

async fn place(app: &State, case: &str) -> Result<Option<String>, Failure> {
    let row = app.engine.ports.store.lookup(lookup::CASE, case).await?;
    let opened_at = row.and_then(|row| row["opened_at"].as_str()?.parse::<Timestamp>().ok());
    Ok(opened_at.map(|at| lookup::place(at, case)))
}

async fn is_open(app: &State, case: &str) -> Result<bool, Failure> {
    Ok(app.engine.ports.store.lookup(lookup::OPEN_CASE, case).await?.is_some())
}

/// Open cases in which something may wait for people, the newest first, and whether
/// there are more than were looked at.
pub async fn waiting(app: &State) -> Result<(Vec<CaseId>, bool), Failure> {
    const MANY: u32 = 5_000;
    let rows = app.engine.ports.store.lookup_range(lookup::WAITING, "", None, MANY).await?;
    let more = rows.len() == MANY as usize;
    let cases: BTreeSet<String> = rows.iter().filter_map(|(_, case)| case.as_str().map(str::to_owned)).collect();
    let mut found = Vec::new();
    for case in cases {
        if is_open(app, &case).await? {
            found.extend(place(app, &case).await?.map(|place| (place, CaseId::new(case))));
        }
    }
    found.sort();
    Ok((found.into_iter().map(|(_, id)| id).collect(), more))
}
