//! The tests that stand beside the policy set, run against the set in force.

use axum::{Json, extract::State as Shared};
use quell_core::decision::Verb;
use quell_engine::{Failure, port::Policy};
use quell_policy::{CedarPolicy, shipped_tests, test, test_set};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{State, input::Account, problem::Answer, shape_screens};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(tests))
}

/// Runs the set's own tests: the shipped ones, or those of `policy_dir`. The files may
/// have changed since they were loaded; then `is_loaded` is false.
#[utoipa::path(get, path = "/policy/tests", tag = "policy",
    responses((status = 200, description = "`{digest, is_loaded, ok, cases, failures, never_decides, never_silent, refused}`", body = shape_screens::PolicyTests), (status = 403)))]
async fn tests(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let (policy, dir) = (app.policy.clone(), app.policy_dir.clone());
    // A set has hundreds of cases; requests are answered meanwhile.
    let run = tokio::task::spawn_blocking(move || {
        let in_force = policy.digest();
        let Some(dir) = dir else { return (in_force.to_string(), true, Ok(test_set(&policy, &shipped_tests()))) };
        match CedarPolicy::load(&dir).and_then(|set| Ok((set.digest().to_string(), test(&dir)?))) {
            Ok((digest, report)) => (digest.clone(), digest == *in_force, Ok(report)),
            Err(refused) => (in_force.to_string(), false, Err(refused.to_string())),
        }
    });
    let (digest, is_loaded, report) = run.await.map_err(|_| Failure::Unavailable("the server is stopping".to_owned()))?;
    let mut answer = match &report {
        Ok(report) => json!(report),
        Err(_) => json!({ "ok": false, "cases": 0, "failures": [], "never_decides": [], "never_silent": [] }),
    };
    answer["digest"] = json!(digest);
    answer["is_loaded"] = json!(is_loaded);
    answer["refused"] = json!(report.err());
    Ok(Json(answer))
}
