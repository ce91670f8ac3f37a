//! A leaked password of a directory with the intruder bound by it, over HTTP, on a
//! real OpenLDAP: bootstrapped by the binary's own script, cut and proved, given
//! back without the intruder's connection.

use quell_core::secret::Secret;
use quell_lab::openldap::{Client, Company, Options, Slapd};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

#[tokio::test]
async fn a_leaked_password_of_a_directory_is_proved_dead_with_the_intruders_connection_and_given_back_without_it() {
    let slapd = Slapd::start(Options::default()).await.expect("a real slapd is installed");
    let company = Company::on(&slapd).await.expect("the company is made");
    let desk = Desk::new();
    let secret = |name: &str| desk.file(name, Secret::new(quell_lab::secret::Secret::generate().expect("chance").reveal()).expose());
    let toml = format!(
        "[automation]\nwatch_every = \"1s\"\n[[connector]]\nname = \"ldap-main\"\nkind = \"openldap\"\nurl = \"ldaps://localhost:{}/dc=corp,dc=test?hostaddr=127.0.0.1\"\nca_file = \"{}\"\nsecret_file = \"{}\"\nsettle = \"100ms\"\n[connector.control]\nidentity = \"cn=quell-control,ou=quell,dc=corp,dc=test\"\nsecret_file = \"{}\"\n",
        slapd.tls_port(),
        slapd.ca_pem_path().display(),
        secret("own"),
        secret("control"),
    );
    let config = desk.file("quell.toml", &toml);
    let script = desk.run(&["connector", "bootstrap", "ldap-main", "--scope", &company.people, "--config", &config]);
    slapd.ldapmodify(&script.ended(0).out, &[]).expect("the bootstrap runs");

    let server = Server::start_with(&toml);
    let admin = server.set_up().await;
    server.source(&admin, "ci", "gitleaks").await;
    let sender =
        server.post("/tokens", &admin, json!({ "name": "waiter", "source": "ci", "scopes": ["alerts:write", "cases:read"] })).await;
    let mara = format!("ldap-main/{}", company.mara.dn);
    let inventory = format!(
        "systems:\n  - {{id: ldap-main, kind: openldap, environment: production, criticality: normal, process: people}}\nidentities:\n  - {{id: '{mara}', kind: human, name: Mara, environment: production, shared: false, criticality: normal}}\nowners:\n  - {{of: 'ldap-main/*', role: business, person: bea@corp.example, confirmed_at: '2026-10-01'}}\n"
    );
    let (status, change) = server.send("/inventory?source=test", Some(&admin), &[], inventory.into_bytes()).await;
    assert_eq!((status, &change["added"], &change["errors"]), (StatusCode::OK, &json!(3), &json!([])), "{change}");
    let checked = server.get("/connectors/check", &admin).await;
    assert_eq!(
        (&checked[0]["reachable"], &checked[0]["control_alive"], &checked[0]["privileges"]["missing"]),
        (&json!(true), &json!(true), &json!([])),
        "{checked}"
    );
    let planes = server.get("/connectors", &admin).await;
    let actions: Vec<&Value> = planes[0]["actions"].as_array().expect("actions").iter().map(|a| &a["action"]).collect();
    server.post("/connectors/ldap-main/arm", &admin, json!({ "actions": actions, "until": "1h" })).await;

    let lead = server.person(&admin, "lea", &["lead", "secops"]).await;
    let roles = [
        ("iam", server.person(&admin, "ian", &["iam"]).await),
        ("business_owner", server.person(&admin, "bea", &["business_owner"]).await),
    ];

    // The intruder is in, and reads.
    let password = company.mara.password.reveal();
    let mut intruder = slapd.bind(&company.mara.dn, password).await.expect("the leaked password works");
    assert_eq!(reads(&mut intruder, &company.mara.dn).await, None);
    let report = json!([{ "RuleID": "generic-api-key", "Description": "password", "File": "sync.env", "StartLine": 3, "Commit": "c1",
        "Secret": password, "Match": format!("LDAP_PASSWORD={password}"), "Author": "Dev", "Email": "dev@corp.example", "Date": "2026-11-20T10:00:00Z" }]);
    let (status, answer) =
        server.send("/alerts/ci", sender["token"].as_str(), &[("Prefer", "wait=60")], report.to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let id = answer["cases"][0]["id"].as_str().expect("a case").to_owned();
    // A person's login is taken: somebody of identity management says so.
    let plan = answer["cases"][0]["plans"][0].clone();
    approve(&server, &id, &plan, &roles).await;
    let finished = |case: &Value| {
        let steps = case["plans"][0]["steps"].as_array().expect("steps");
        steps.iter().all(|s| s["state"] == "done")
    };
    let case = server.until(&format!("/cases/{id}"), &admin, finished).await;
    let steps = case["plans"][0]["steps"].as_array().expect("steps");
    let did: Vec<(&str, &str)> = steps.iter().filter_map(|s| Some((s["action"].as_str()?, s["because"].as_str()?))).collect();
    assert_eq!(did, [("rotate_credential", "1 proved"), ("suspend_identity", "1 proved"), ("terminate_sessions", "1 proved")]);
    assert_eq!(case["credentials"][0]["state"], "DEAD");

    // The plane agrees, and nobody else noticed.
    assert!(slapd.bind(&company.mara.dn, password).await.is_err());
    assert_eq!(reads(&mut intruder, &company.mara.dn).await, Some(32));
    assert_eq!(reads(&mut intruder, &company.finance).await, Some(32));
    let mut jonas = slapd.bind(&company.jonas.dn, company.jonas.password.reveal()).await.expect("jonas is let in");
    assert_eq!(reads(&mut jonas, &company.finance).await, None);

    // Mara comes back with a new password; the intruder's connection does not.
    let drafted = server.post(&format!("/cases/{id}/undo"), &lead, json!({ "mode": "reinstate" })).await;
    let undo = drafted["plans"].as_array().and_then(|p| p.iter().find(|p| p["kind"] == "undo")).cloned().expect("an undo plan");
    approve(&server, &id, &undo, &roles).await;
    server.call(reqwest::Method::POST, &format!("/cases/{id}/run"), Some(&lead), Some(json!({ "digest": undo["digest"] }))).await;
    let case = server
        .until(&format!("/cases/{id}"), &admin, |c| {
            c["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["id"] == undo["id"] && p["state"] == "proved"))
        })
        .await;
    let states = |what: &str| {
        let rows = case[what].as_array().expect("rows").iter();
        rows.map(|r| (r["id"].as_str().is_some_and(|id| id.ends_with("#password")), r["state"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(states("credentials"), [(true, json!("DEAD")), (false, json!("LIVE"))], "the leaked one and the new one: {case:#}");
    assert_eq!(states("sessions"), [(false, json!("DEAD"))], "{case:#}");
    assert!(slapd.bind(&company.mara.dn, password).await.is_err(), "the leaked password stays dead");
    assert_eq!(reads(&mut intruder, &company.mara.dn).await, Some(32), "the intruder's connection is not revived");
    for (path, bytes) in server.files() {
        assert!(!bytes.windows(password.len()).any(|w| w == password.as_bytes()), "the leaked password is in `{}`", path.display());
    }
}

/// The code that a read of `dn` is refused with.
async fn reads(client: &mut Client, dn: &str) -> Option<u32> {
    client.read(dn, &["objectClass"]).await.expect("answered").err().map(|refused| refused.code)
}

/// Everybody who is asked for `plan` approves it.
async fn approve(server: &Server, id: &str, plan: &Value, roles: &[(&str, String)]) {
    let asked = server
        .until(&format!("/cases/{id}"), &roles[0].1, |c| {
            c["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["id"] == plan["id"] && p["state"] != "drafted"))
        })
        .await;
    for waiting in asked["waiting_for"].as_array().expect("a list") {
        let Some(role) = waiting["role"].as_str().filter(|_| waiting["plan"] == plan["id"] && !waiting["missing"].is_null()) else {
            continue;
        };
        let (_, who) = roles.iter().find(|(name, _)| *name == role).unwrap_or_else(|| panic!("nobody is `{role}`: {waiting}"));
        server.post(&format!("/cases/{id}/approve"), who, json!({ "digest": plan["digest"], "comment": "go" })).await;
    }
}
