//! What another policy set would have left to people in past cases.

use axum::{
    Json,
    extract::{DefaultBodyLimit, State as Shared},
};
use quell_core::{decision::Verb, time::Timestamp};
use quell_engine::{Failure, port::Policy, replay::CASES_MAX};
use quell_policy::{CedarPolicy, Source};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
    shape_screens,
};

/// The largest set that is sent, in bytes.
const SET_BYTES_MAX: usize = 20 << 20;

/// As a policy directory is bounded.
const FILES_MAX: usize = 64;
const FILE_BYTES_MAX: usize = 256 * 1024;

/// One at a time.
static ONE: Semaphore = Semaphore::const_new(1);

/// Replays take as long as there are cases.
pub fn patient() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(replay)).layer(DefaultBodyLimit::max(SET_BYTES_MAX))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// The set, a file each; the files of the server's `policy_dir` as they are now where it is absent.
    #[schema(value_type = Option<Vec<Object>>)]
    files: Option<Vec<Source>>,
    /// Cases that were opened at or after this moment, RFC 3339.
    #[schema(value_type = String)]
    since: Timestamp,
}

/// Asks a policy set about every plan of past cases, each as it stood when it was decided,
/// and compares with what was decided then: does a step run at once, after whose yes, or
/// never. Nothing is written, and the set is not put in force.
#[utoipa::path(post, path = "/policy/replay", tag = "policy", request_body = Replay,
    responses((status = 200, description = "What differs, the newest case first", body = shape_screens::Replayed), (status = 403), (status = 422, description = "the set is refused, with every problem")))]
async fn replay(Shared(app): Shared<State>, Account(person): Account, Input(wanted): Input<Replay>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let files = wanted.files.as_deref().unwrap_or_default();
    if files.len() > FILES_MAX || files.iter().any(|f| f.text.len() > FILE_BYTES_MAX) {
        return Err(Problem::invalid("files", format!("a set has at most {FILES_MAX} files of {FILE_BYTES_MAX} bytes")));
    }
    // It reads much of the ledger; whoever asks second comes again.
    let Ok(_one) = ONE.try_acquire() else {
        return Err(Failure::Unavailable("another replay is under way; ask again when it is through".to_owned()).into());
    };
    let dir = app.policy_dir.clone();
    // A large set takes a while to check; requests are answered meanwhile.
    let set = tokio::task::spawn_blocking(move || match (wanted.files, dir) {
        (Some(files), _) => CedarPolicy::from_sources(&files),
        (None, Some(dir)) => CedarPolicy::load(&dir),
        (None, None) => Ok(CedarPolicy::shipped()),
    });
    let set = set.await.map_err(|_| Failure::Unavailable("the server is stopping".to_owned()))?;
    let set = set.map_err(|refused| Problem::invalid("files", refused.to_string()))?;
    let replayed = app.engine.replay(&set, wanted.since).await?;
    let unread: Vec<Value> = replayed.unread.iter().map(|(case, why)| json!({ "case": case, "why": why })).collect();
    let count = |shift| replayed.steps.get(&shift).copied().unwrap_or(0);
    use quell_core::replay::Shift;
    Ok(Json(json!({
        "digest": set.digest(), "in_force": app.policy.digest(), "since": wanted.since, "cases": replayed.cases, "plans": replayed.plans,
        "same": count(Shift::Same), "looser": count(Shift::Looser), "stricter": count(Shift::Stricter), "other": count(Shift::Other),
        "differ": replayed.differ, "cut": replayed.cut, "unread": unread, "truncated": replayed.truncated, "cases_max": CASES_MAX,
    })))
}
