//! A stolen refresh token with the thief's session open and a JWT out, over HTTP, on a
//! real OpenID provider: the account is closed, sessions and grants are cut together and
//! proved dead, the JWT stands with its date and is proved expired after it.

use quell_lab::oidc::{App, Browser, Options, Person, Provider, RESOURCE, Tokens};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

/// How long the JWT is good, and how much longer it may be taken, in seconds.
const JWT_SECONDS: u32 = 60;
const LEEWAY_SECONDS: i64 = 2;

/// A provider under a running server, and the people who decide.
struct Stand {
    provider: Provider,
    alice: Person,
    web: App,
    mobile: App,
    thief: Browser,
    phone: Tokens,
    server: Server,
    admin: String,
    lead: String,
    roles: [(&'static str, String); 2],
    sink: std::path::PathBuf,
    desk: Desk,
}

impl Stand {
    async fn new() -> Self {
        let provider =
            Provider::start(Options { jwt_seconds: JWT_SECONDS, ..Options::default() }).await.expect("the real provider is installed");
        let alice = provider.person("alice").await.expect("made");
        let (web, mobile) = (provider.web("web").await.expect("made"), provider.mobile("mobile").await.expect("made"));
        let desk = Desk::new();
        let sink = desk.path("alice.json");
        let toml = format!(
            "[automation]\nwatch_every = \"1s\"\n[[connector]]\nname = \"oidc-main\"\nkind = \"oidc\"\nurl = \"{}?hostaddr=127.0.0.1\"\nca_file = \"{}\"\nsecret_file = \"{}\"\nsettle = \"100ms\"\nleeway = \"{LEEWAY_SECONDS}s\"\nstep_up = \"urn:lab:otp\"\n[connector.control]\nidentity = \"quell-control\"\nsecret_file = \"{}\"\n[[sink]]\nname = \"alice-login\"\nkind = \"file\"\npath = \"{}\"\n",
            provider.issuer(),
            desk.file("ca.pem", provider.ca().pem()),
            desk.file("own", provider.own_secret().reveal()),
            desk.file("control", provider.control_secret().reveal()),
            sink.display(),
        );
        let config = desk.file("quell.toml", &toml);
        let script = desk.run(&["connector", "bootstrap", "oidc-main", "--config", &config]);
        assert!(script.ended(0).out.contains("quell:admin"), "{}", script.out);

        let server = Server::start_with(&toml);
        let admin = server.set_up().await;
        let inventory = "systems:\n  - {id: oidc-main, kind: oidc, environment: production, criticality: normal, process: people}\nidentities:\n  - {id: oidc-main/alice, kind: human, name: Alice, environment: production, shared: false, criticality: normal, rotation: {method: connector, sink: alice-login}}\nowners:\n  - {of: 'oidc-main/*', role: business, person: bea@corp.example, confirmed_at: '2026-10-01'}\n";
        let (status, change) = server.send("/inventory?source=test", Some(&admin), &[], inventory.as_bytes().to_vec()).await;
        assert_eq!((status, &change["added"], &change["errors"]), (StatusCode::OK, &json!(3), &json!([])), "{change}");
        let checked = server.get("/connectors/check", &admin).await;
        assert_eq!(
            (&checked[0]["reachable"], &checked[0]["control_alive"], &checked[0]["privileges"]["missing"]),
            (&json!(true), &json!(true), &json!([])),
            "{checked}"
        );
        let planes = server.get("/connectors", &admin).await;
        let actions: Vec<&Value> = planes[0]["actions"].as_array().expect("actions").iter().map(|a| &a["action"]).collect();
        server.post("/connectors/oidc-main/arm", &admin, json!({ "actions": actions, "until": "1h" })).await;
        let lead = server.person(&admin, "lea", &["lead", "secops"]).await;
        let roles = [
            ("iam", server.person(&admin, "ian", &["iam"]).await),
            ("business_owner", server.person(&admin, "bea", &["business_owner"]).await),
        ];

        // Alice works, on her phone and in a browser of which a thief has a copy.
        let (mut thief, mut phone) = (provider.browser(), provider.browser());
        let phone = phone.log_in(&mobile, "alice", &alice.password, "", &[]).await.expect("logged in");
        thief.log_in(&web, "alice", &alice.password, "", &[]).await.expect("logged in");
        Self { provider, alice, web, mobile, thief, phone, server, admin, lead, roles, sink, desk }
    }

    /// Everybody who is asked for `plan` approves it.
    async fn approve(&self, id: &str, plan: &Value) {
        let asked = self
            .server
            .until(&format!("/cases/{id}"), &self.roles[0].1, |c| {
                c["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["id"] == plan["id"] && p["state"] != "drafted"))
            })
            .await;
        for waiting in asked["waiting_for"].as_array().expect("a list") {
            let Some(role) = waiting["role"].as_str().filter(|_| waiting["plan"] == plan["id"] && !waiting["missing"].is_null()) else {
                continue;
            };
            let (_, who) = self.roles.iter().find(|(name, _)| *name == role).unwrap_or_else(|| panic!("nobody is `{role}`: {waiting}"));
            self.server.post(&format!("/cases/{id}/approve"), who, json!({ "digest": plan["digest"], "comment": "go" })).await;
        }
    }

    async fn waiter(&self, name: &str, detector: &str) -> Value {
        self.server.source(&self.admin, name, detector).await;
        let body = json!({ "name": format!("waiter-{name}"), "source": name, "scopes": ["alerts:write", "cases:read"] });
        self.server.post("/tokens", &self.admin, body).await
    }
}

/// `grant`, `jwt`, `password` of every credential of a case, with its state.
fn states(case: &Value) -> Vec<(String, String)> {
    let word = |row: &Value| {
        let id = row["id"].as_str().unwrap_or_default();
        id.rsplit_once('#').map_or(id, |(_, rest)| rest).split(':').next().unwrap_or_default().to_owned()
    };
    let rows = case["credentials"].as_array().expect("rows").iter();
    let mut all: Vec<(String, String)> = rows.map(|row| (word(row), row["state"].as_str().unwrap_or_default().to_owned())).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_stolen_refresh_token_is_cut_with_its_session_and_the_jwt_stands_until_its_end() {
    let mut stand = Stand::new().await;
    let sender = stand.waiter("ci", "gitleaks").await;
    // The thief has a JWT made, just before.
    let jwt = stand.thief.log_in(&stand.web, "alice", &stand.alice.password, "", &[("resource", RESOURCE)]).await.expect("a JWT").access;
    let refresh = stand.phone.refresh.clone().expect("one");
    let leaked = refresh.reveal().to_owned();
    let report = json!([{ "RuleID": "generic-api-key", "Description": "refresh token", "File": "phone.env", "StartLine": 3, "Commit": "c1",
        "Secret": leaked, "Match": format!("REFRESH_TOKEN={leaked}"), "Author": "Dev", "Email": "dev@corp.example", "Date": "2026-11-20T10:00:00Z" }]);
    let server = &stand.server;
    let (status, answer) =
        server.send("/alerts/ci", sender["token"].as_str(), &[("Prefer", "wait=30")], report.to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let id = answer["cases"][0]["id"].as_str().expect("a case").to_owned();
    let plan = answer["cases"][0]["plans"][0].clone();
    stand.approve(&id, &plan).await;
    let finished = |case: &Value| case["plans"][0]["steps"].as_array().expect("steps").iter().all(|s| s["state"] == "done");
    let case = server.until(&format!("/cases/{id}"), &stand.admin, finished).await;
    let steps = case["plans"][0]["steps"].as_array().expect("steps");
    let did: Vec<&str> = steps.iter().filter_map(|s| s["action"].as_str()).collect();
    assert_eq!(did, ["suspend_identity", "terminate_sessions", "revoke_credential", "revoke_credential", "rotate_credential"], "{case:#}");
    let dead = |what: &str| (what.to_owned(), "DEAD".to_owned());
    assert_eq!(states(&case), [dead("grant"), dead("grant"), ("jwt".to_owned(), "DYING".to_owned()), dead("password")], "{case:#}");
    assert!(case["sessions"].as_array().is_some_and(|s| s.len() == 2 && s.iter().all(|s| s["state"] == "DEAD")), "{case:#}");

    // The JWT stands with its date: its own end, and how long it may be taken after it.
    let row = case["credentials"].as_array().and_then(|all| all.iter().find(|c| c["state"] == "DYING")).expect("one stands").clone();
    let end: i64 = row["id"].as_str().and_then(|id| id.split("#jwt:").nth(1)?.split(':').next()?.parse().ok()).expect("its end");
    let until = quell_core::time::Timestamp::from_second(end + LEEWAY_SECONDS).expect("a moment");
    let shown: quell_core::time::Timestamp = row["residual_until"].as_str().and_then(|t| t.parse().ok()).expect("a date");
    assert_eq!(shown, until, "{row:#}");
    assert!(case["headline"].as_str().is_some_and(|h| h.contains("until")), "{}", case["headline"]);

    // Whoever knows nothing of Quell says the same.
    assert!(!stand.thief.is_in(&stand.web).await.expect("answered"));
    assert!(stand.thief.refresh(&stand.mobile, &refresh).await.expect("answered").is_err());
    assert!(stand.provider.browser().log_in(&stand.web, "alice", &stand.alice.password, "", &[]).await.is_err());

    // After its end it is proved expired, by the provider's clock.
    let patience = std::time::Duration::from_secs(u64::from(JWT_SECONDS) + 30);
    let asked = async {
        loop {
            let case = stand.server.get(&format!("/cases/{id}"), &stand.admin).await;
            if states(&case).iter().all(|(_, state)| state == "DEAD") {
                return case;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let case = tokio::time::timeout(patience, asked).await.expect("it is proved expired");
    let row = case["credentials"].as_array().and_then(|all| all.iter().find(|c| c["id"] == row["id"])).expect("it is there").clone();
    assert_eq!(row["proof"]["liveness"], "dead", "{row:#}");
    assert!(row.to_string().contains("clock"), "{row:#}");

    // Alice comes back with a password of her own; the thief's things do not.
    let drafted = stand.server.post(&format!("/cases/{id}/undo"), &stand.lead, json!({ "mode": "reinstate" })).await;
    let undo = drafted["plans"].as_array().and_then(|p| p.iter().find(|p| p["kind"] == "undo")).cloned().expect("an undo plan");
    stand.approve(&id, &undo).await;
    stand
        .server
        .call(reqwest::Method::POST, &format!("/cases/{id}/run"), Some(&stand.lead), Some(json!({ "digest": undo["digest"] })))
        .await;
    let case = stand
        .server
        .until(&format!("/cases/{id}"), &stand.admin, |c| {
            c["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["id"] == undo["id"] && p["state"] == "proved"))
        })
        .await;
    assert_eq!(states(&case).iter().filter(|(_, state)| state == "LIVE").count(), 1, "{case:#}");
    let held = std::fs::read_to_string(&stand.sink).expect("the sink holds the new password");
    let held: Value = serde_json::from_str(&held).expect("JSON");
    let new = quell_lab::secret::Secret::known(held["password"].as_str().expect("a password"));
    stand.provider.browser().log_in(&stand.web, "alice", &new, "", &[]).await.expect("she is in");
    assert!(!stand.thief.is_in(&stand.web).await.expect("answered"), "the thief's session is not revived");
    assert!(stand.thief.refresh(&stand.mobile, &refresh).await.expect("answered").is_err());

    // The record goes with it, and holds no token.
    let auditor = stand.server.person(&stand.admin, "aud", &["auditor"]).await;
    let desk = Desk::at(&stand.server.url, &auditor);
    let file = stand.desk.path("bundle.zip").display().to_string();
    let export = desk.run(&["evidence", "export", &id, "-o", &file, "--json"]).ended(0).json();
    let key = export["key"].as_str().expect("a key").to_owned();
    let verified = Desk::new().run(&["evidence", "verify", &file, "--key", &key, "--json"]).ended(0).json();
    assert_eq!(verified["ok"], true, "{verified}");
    let bundle = std::fs::read(&file).expect("the bundle");
    let mut files = stand.server.files();
    files.push((file.into(), bundle));
    for value in [leaked.as_str(), jwt.reveal(), new.reveal(), stand.alice.password.reveal()] {
        for (path, bytes) in &files {
            assert!(!bytes.windows(value.len()).any(|w| w == value.as_bytes()), "a secret is in `{}`", path.display());
        }
    }
}

/// Whom an alert names is found with everything that is open; a name alone cuts nothing.
#[tokio::test]
async fn a_risky_sign_in_that_names_a_person_finds_sessions_and_grants_and_cuts_nothing() {
    let mut stand = Stand::new().await;
    let sender = stand.waiter("own", "quell").await;
    let signal = json!({ "source": "quell", "kind": "risky_sign_in", "title": "sign-in from a new place", "observed_at": "2026-11-20T10:00:00Z",
        "subject": { "resolvable": "yes", "kind": "human", "native_id": "alice", "system": "oidc-main" } });
    let (status, answer) =
        stand.server.send("/alerts/own", sender["token"].as_str(), &[("Prefer", "wait=30")], signal.to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let id = answer["cases"][0]["id"].as_str().expect("a case").to_owned();
    let case = stand.server.until(&format!("/cases/{id}"), &stand.admin, |c| states(c).len() == 3).await;
    let words: Vec<String> = states(&case).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, ["grant", "grant", "password"], "{case:#}");
    assert!(case["not_looked_at"].to_string().contains("applications keep of their own"), "{case:#}");
    assert!(stand.thief.is_in(&stand.web).await.expect("answered"), "a name alone cuts nothing");
}
