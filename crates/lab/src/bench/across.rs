//! One leaked secret-id that led to logins on three planes: from the scanner's
//! message to the answer that everything of it is proved dead. Batch tokens that it
//! may have made are listed nowhere: they are dying, with a date, and nothing else is.
//!
//! Every incident has an AppRole of its own with a token, database logins that it
//! leased, each with an open session, and an account of the directory whose
//! password it read, with an open connection. Quell is asked over HTTP, as a
//! scanner would; afterwards every one of them is tried.

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::Client as Session;

use super::{
    Options,
    measure::{Stopwatch, load, median, ms, quantile},
    report::{Better, Pair, Row},
};
use crate::{
    demo::{
        company::{Company, Reach},
        desk::{text, write},
    },
    dial,
    openbao::{Estate as Vault, Lease, Token},
    openldap::{Client as Bound, Person},
    secret::Secret,
};

/// Logins that are leased for each incident; the plan is some twenty steps long then.
const LEASES: usize = 5;
/// What each plane is declared to need; the planes settle side by side.
const SETTLE_MS: f64 = 250.0;
/// From the message to all dead, in milliseconds, apart from the settle time.
const GOAL_MS: f64 = 270.0;
/// Most incidents of one run: each starts with a dozen calls that are not measured.
const INCIDENTS_MAX: usize = 50;

/// One incident before it is reported.
struct Incident {
    approle: String,
    vault: Vault,
    service: Person,
}

/// What the intruder holds.
struct Loot {
    token: Token,
    leases: Vec<(Lease, Session)>,
    bound: Bound,
}

/// Measures the whole plan over three planes.
#[expect(clippy::disallowed_methods, reason = "the machine's clock, for the lines that say what starts")]
pub async fn run(options: &Options) -> Result<Vec<Row>> {
    let count = options.samples.div_ceil(20).clamp(2, INCIDENTS_MAX);
    let names: Vec<String> = (0..count).map(|n| format!("bench-{n:03}")).collect();
    let reach = Reach {
        automation: "watch_every = \"1h\"\nper_hour = 1000000\nreach = 1000000",
        approles: names.iter().map(|n| format!("approle:{n}")).collect(),
        services: true,
    };
    let mut company = Company::open(&options.quell, &options.out, std::time::Instant::now(), &reach).await?;
    let mut incidents = Vec::new();
    for name in &names {
        incidents.push(furnish(&company, name).await?);
    }
    let sender = introduce(&mut company, &incidents)?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let (mut took, mut steps) = (Vec::new(), Vec::new());
    let load_before = load();
    for incident in &incidents {
        let loot = rob(&company, incident).await?;
        let report = json!([{ "RuleID": "generic-api-key", "Description": "Generic API Key", "File": "deploy/vault.env", "StartLine": 7,
            "Secret": incident.vault.secret_id.reveal(), "Match": incident.vault.secret_id.reveal(), "Commit": incident.approle }]);
        let url = format!("{}/api/v1/alerts/bench", company.desk.url);
        let watch = Stopwatch::start();
        let answer = http.post(url).bearer_auth(&sender).header("prefer", "wait=30").json(&report).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        took.push(ms(watch.elapsed()) - SETTLE_MS);
        let body: Value = serde_json::from_slice(&body).context("Quell's answer")?;
        ensure!(status == 200, "Quell answered {status}: {body}");
        steps.push(is_all_dead(&company, &body["cases"][0], loot).await? as f64);
    }
    let load = (load_before, load());
    let exit = company.desk.close()?;
    ensure!(exit == 0, "quell ended with {exit}");
    let against = format!("the goal of {GOAL_MS} ms; plans of {} steps, {SETTLE_MS} ms of settle time taken off", median(&steps));
    let pair = |value: f64| Pair { value, samples: took.len(), before: vec![GOAL_MS], after: vec![GOAL_MS], load };
    Ok(vec![
        Row::of("contain.across.p50", "ms", &against, Some(1.0), Better::Lower, &pair(median(&took))),
        Row::of("contain.across.p99", "ms", "the same", None, Better::Lower, &pair(quantile(&took, 0.99))),
    ])
}

/// An AppRole with the rights of `ci`, and an account of the directory.
async fn furnish(company: &Company, name: &str) -> Result<Incident> {
    let role = format!("auth/approle/role/{name}");
    company.vault.write_to(&role, json!({"token_policies": "ci", "token_ttl": "1h", "token_max_ttl": "4h"})).await?;
    let id = company.vault.admin(Method::GET, &format!("{role}/role-id"), None).await?;
    let mut vault = company.secrets.clone();
    vault.role = name.to_owned();
    vault.role_id = id["data"]["role_id"].as_str().context("no role-id")?.to_owned();
    (vault.secret_id, vault.secret_id_accessor) = vault.secret_id(&company.vault, json!({})).await?;
    let service = Person { dn: format!("cn={name},{}", company.people.services), password: Secret::generate()? };
    let classes = ["applicationProcess", "simpleSecurityObject"];
    let attributes: [(&str, &[&str]); 3] = [("objectClass", &classes), ("cn", &[name]), ("userPassword", &[service.password.reveal()])];
    let added = company.directory.admin().await?.add(&service.dn, &attributes).await?;
    ensure!(added.code == 0, "the directory refused `{}`: {}", service.dn, added.text);
    Ok(Incident { approle: name.to_owned(), vault, service })
}

/// Quell learns what there is, may act everywhere, and gets a sender that waits.
fn introduce(company: &mut Company, incidents: &[Incident]) -> Result<String> {
    let mut lines = String::new();
    for Incident { approle, vault, service } in incidents {
        let (issuer, account) = (format!("bao-main/approle:{approle}"), format!("ldap-main/{}", service.dn));
        let leaked = format!("{issuer}#secret_id:{}", vault.secret_id_accessor);
        for object in [
            json!({ "type": "identity", "id": issuer, "kind": "service_account", "environment": "production", "criticality": "normal", "shared": false }),
            json!({ "type": "credential", "id": leaked, "identity": issuer, "kind": "secret_id" }),
            json!({ "type": "identity", "id": account, "kind": "service_account", "environment": "production", "criticality": "normal", "shared": false }),
            json!({ "type": "credential", "id": format!("{account}#password"), "identity": account, "kind": "password" }),
            json!({ "type": "derivation", "from": leaked, "to": format!("{account}#password"), "via": "reads", "basis": "observed", "at": "2026-11-20T09:00:00Z" }),
        ] {
            lines.push_str(&format!("{object}\n"));
        }
    }
    let file = company.work.path().join("bench.jsonl");
    write(&file, &lines)?;
    let desk = &mut company.desk;
    let change = desk.json("ada", &["inventory", "import", &text(&file), "--source", "bench"])?;
    ensure!(change["errors"].as_array().is_some_and(Vec::is_empty), "the inventory was not taken: {change}");
    for plane in desk.json("pat", &["connector", "list"])?.as_array().context("no planes")? {
        let mut arm = vec!["connector", "arm", plane["name"].as_str().context("a plane without a name")?, "--until", "+8h"];
        for action in plane["actions"].as_array().into_iter().flatten().filter_map(|a| a["action"].as_str()) {
            arm.extend(["--action", action]);
        }
        desk.json("pat", &arm)?;
    }
    desk.json(
        "ada",
        &["source", "create", "bench", "--detector", "gitleaks", "--system", "bao-main", "--system", "pg-main", "--system", "ldap-main"],
    )?;
    let scopes = ["--scope", "alerts:write", "--scope", "cases:read"];
    let mut create = vec!["token", "create", "waiter", "--source", "bench", "--expires", "1d"];
    create.extend(scopes);
    let made = desk.json("ada", &create)?;
    Ok(made["token"].as_str().context("no token")?.to_owned())
}

/// What an intruder with the secret-id does before anybody notices.
async fn rob(company: &Company, incident: &Incident) -> Result<Loot> {
    let token = incident.vault.login(&company.vault, &incident.vault.secret_id).await?;
    let mut leases = Vec::new();
    for _ in 0..LEASES {
        let lease = token.lease(&company.vault).await?;
        let config = company.database.config(&lease.username, lease.password.reveal(), "billing");
        let session = dial::dial(&config, company.database.tls()).await.context("log in with a lease")?;
        leases.push((lease, session));
    }
    let bound = company.directory.bind(&incident.service.dn, incident.service.password.reveal()).await?;
    Ok(Loot { token, leases, bound })
}

/// Whether Quell says so of everything and every plane agrees; answers the steps it took.
async fn is_all_dead(company: &Company, case: &Value, mut loot: Loot) -> Result<usize> {
    let held = ["credentials", "sessions"].map(|kind| case[kind].as_array().cloned().unwrap_or_default()).concat();
    let ends = |h: &Value| h["state"] == "DYING" && h["kind"] == "token" && h["residual_until"].is_string();
    let loose: Vec<String> =
        held.iter().filter(|h| h["state"] != "DEAD" && !ends(h)).map(|h| format!("{} {}", h["id"], h["state"])).collect();
    let tasks: Vec<&str> = case["tasks"].as_array().into_iter().flatten().filter_map(|t| t["what"].as_str()).collect();
    if !loose.is_empty() || held.len() < 2 * LEASES + 4 {
        bail!(
            "of {} credentials and sessions not dead: {}; {}; tasks: {}",
            held.len(),
            loose.join(", "),
            case["headline"],
            tasks.join("; ")
        );
    }
    ensure!(!loot.token.works(&company.vault).await?, "the token is called dead and works");
    for (lease, session) in &loot.leases {
        ensure!(session.simple_query("SELECT 1").await.is_err(), "a session of `{}` is called dead and answers", lease.username);
    }
    let base = &company.people.services;
    let served = loot.bound.search(base, "(objectClass=*)", &["cn"]).await.is_ok_and(|found| !found.is_empty());
    ensure!(!served, "a connection is called dead and is served");
    Ok(case["plans"].as_array().into_iter().flatten().map(|p| p["steps"].as_array().map_or(0, Vec::len)).sum())
}
