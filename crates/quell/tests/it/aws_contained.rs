//! A stolen access key with a session of a role that was assumed with it, over HTTP, on
//! an account of the lab: named by GuardDuty, cut at the user and at the role, proved
//! without the secret, given back as another key, and exported for strangers.

use quell_lab::{
    aws::{Account, Keys, Kind},
    drill::aws::made_ready,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

const MAY: &[&str] = &["iam:ListAccountAliases", "sts:*"];

/// An account under a running server, and the people who decide.
struct Stand {
    account: Account,
    number: String,
    /// Of `ci`, as log records name it.
    principal: String,
    /// Of `ci`, and stolen.
    leaked: Keys,
    server: Server,
    admin: String,
    lead: String,
    roles: [(&'static str, String); 3],
    sink: std::path::PathBuf,
    desk: Desk,
}

impl Stand {
    async fn new(kind: Kind) -> Self {
        let account = Account::start(kind).await.expect("ministack and moto are installed");
        let ready = made_ready(&account, "aws-main").await.expect("an administrator may");
        let number = account.number().await.expect("answered");
        let leaked = account.user("ci", MAY).await.expect("made");
        account.role("deploy", "user/ci", MAY).await.expect("made");
        let id = account.admin("GetUser", &[("UserName", "ci")]).await.expect("answered").text("UserId").expect("an id");

        let desk = Desk::new();
        let sink = desk.path("ci.json");
        let toml = format!(
            "[automation]\nwatch_every = \"1s\"\n[[connector]]\nname = \"aws-main\"\nkind = \"aws\"\nurl = \"https://localhost:{}?hostaddr=127.0.0.1\"\nca_file = \"{}\"\nsecret_file = \"{}\"\nsettle = \"100ms\"\n[connector.control]\nidentity = \"quell-control\"\nsecret_file = \"{}\"\n[[sink]]\nname = \"ci-keys\"\nkind = \"file\"\npath = \"{}\"\n",
            account.port(),
            desk.file("ca.pem", account.ca().pem()),
            desk.file("own", ready.secret.expose()),
            desk.file("control", ready.control.secret.expose()),
            sink.display(),
        );
        let server = Server::start_with(&toml);
        let admin = server.set_up().await;
        let inventory = format!(
            "systems:\n  - {{id: aws-main, kind: aws, native: ['aws:{number}'], environment: production, criticality: normal, process: delivery}}\n\
             identities:\n  - {{id: aws-main/user/ci, kind: service_account, name: CI, aliases: ['{id}', ci], environment: production, shared: false, criticality: normal, rotation: {{method: connector, sink: ci-keys}}}}\n\
             \x20 - {{id: aws-main/role/deploy, kind: workload, name: Deploy, environment: production, shared: false, criticality: normal}}\n\
             credentials:\n  - {{id: aws-main/{key}, identity: aws-main/user/ci, kind: access_key}}\n\
             derivations:\n  - {{from: aws-main/{key}, to: aws-main/role/deploy, via: assumes, basis: observed}}\n\
             owners:\n  - {{of: 'aws-main/*', role: business, person: bea@corp.example, confirmed_at: '2026-10-01'}}\n",
            key = leaked.id,
        );
        let (status, change) = server.send("/inventory?source=test", Some(&admin), &[], inventory.into_bytes()).await;
        assert_eq!((status, &change["errors"]), (StatusCode::OK, &json!([])), "{change}");
        let planes = server.get("/connectors", &admin).await;
        let actions: Vec<&Value> = planes[0]["actions"].as_array().expect("actions").iter().map(|a| &a["action"]).collect();
        server.post("/connectors/aws-main/arm", &admin, json!({ "actions": actions, "until": "1h" })).await;
        let lead = server.person(&admin, "lea", &["lead"]).await;
        let roles = [
            ("iam", server.person(&admin, "ian", &["iam"]).await),
            ("secops", server.person(&admin, "sam", &["secops"]).await),
            ("business_owner", server.person(&admin, "bea", &["business_owner"]).await),
        ];
        Self { account, number, principal: id, leaked, server, admin, lead, roles, sink, desk }
    }

    /// What GuardDuty tells of the key; answers the case.
    async fn alert(&self) -> Value {
        self.server.source(&self.admin, "guard", "aws-guardduty").await;
        let wanted = json!({ "name": "waiter", "source": "guard", "scopes": ["alerts:write", "cases:read"] });
        let sender = self.server.post("/tokens", &self.admin, wanted).await;
        let finding = json!({ "schemaVersion": "2.0", "accountId": self.number, "region": "us-east-1", "partition": "aws", "id": "f1",
            "arn": format!("arn:aws:guardduty:us-east-1:{}:detector/d/finding/f1", self.number),
            "type": "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", "severity": 8,
            "resource": { "resourceType": "AccessKey",
                "accessKeyDetails": { "accessKeyId": self.leaked.id, "principalId": self.principal, "userType": "IAMUser", "userName": "ci" } },
            "service": { "serviceName": "guardduty", "eventFirstSeen": "2026-11-20T10:00:00Z", "eventLastSeen": "2026-11-20T10:05:00Z" },
            "createdAt": "2026-11-20T10:06:00Z", "updatedAt": "2026-11-20T10:06:00Z", "title": "A key is used from elsewhere" });
        let (status, answer) =
            self.server.send("/alerts/guard", sender["token"].as_str(), &[("Prefer", "wait=30")], finding.to_string().into_bytes()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["cases"][0].clone()
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

    async fn serves(&self, keys: &Keys) -> bool {
        self.account.serves(keys).await.expect("answered")
    }
}

fn states<'a>(case: &'a Value, what: &str) -> Vec<(&'a str, &'a str)> {
    let rows = case[what].as_array().expect("rows").iter();
    rows.filter_map(|r| Some((r["id"].as_str()?, r["state"].as_str()?))).collect()
}

#[tokio::test]
async fn a_stolen_key_is_proved_dead_with_the_session_of_the_role_and_given_back_as_another_key() {
    let stand = Stand::new(Kind::Faithful).await;
    let server = &stand.server;
    let role = stand.account.assume(&stand.leaked, "deploy").await.expect("assumed");
    let own = stand.account.session(&stand.leaked).await.expect("made");
    for keys in [&stand.leaked, &role, &own] {
        assert!(stand.serves(keys).await);
    }
    let opened = stand.alert().await;
    let id = opened["id"].as_str().expect("a case").to_owned();
    let planned = server.until(&format!("/cases/{id}"), &stand.admin, |c| c["plans"].as_array().is_some_and(|p| !p.is_empty())).await;
    assert!(stand.serves(&stand.leaked).await, "one sender's word cuts nothing");
    let plan = planned["plans"][0].clone();
    stand.approve(&id, &plan).await;
    let finished = |case: &Value| case["plans"].as_array().is_some_and(|all| all.iter().all(|p| p["state"] == "proved"));
    let case = server.until(&format!("/cases/{id}"), &stand.admin, finished).await;
    let did: Vec<&str> = case["plans"][0]["steps"].as_array().expect("steps").iter().filter_map(|s| s["action"].as_str()).collect();
    assert_eq!(did, ["suspend_identity", "terminate_sessions", "terminate_sessions", "revoke_credential"], "{case:#}");
    for (what, named) in [("credentials", vec![stand.leaked.id.as_str()]), ("sessions", vec!["user/ci#sessions", "role/deploy#sessions"])] {
        let rows = states(&case, what);
        for name in named {
            assert!(rows.iter().any(|(id, state)| id.ends_with(name) && *state == "DEAD"), "{name}: {case:#}");
        }
        assert!(rows.iter().all(|(_, state)| *state == "DEAD"), "{case:#}");
    }
    for keys in [&stand.leaked, &role, &own] {
        assert!(!stand.serves(keys).await, "the intruder is out");
    }
    assert!(case["not_looked_at"].to_string().contains("AWS lists none"), "{case:#}");

    // The consumer comes back with a key that AWS made, which its sink holds.
    let drafted = server.post(&format!("/cases/{id}/undo"), &stand.lead, json!({ "mode": "reinstate" })).await;
    let undo = drafted["plans"].as_array().and_then(|p| p.iter().find(|p| p["kind"] == "undo")).cloned().expect("an undo plan");
    stand.approve(&id, &undo).await;
    let run = json!({ "digest": undo["digest"], "accept_gaps": "the role has no key to give back" });
    server.call(reqwest::Method::POST, &format!("/cases/{id}/run"), Some(&stand.lead), Some(run)).await;
    let case = server
        .until(&format!("/cases/{id}"), &stand.admin, |c| {
            states(c, "credentials").iter().any(|(id, state)| id.contains("#access_key:") && *state == "LIVE")
        })
        .await;
    assert!(states(&case, "credentials").iter().any(|(id, state)| id.ends_with(&stand.leaked.id) && *state == "DEAD"), "{case:#}");
    let held = std::fs::read_to_string(&stand.sink).expect("the sink holds the new key");
    let held: Value = serde_json::from_str(&held).expect("JSON");
    let (new, secret) = held["password"].as_str().and_then(|p| p.split_once(':')).expect("`ID:SECRET`");
    assert!(stand.serves(&Keys::known(new, secret)).await);
    for keys in [&stand.leaked, &role, &own] {
        assert!(!stand.serves(keys).await, "what was killed stays dead");
    }

    // One file that a stranger checks.
    let desk = Desk::at(&server.url, &stand.lead);
    let bundle = desk.path("case.zip").display().to_string();
    let exported = desk.run(&["evidence", "export", &id, "-o", &bundle, "--json"]);
    let key = exported.ended(0).json()["key"].as_str().expect("a key").to_owned();
    let verified = stand.desk.run(&["evidence", "verify", &bundle, "--key", &key, "--json"]);
    assert_eq!(verified.ended(0).json()["ok"], true);

    let all = [stand.leaked.secret.reveal(), role.secret.reveal(), own.secret.reveal(), secret];
    for (path, bytes) in server.files() {
        for one in all {
            assert!(!bytes.windows(one.len()).any(|w| w == one.as_bytes()), "a secret is in `{}`", path.display());
        }
    }
}

/// A server that says yes and does not: the case is shown as it is, and never as dead.
#[tokio::test]
async fn under_a_plane_that_lies_nothing_ends_as_dead() {
    let stand = Stand::new(Kind::Careless).await;
    let server = &stand.server;
    let opened = stand.alert().await;
    let id = opened["id"].as_str().expect("a case").to_owned();
    let planned = server.until(&format!("/cases/{id}"), &stand.admin, |c| c["plans"].as_array().is_some_and(|p| !p.is_empty())).await;
    stand.approve(&id, &planned["plans"][0]).await;
    let acted = |case: &Value| states(case, "credentials").iter().any(|(_, state)| matches!(*state, "LIVE" | "UNKNOWN" | "CONTAINING"));
    server.until(&format!("/cases/{id}"), &stand.admin, acted).await;
    // Its state on the plane says that it was acted on.
    let inactive = async || {
        let keys = stand.account.admin("ListAccessKeys", &[("UserName", "ci")]).await.expect("listed");
        keys.xml.contains("<Status>Inactive</Status>") || !keys.xml.contains("<Status>")
    };
    let mut looks = 0;
    while !inactive().await {
        looks += 1;
        assert!(looks < 1_200, "it was never acted on");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for _ in 0..20 {
        let case = server.get(&format!("/cases/{id}"), &stand.admin).await;
        let dead = states(&case, "credentials").into_iter().chain(states(&case, "sessions")).any(|(_, state)| state == "DEAD");
        assert!(!dead, "{case:#}");
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
}
