//! Whether the process lives, whether it is ready, and its measures. Open to
//! everybody who can reach the port: they name routes and counts, nothing else.

use axum::{extract::State as Shared, http::StatusCode};
use quell_core::route::{RULES, Rule};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::State;

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(measures))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "it lives", content_type = "text/plain")), security(()))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// The store answers, and the server is not ending.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, description = "it takes alerts", content_type = "text/plain"), (status = 503, description = "it does not")), security(()))]
async fn readyz(Shared(app): Shared<State>) -> (StatusCode, &'static str) {
    if *app.stop.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match app.engine.ports.store.next_due().await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

/// Counters and times in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Prometheus text format", content_type = "text/plain")), security(()))]
async fn measures(Shared(app): Shared<State>) -> String {
    if let Ok(size) = app.engine.ports.store.size().await {
        // A gauge is a float; the log has far fewer than 2^53 leaves.
        metrics::gauge!("quell_ledger_events").set(size as f64);
    }
    if let Ok(routed) = app.engine.routed().await {
        let all: u64 = routed.values().sum();
        for rule in RULES.map(Rule::name) {
            metrics::gauge!("quell_routed_subjects", "rule" => rule).set(routed.get(rule).copied().unwrap_or(0) as f64);
        }
        // Of nothing there is no share: unknown is never 0.
        if all > 0 {
            let fallback = routed.get(Rule::Fallback.name()).copied().unwrap_or(0);
            metrics::gauge!("quell_routed_fallback_share").set(fallback as f64 / all as f64);
        }
    }
    app.metrics.render()
}
