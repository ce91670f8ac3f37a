//! The description of the API and the API are one.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::server::Server;

/// Every route that others rest on.
const ROUTES: &str = "
POST /setup
POST /login
POST /logout
GET /whoami
GET /inbox
GET /users
POST /users
POST /tokens
GET /sources
POST /sources
GET /context
POST /context
GET /sources/{name}
POST /sources/{name}/owner
GET /notify
POST /notify/{name}/test
POST /policy/replay
POST /alerts/{name}
POST /alerts/{name}/fold
GET /alerts/{name}
GET /cases
POST /cases
GET /cases/{id}
GET /cases/{id}/why
GET /cases/{id}/events
GET /cases/{id}/events/{index}
POST /cases/{id}/plan
POST /cases/{id}/run
POST /cases/{id}/approve
POST /cases/{id}/break-glass
POST /cases/{id}/deny
POST /cases/{id}/exclude
POST /cases/{id}/verdict
POST /cases/{id}/note
POST /cases/{id}/task
POST /cases/{id}/task/{task}/done
POST /cases/{id}/lead
POST /cases/{id}/accept
POST /cases/{id}/undo
POST /cases/{id}/close
POST /cases/{id}/merge
POST /cases/{id}/unmerge
POST /cases/{id}/outcome
POST /cases/{id}/evidence
POST /evidence/population
GET /evidence/who
GET /connectors
GET /connectors/check
POST /connectors/{name}/arm
POST /connectors/{name}/disarm
GET /automation
POST /automation/pause
POST /automation/resume
POST /inventory
GET /inventory
GET /inventory/reach
GET /identities
GET /identities/cases
GET /measures
GET /policy
POST /policy/explain
GET /policy/tests
GET /ledger
GET /ledger/events
GET /ledger/events/{index}
POST /ledger/checkpoint
GET /ledger/verify
GET /ledger/erasures
POST /ledger/erasures
GET /ledger/erasures/{id}
POST /ledger/erasures/{id}/approve
POST /ledger/erasures/{id}/deny
POST /ledger/erasures/{id}/withdraw
GET /stream
GET /openapi.json";

async fn description(server: &Server) -> Value {
    let (status, text) = server.page("/api/v1/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_str(&text).expect("JSON")
}

/// What others build on, and the console's types are made from. `QUELL_BLESS=1`
/// writes it anew, to be read before it is committed.
#[tokio::test]
async fn the_description_is_the_one_that_was_agreed() {
    let server = Server::start();
    let mut description = description(&server).await;
    assert_eq!(description["openapi"], "3.1.0");
    // Moves with every release.
    description["info"]["version"] = "-".into();
    let found = format!("{}\n", serde_json::to_string_pretty(&description).expect("JSON"));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console/openapi.json");
    if std::env::var_os("QUELL_BLESS").is_some() {
        std::fs::write(&path, &found).expect("the description is written");
    }
    let agreed = std::fs::read_to_string(&path).expect("the agreed description");
    assert!(
        agreed == found,
        "the API's description changed; read the change with `QUELL_BLESS=1 cargo nextest run -p quell the_description`"
    );
}

#[tokio::test]
async fn every_route_is_described_served_and_shut_to_strangers() {
    let server = Server::start();
    let description = description(&server).await;
    let paths = description["paths"].as_object().expect("paths");
    for route in ROUTES.trim().lines() {
        let (method, path) = route.split_once(' ').expect("two words");
        assert!(paths.get(&format!("/api/v1{path}")).is_some_and(|p| p.get(method.to_lowercase()).is_some()), "{route} is described");
    }
    let open = ["/api/v1/setup", "/api/v1/login", "/api/v1/openapi.json", "/healthz", "/readyz", "/metrics"];
    let mut seen = 0;
    let mut names = std::collections::BTreeSet::new();
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            let name = methods[method]["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "two operations are called {name}");
            let method: Method = method.to_uppercase().parse().expect("a method");
            let known = ROUTES.lines().any(|r| r == format!("{method} {}", path.trim_start_matches("/api/v1")));
            assert!(known || open.contains(&path.as_str()), "{method} {path} is not in the list of this test");
            if open.contains(&path.as_str()) {
                continue;
            }
            let filled = path
                .trim_start_matches("/api/v1")
                .split('/')
                .map(|p| if p.starts_with('{') { "x" } else { p })
                .collect::<Vec<_>>()
                .join("/");
            let (status, _) = server.call(method.clone(), &filled, None, None).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

#[tokio::test]
async fn health_measures_and_wrong_paths_answer() {
    let server = Server::start();
    let admin = server.set_up().await;
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/nowhere", 404), ("/api/v1/nowhere", 404)] {
        assert_eq!(server.page(path).await.0.as_u16(), status, "{path}");
    }
    assert_eq!(server.call(Method::DELETE, "/cases", Some(&admin), None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let (_, metrics) = server.page("/metrics").await;
    for wanted in ["quell_http_requests_total", "quell_ledger_events", "quell_events_total{type=\"person_created\"}"] {
        assert!(metrics.contains(wanted), "{wanted} in {metrics}");
    }
    let (status, problem) = server.call(Method::GET, "/cases/C-none", Some(&admin), None).await;
    assert_eq!((status, problem["type"].as_str()), (StatusCode::NOT_FOUND, Some("about:blank#unknown")));
}
