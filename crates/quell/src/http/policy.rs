//! The policy in force: as a table, and asked about one question.

use axum::{Json, extract::State as Shared};
use quell_core::decision::{AttemptQuestion, Verb, VerbQuestion};
use quell_engine::port::Policy;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    input::{Account, Input},
    problem::{Answer, Problem},
    shape_screens,
};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(explain))
}

/// The set in force: who may do what to what, unless what, and whom to ask.
#[utoipa::path(get, path = "/policy", tag = "policy", responses((status = 200, description = "`{digest, rows}`", body = shape_screens::PolicyTable)))]
async fn show(Shared(app): Shared<State>, Account(person): Account) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    Ok(Json(json!({ "digest": app.policy.digest(), "rows": quell_policy::show(&app.policy) })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// An attempt (`action`, `identity`, `circumstances`) or a verb (`verb`, `principal`, ..).
    #[schema(value_type = Object)]
    question: Value,
}

/// Why the answer to a question is what it is. What the question leaves out is
/// taken from the usual example, and the answer holds the whole question.
#[utoipa::path(post, path = "/policy/explain", tag = "policy", request_body = Ask, responses((status = 200, description = "`{decision, reasons, then, ask, next, question}`", body = shape_screens::Explained), (status = 422)))]
async fn explain(Shared(app): Shared<State>, Account(person): Account, Input(ask): Input<Ask>) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let wrong = |e: serde_json::Error| Problem::invalid("question", e.to_string());
    let (explained, question) = if ask.question.get("verb").is_some() {
        let mut whole = serde_json::to_value(quell_policy::example_verb()).map_err(wrong)?;
        merge(&mut whole, ask.question);
        let question: VerbQuestion = serde_json::from_value(whole.clone()).map_err(wrong)?;
        (quell_policy::explain_verb(&app.policy, &question), whole)
    } else {
        let mut whole = serde_json::to_value(quell_policy::example()).map_err(wrong)?;
        merge(&mut whole, ask.question);
        let question: AttemptQuestion = serde_json::from_value(whole.clone()).map_err(wrong)?;
        (quell_policy::explain(&app.policy, &question), whole)
    };
    let mut answer = serde_json::to_value(explained).map_err(wrong)?;
    answer["question"] = question;
    Ok(Json(answer))
}

/// Members of `from` replace those of `into`; the principal is one thing.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key).filter(|_| key != "principal") {
                    Some(held) => merge(held, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}
