//! Identities: which there are and who answers for them, and everything that is
//! known of one: its credentials by what was proved of them, and its cases.

use axum::{
    Json,
    extract::{Query, State as Shared},
};
use quell_core::{
    decision::Verb,
    draft::Naming,
    id::CaseId,
    inventory::{self, Identity, Inventory},
    personal::Salter,
    target::TargetKind,
    view,
};
use quell_engine::{Failure, lookup};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{State, input::Account, problem::Answer, shape_screens, shown};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(cases))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Only those whose id, name, kind, environment or owner contains it.
    text: Option<String>,
    /// The last id of the page before.
    after: Option<String>,
    /// At most 500.
    limit: Option<usize>,
}

/// Identities of the inventory by their ids, each with who answers for it, and how
/// many of all have an owner.
#[utoipa::path(get, path = "/identities", tag = "inventory", params(Page),
    responses((status = 200, description = "`{identities, next, owned}`", body = shape_screens::Identities), (status = 403)))]
async fn list(Shared(app): Shared<State>, Account(person): Account, Query(page): Query<Page>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let inventory = app.engine.inventory();
    let text = page.text.unwrap_or_default().trim().to_lowercase();
    let limit = page.limit.unwrap_or(100).clamp(1, 500);
    let (mut all, mut owned, mut by_business) = (0u32, 0u32, 0u32);
    let (mut found, mut more) = (Vec::new(), false);
    for identity in inventory.identities() {
        let row = row(&inventory, identity);
        let owners = row["owners"].as_array().map(Vec::as_slice).unwrap_or_default();
        all += 1;
        owned += u32::from(!owners.is_empty());
        by_business += u32::from(owners.iter().any(|o| o["role"] == "business"));
        let past = page.after.as_deref().is_none_or(|after| identity.id.as_str() > after);
        if !past || !says(&row, &text) {
            continue;
        }
        if found.len() < limit {
            found.push(row);
        } else {
            more = true;
        }
    }
    let next = found.last().filter(|_| more).map(|row| row["id"].clone());
    Ok(Json(json!({ "identities": found, "next": next, "owned": { "identities": all, "owned": owned, "by_business": by_business } })))
}

fn row(inventory: &Inventory, identity: &Identity) -> Value {
    let owners: Vec<Value> = inventory
        .owners(&identity.id)
        .into_iter()
        .map(|o| json!({ "role": o.role, "person": o.person, "team": o.team, "deputy": o.deputy, "confirmed_at": o.confirmed_at }))
        .collect();
    json!({ "id": identity.id, "name": identity.name, "kind": identity.kind, "environment": identity.environment, "criticality": identity.criticality,
        "shared": identity.shared, "protected": identity.protected, "status": identity.status, "last_used_at": identity.last_used_at,
        "consumers": inventory.consumers(&identity.id).len(), "owners": owners })
}

fn says(row: &Value, text: &str) -> bool {
    let said = |value: &Value| value.as_str().is_some_and(|s| s.to_lowercase().contains(text));
    text.is_empty()
        || ["id", "name", "kind", "environment", "criticality", "status"].iter().any(|key| said(&row[key]))
        || row["owners"].as_array().into_iter().flatten().any(|o| said(&o["person"]) || said(&o["team"]))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Reference {
    /// SYSTEM/NATIVE_ID of an identity.
    #[serde(rename = "ref")]
    #[param(rename = "ref")]
    reference: String,
}

/// Cases that are loaded for one identity, the newest first.
const CASES_MAX: usize = 100;

/// Every case about an identity, the newest first, and what they proved of its
/// credentials, sessions and entitlements.
#[utoipa::path(get, path = "/identities/cases", tag = "inventory", params(Reference),
    responses((status = 200, description = "`{identity, cases, holdings, truncated}`; a holding stands as the newest case that knows it has it", body = shape_screens::IdentityCases), (status = 403)))]
async fn cases(Shared(app): Shared<State>, Account(person): Account, Query(asked): Query<Reference>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let inventory = app.engine.inventory();
    let identity = inventory.identity(&asked.reference).map_or(asked.reference.as_str(), |i| i.id.as_str());
    let mut about = Vec::new();
    if let Some((plane, native)) = inventory::split(identity) {
        // Only the id is wanted, which no salt is part of.
        let salter = Salter::new([0; 32]);
        let naming = Naming { key: &app.engine.settings.key, salter: &salter };
        let id = naming.target(plane, TargetKind::Identity, native, native).id;
        let rows =
            app.engine.ports.store.lookup_range(lookup::SUBJECT_CASE, &format!("{id}/"), None, 10_000).await.map_err(Failure::from)?;
        for (key, _) in rows {
            let Some((_, case)) = key.split_once('/') else { continue };
            let opened = app.engine.ports.store.lookup(lookup::CASE, case).await.map_err(Failure::from)?;
            about.push((opened.and_then(|row| row["opened_at"].as_str().map(str::to_owned)), CaseId::new(case)));
        }
    }
    about.sort_by(|a, b| b.cmp(a));
    let truncated = about.len() > CASES_MAX;
    let now = app.engine.ports.clock.now();
    let (mut rows, mut holdings) = (Vec::new(), Vec::<Value>::new());
    for (_, id) in about.into_iter().take(CASES_MAX) {
        let Some(ground) = app.engine.ground(&id).await? else { continue };
        rows.push(shown::row(&ground, now));
        let case = view::case(&ground.situation(), now);
        for (list, what) in [("credentials", "credential"), ("sessions", "session"), ("entitlements", "entitlement")] {
            for held in case[list].as_array().into_iter().flatten() {
                if held["identity"] != identity || holdings.iter().any(|h| h["holding"]["target"] == held["target"]) {
                    continue;
                }
                holdings.push(json!({ "case": id, "what": what, "holding": held }));
            }
        }
    }
    Ok(Json(json!({ "identity": identity, "cases": rows, "holdings": holdings, "truncated": truncated })))
}
