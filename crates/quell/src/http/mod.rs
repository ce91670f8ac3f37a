//! The API: one file per family of endpoints, each reads as prose.
//!
//! Handlers authenticate, read their input, hand it to the engine and show what
//! came of it. No rule lives here. Routes and their description are one thing
//! (`utoipa-axum`), so the specification cannot drift from what is served.

mod alerts;
mod automation;
mod cases;
mod channels;
mod connectors;
mod console;
mod context;
mod erasures;
mod evidence;
mod health;
mod identities;
mod inbox;
mod input;
mod inventory;
mod ledger;
mod limits;
mod measures;
mod openapi;
mod orders;
mod policy;
mod policy_replay;
mod policy_tests;
pub mod problem;
mod record;
mod session;
mod setup;
mod shape;
mod shape_screens;
mod shown;
mod sources;
mod stream;
mod tokens;
mod told;
mod users;
mod why;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit};
use quell_engine::Engine;
use quell_policy::CedarPolicy;
use quell_store::SqliteStore;
use tokio::sync::{Semaphore, watch};
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    access::{account::Accounts, setup::SetupDoor},
    config::Config,
    notify::Post,
    wiring::Wired,
};

pub use limits::Refusals;

/// What every handler may use.
pub struct App {
    pub engine: Arc<Engine>,
    pub store: Arc<SqliteStore>,
    pub policy: Arc<CedarPolicy>,
    pub post: Arc<Post>,
    pub kinds: BTreeMap<String, String>,
    pub accounts: Accounts,
    pub door: SetupDoor,
    pub max_body: usize,
    /// Where the policy set came from; none for the shipped one.
    pub policy_dir: Option<PathBuf>,
    /// How browsers reach this server, where a proxy stands before it.
    pub public_url: Option<String>,
    pub buckets: limits::Buckets,
    pub refusals: Refusals,
    /// Alerts that are filed at once, beside what the scheduler does.
    pub filing: Arc<Semaphore>,
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// Turns true when the server is to end.
    pub stop: watch::Receiver<bool>,
}

/// As handlers share it.
pub type State = Arc<App>;

/// The longest a request that does not wait for anything takes.
const SECONDS_MAX: u64 = 30;
/// The most bytes of a request that is not an alert or an inventory.
const JSON_BYTES_MAX: usize = 1024 * 1024;
/// Alerts filed at once, beside what the scheduler does.
const FILING_MAX: usize = 16;

impl App {
    /// Takes what was wired.
    pub fn new(
        wired: Wired,
        config: &Config,
        door: SetupDoor,
        metrics: metrics_exporter_prometheus::PrometheusHandle,
        stop: watch::Receiver<bool>,
    ) -> State {
        Arc::new(Self {
            accounts: Accounts::new(wired.engine.clone()),
            engine: wired.engine,
            store: wired.store,
            policy: wired.policy,
            post: wired.post,
            kinds: wired.kinds,
            door,
            max_body: config.max_body,
            policy_dir: config.policy_dir.clone(),
            public_url: config.public_url.clone(),
            buckets: limits::Buckets::new(config.intake),
            refusals: Refusals::default(),
            filing: Arc::new(Semaphore::new(FILING_MAX)),
            metrics,
            stop,
        })
    }
}

impl App {
    /// Do browsers come over TLS? Then cookies go over nothing else.
    pub fn secure(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// Every route and its description.
fn routes() -> OpenApiRouter<State> {
    // These wait, stream or read more than a request usually may.
    let patient = OpenApiRouter::new()
        .merge(alerts::patient())
        .merge(stream::routes())
        .merge(inventory::patient())
        .merge(context::patient())
        .merge(evidence::routes())
        .merge(erasures::patient())
        .merge(policy_replay::patient());
    let prompt = OpenApiRouter::new()
        .merge(setup::routes())
        .merge(session::routes())
        .merge(inbox::routes())
        .merge(users::routes())
        .merge(tokens::routes())
        .merge(sources::routes())
        .merge(channels::routes())
        .merge(alerts::routes())
        .merge(cases::routes())
        .merge(orders::routes())
        .merge(connectors::routes())
        .merge(automation::routes())
        .merge(inventory::routes())
        .merge(identities::routes())
        .merge(measures::routes())
        .merge(policy::routes())
        .merge(policy_tests::routes())
        .merge(ledger::routes())
        .merge(record::routes())
        .merge(erasures::routes())
        .merge(openapi::routes())
        .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(SECONDS_MAX)))
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX));
    OpenApiRouter::with_openapi(openapi::head()).merge(health::routes()).nest("/api/v1", patient.merge(prompt))
}

/// The server's router.
pub fn router(app: State) -> Router {
    let (router, description) = routes().split_for_parts();
    openapi::describe(description);
    router
        .merge(console::routes())
        .fallback(problem::nowhere)
        .method_not_allowed_fallback(problem::not_so)
        .layer(axum::middleware::from_fn(limits::measure))
        .with_state(app)
}
