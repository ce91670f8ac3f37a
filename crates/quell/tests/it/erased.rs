//! Erased: absent from every answer and every byte of the data directory, with
//! the record as whole as before.

use quell_core::{personal::Disclosure, time::Timestamp};
use quell_engine::{
    export::inspect,
    port::{Append, Job, JobChange, Store},
};
use quell_ledger::{bundle, note::VerifierKey};
use quell_store::{OpenMode, SqliteStore};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    cli_run::Desk,
    server::{PASSWORD, Server},
};

const NAME: &str = "Marguerite Unmistakable";
const ADDRESS: &str = "marguerite.unmistakable@corp.example";
const WORD: &str = "unmistakable";

fn alert() -> Vec<u8> {
    json!({ "source": "edr", "kind": "anomalous_use", "title": format!("{NAME} signed in from two places"), "observed_at": "2026-11-20T09:00:00Z",
        "subject": { "kind": "human", "native_id": ADDRESS, "name": NAME, "system": "hr" }, "actor": { "name": NAME }, "severity": { "id": 3 } })
    .to_string()
    .into_bytes()
}

/// Files of the data directory that hold it, in any case of letters, with what stands around it.
fn on_disk(server: &Server, word: &str) -> Vec<String> {
    let data = server.dir.path().join("data");
    let around = |bytes: &[u8]| {
        let at = bytes.to_ascii_lowercase().windows(word.len()).position(|w| w == word.as_bytes())?;
        Some(String::from_utf8_lossy(&bytes[at.saturating_sub(200)..(at + 200).min(bytes.len())]).into_owned())
    };
    let files = server.files().into_iter().filter(|(path, _)| path.starts_with(&data));
    files.filter_map(|(path, bytes)| Some(format!("{}: {}", path.display(), around(&bytes)?))).collect()
}

/// Every text that names her, as it is shown once it is gone.
fn scrubbed(value: &Value) -> Value {
    match value {
        // A reference is the plane's name, which stays, and a native id.
        Value::String(text) if text.contains(&format!("hr/{ADDRESS}")) && !text.contains(NAME) => json!(text.replace(ADDRESS, "[erased]")),
        Value::String(text) if text.to_lowercase().contains(WORD) => json!("[erased]"),
        Value::Array(items) => items.iter().map(scrubbed).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), scrubbed(v))).collect(),
        other => other.clone(),
    }
}

async fn bundle(server: &Server, case: &str, token: &str) -> Vec<u8> {
    let url = format!("{}/api/v1/cases/{case}/evidence", server.url);
    let answer = reqwest::Client::new().post(url).bearer_auth(token).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    answer.bytes().await.expect("a bundle").to_vec()
}

fn report(bytes: &[u8], key: &str) -> Value {
    json!(bundle::verify(bytes, Some(&VerifierKey::parse(key).expect("a key")), &inspect))
}

/// What a bundle discloses.
fn disclosed(bytes: &[u8]) -> Vec<Disclosure> {
    let entries = bundle::unpack(bytes).expect("a container");
    let lines = entries.iter().find(|e| e.name == "disclosures.jsonl").expect("the disclosures").data;
    lines.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).expect("a line")).collect()
}

#[tokio::test]
async fn what_two_people_erased_is_nowhere_and_the_record_is_whole() {
    let mut server = Server::start();
    let ada = server.set_up().await;
    let ian = server.person(&ada, "ian", &["iam"]).await;
    let rosa = server.person(&ada, "rosa", &["response_owner"]).await;
    let keeper = server.person(&ada, "keeper", &["admin"]).await;
    let sender = server.source(&ada, "edr", "quell").await;
    let (status, sent) = server.send("/alerts/edr", Some(&sender), &[], alert()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{sent}");
    let filed = server.until(&format!("/alerts/{}", sent["alert_id"].as_str().expect("an id")), &ada, |a| a["state"] == "filed").await;
    let case = filed["cases"][0].as_str().expect("a case").to_owned();
    server.post(&format!("/cases/{case}/note"), &rosa, json!({ "text": format!("called {NAME}") })).await;
    let finding = filed["findings"][0].clone();

    // While it is worked on, it is needed.
    let ask = json!({ "person": [NAME, ADDRESS], "reason": format!("request of {NAME}, 20 November") });
    let open = server.refused("/ledger/erasures", &ian, ask.clone(), StatusCode::CONFLICT).await;
    assert!(open["detail"].as_str().is_some_and(|d| d.contains(&case) && d.contains("quell case close")), "{open}");
    let ended = json!({ "finding": finding, "outcome": "false_positive", "evidence": format!("asked {NAME}") });
    server.post(&format!("/cases/{case}/outcome"), &rosa, ended).await;
    server.post(&format!("/cases/{case}/close"), &rosa, json!({})).await;

    let key = server.post("/ledger/checkpoint", &ada, json!({})).await["key"].as_str().expect("a key").to_owned();
    let exported = bundle(&server, &case, &rosa).await;
    let before = report(&exported, &key);
    assert_eq!((&before["ok"], &before["complete"], &before["erased"]), (&json!(true), &json!(true), &json!(0)), "{before}");
    let shown = server.get(&format!("/cases/{case}"), &ada).await;
    assert!(shown.to_string().contains(NAME) && !on_disk(&server, WORD).is_empty(), "the search itself works");

    // Asked for: nothing is gone. Not by a machine, not by the same person, not by
    // who only keeps accounts.
    let machine =
        server.post("/tokens", &ada, json!({ "name": "m", "user": "ian", "scopes": ["cases:read", "cases:write"], "expires": "1d" })).await;
    server.refused("/ledger/erasures", machine["token"].as_str().expect("a token"), ask.clone(), StatusCode::FORBIDDEN).await;
    let lea = server.person(&ada, "lea", &["lead"]).await;
    server.refused("/ledger/erasures", &lea, ask.clone(), StatusCode::FORBIDDEN).await;
    let asked = server.post("/ledger/erasures", &ian, ask).await;
    let id = asked["id"].as_str().expect("an id").to_owned();
    assert_eq!((&asked["state"], &asked["sealed"], &asked["cases"]), (&json!("requested"), &json!(1), &json!([case])), "{asked}");
    let not_reached = asked["not_reached"].to_string();
    assert!(not_reached.contains("backups") && not_reached.contains(&format!("the bundle of case `{case}`")), "{not_reached}");
    assert!(!on_disk(&server, WORD).is_empty());
    let approve = format!("/ledger/erasures/{id}/approve");
    let same = server.refused(&approve, &ian, json!({}), StatusCode::CONFLICT).await;
    assert!(same["detail"].as_str().is_some_and(|d| d.contains("another person")), "{same}");
    server.refused(&approve, &keeper, json!({}), StatusCode::FORBIDDEN).await;

    let erased = server.post(&approve, &rosa, json!({})).await;
    assert_eq!(erased["state"], "erased", "{erased}");
    assert_eq!(on_disk(&server, WORD), Vec::<String>::new(), "database, WAL and everything beside them");
    server.refused(&approve, &rosa, json!({}), StatusCode::CONFLICT).await;

    // The same case, with the values absent.
    assert_eq!(server.get(&format!("/cases/{case}"), &ada).await, scrubbed(&shown));
    for path in [
        format!("/cases/{case}/why"),
        format!("/cases/{case}/events"),
        "/cases?state=all".to_owned(),
        "/inbox".to_owned(),
        "/users".to_owned(),
        "/ledger/erasures".to_owned(),
        format!("/ledger/erasures/{id}"),
        format!("/alerts/{}", sent["alert_id"].as_str().expect("an id")),
    ] {
        let answer = server.get(&path, &ada).await;
        assert!(!answer.to_string().to_lowercase().contains(WORD), "{path}: {answer}");
    }
    let verified = server.get("/ledger/verify", &ada).await;
    assert_eq!(verified["ok"], true, "{verified}");
    let after = report(&bundle(&server, &case, &rosa).await, &key);
    assert_eq!((&after["ok"], &after["complete"]), (&json!(true), &json!(true)), "{after}");
    assert_eq!(after["erased"], asked["values"], "all of them stand in this case or in the request: {after}");

    // A new case about the same person works as if there had been none.
    let (_, again) = server.send("/alerts/edr", Some(&sender), &[], alert()).await;
    let again = server.until(&format!("/alerts/{}", again["alert_id"].as_str().expect("an id")), &ada, |a| a["state"] == "filed").await;
    assert_ne!(again["cases"][0], json!(case));

    assert!(server.terminate().success());
    let (data, key_file) = (server.dir.path().join("data"), server.dir.path().join("key"));
    let desk = Desk::new();
    let dir = data.display().to_string();
    let replayed = desk.run(&["ledger", "replay", "--data-dir", &dir, "--json"]).ended(0).json();
    assert_eq!(replayed["ok"], true, "{replayed}");
    let offline = ["ledger", "erase", "--data-dir", &dir, "--fingerprint-key-file", &key_file.display().to_string(), "--json"];
    assert_eq!(desk.run(&offline).ended(0).json(), json!({ "ok": true, "erased": [], "waiting": [] }));

    // As a crash leaves it between the append and the removal: the fact, the rows, the job.
    let rows: Vec<Disclosure> = disclosed(&exported).into_iter().filter(|d| d.value.to_lowercase().contains(WORD)).collect();
    assert!(rows.len() > 3);
    {
        let store = SqliteStore::open(&data, OpenMode::Existing).expect("a store");
        let leaves = store.leaves(0, 10_000).await.expect("leaves");
        let events = leaves.iter().map(|l| serde_json::from_slice::<Value>(&l.leaf.bytes).expect("JSON"));
        let erased = events.into_iter().find(|e| e["type"] == "values_erased").expect("the fact");
        let sealed = erased["body"]["sealed"][0].as_str().expect("a blob").to_owned();
        assert_eq!(store.blob(&sealed).await, Ok(None), "the sealed alert is gone");
        let job = JobChange::Set(Job { key: format!("erase/{id}"), due_at: Timestamp::UNIX_EPOCH });
        store.append(Append { disclosures: rows, jobs: vec![job], ..Append::default() }).await.expect("an append");
    }
    assert!(!on_disk(&server, WORD).is_empty());
    assert_eq!(desk.run(&offline).ended(0).json(), json!({ "ok": true, "erased": [id], "waiting": [] }));
    // The second alert stands, with values of its own; those of the first are gone.
    let store = SqliteStore::open(&data, OpenMode::Existing).expect("a store");
    let commitments: Vec<String> =
        disclosed(&exported).into_iter().filter(|d| d.value.to_lowercase().contains(WORD)).map(|d| d.commitment).collect();
    assert_eq!(store.disclosures(&commitments).await.map(|d| d.len()), Ok(0));
}

#[tokio::test]
async fn the_command_line_asks_approves_and_lists_and_offline_only_finishes_what_was_approved() {
    let mut server = Server::start();
    let ada = server.set_up().await;
    let ian = server.person(&ada, "ian", &["iam"]).await;
    let rosa = server.person(&ada, "rosa", &["response_owner"]).await;
    server.person(&ada, "mara", &["iam"]).await;
    let mara = server.call(Method::POST, "/login", None, Some(json!({ "user": "mara", "password": PASSWORD }))).await.1;
    let mara = mara["token"].as_str().expect("a token").to_owned();
    let desk = Desk::at(&server.url, &ian);

    // An inventory that still names her would bring her back.
    let (status, _) = server
        .send(
            "/inventory?source=hr",
            Some(&ada),
            &[],
            b"{\"type\":\"identity\",\"id\":\"hr/mara@corp.example\",\"kind\":\"human\"}\n".to_vec(),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    let ask = ["ledger", "erase", "--person", "mara@corp.example", "--reason", "left the company", "--json"];
    let refused = desk.run(&ask);
    assert!(refused.ended(1).err.contains("quell inventory import --replace"), "{}", refused.err);
    let (status, gone) = server
        .send("/inventory?source=hr&replace=true", Some(&ada), &[], b"{\"type\":\"system\",\"id\":\"hr\",\"kind\":\"external\"}\n".to_vec())
        .await;
    assert_eq!((status, &gone["gone"]), (StatusCode::OK, &json!(1)), "{gone}");

    let own = desk.run_as(&mara, &ask);
    assert!(own.ended(1).err.contains("two other people"), "{}", own.err);
    let asked = desk.run(&ask).ended(0).json();
    assert_eq!(asked["untrusted"]["reason"], "left the company");
    let id = asked["id"].as_str().expect("an id");
    assert!(desk.run_as(&mara, &["ledger", "erase", "--approve", id]).ended(1).err.contains("two other people"));
    for wrong in [vec!["ledger", "erase"], vec!["ledger", "erase", "--person", "x y z"], vec!["ledger", "erase", "--list", "--approve", id]]
    {
        assert_eq!(desk.run(&wrong).exit, 2, "{wrong:?}");
    }
    assert!(desk.run(&["ledger", "erase", "--commitment", &"00".repeat(32), "--reason", "r"]).ended(1).err.contains("no event has"));
    assert!(desk.run(&["ledger", "erase", "--person", "u-0123456789", "--reason", "r"]).ended(1).err.contains("pseudonymous"));

    // Offline nothing is decided.
    let (data, key) = (server.dir.path().join("data").display().to_string(), server.dir.path().join("key").display().to_string());
    let offline = ["ledger", "erase", "--data-dir", &data, "--fingerprint-key-file", &key, "--json"];
    assert!(desk.run(&offline).ended(1).err.contains("in use by process"));
    assert!(server.terminate().success());
    assert_eq!(desk.run(&offline).ended(1).json(), json!({ "ok": false, "erased": [], "waiting": [id] }));
    assert!(!on_disk(&server, "mara@corp.example").is_empty(), "it waits for a second person");

    server.start_again();
    let desk = Desk::at(&server.url, &ian);
    let approved = desk.run_as(&rosa, &["ledger", "erase", "--approve", id]);
    assert!(approved.ended(0).out.contains("erased") && approved.out.contains("backups"), "{}", approved.out);
    assert!(desk.run(&["ledger", "erase", "--list"]).ended(0).out.contains("left the company"));
    assert_eq!(on_disk(&server, "mara@corp.example"), Vec::<String>::new());
    // Her account still signs in: the name is matched by a keyed hash.
    let (status, _) = server.call(Method::POST, "/login", None, Some(json!({ "user": "mara", "password": PASSWORD }))).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_is_denied_by_another_person_or_withdrawn_by_its_author_and_nothing_goes() {
    let mut server = Server::start();
    let ada = server.set_up().await;
    let ian = server.person(&ada, "ian", &["iam"]).await;
    let rosa = server.person(&ada, "rosa", &["response_owner"]).await;
    let (status, _) = server
        .call(Method::POST, "/users", Some(&ada), Some(json!({ "name": "mara", "email": ADDRESS, "roles": ["iam"], "password": PASSWORD })))
        .await;
    assert!(status.is_success(), "{status}");
    let mara = server.call(Method::POST, "/login", None, Some(json!({ "user": "mara", "password": PASSWORD }))).await.1;
    let mara = mara["token"].as_str().expect("a token").to_owned();
    let desk = Desk::at(&server.url, &ian);
    let ask = async || {
        let asked = server.post("/ledger/erasures", &ian, json!({ "person": [ADDRESS], "reason": "a letter" })).await;
        asked["id"].as_str().expect("an id").to_owned()
    };

    // Denied: by nobody whose request or data it is, with a reason, once.
    let id = ask().await;
    let deny = format!("/ledger/erasures/{id}/deny");
    let no = json!({ "reason": format!("a court asks for the record of {NAME}") });
    let own = server.refused(&deny, &ian, no.clone(), StatusCode::CONFLICT).await;
    assert!(own["detail"].as_str().is_some_and(|d| d.contains("--withdraw")), "{own}");
    server.refused(&deny, &mara, no.clone(), StatusCode::CONFLICT).await;
    server.refused(&deny, &rosa, json!({ "reason": " " }), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(desk.run_as(&rosa, &["ledger", "erase", "--deny", &id]).exit, 2, "a no has a reason");
    let denied = desk.run_as(&rosa, &["ledger", "erase", "--deny", &id, "--reason", "a court asks for the record"]);
    assert!(denied.ended(0).out.contains("denied. Nothing is gone"), "{}", denied.out);
    let shown = server.get(&format!("/ledger/erasures/{id}"), &ian).await;
    assert_eq!(
        (&shown["state"], &shown["untrusted"]["denied_because"]),
        (&json!("denied"), &json!("a court asks for the record")),
        "{shown}"
    );
    assert!(shown["denied_by"].is_string() && shown["denied_at"].is_string() && shown["approved_by"].is_null(), "{shown}");
    let over = server.refused(&format!("/ledger/erasures/{id}/approve"), &rosa, json!({}), StatusCode::CONFLICT).await;
    assert!(over["detail"].as_str().is_some_and(|d| d.contains("was denied")), "{over}");

    // Withdrawn: by its author alone.
    let id = ask().await;
    let others = desk.run_as(&rosa, &["ledger", "erase", "--withdraw", &id]);
    assert!(others.ended(1).err.contains("--deny"), "{}", others.err);
    assert!(desk.run(&["ledger", "erase", "--withdraw", &id]).ended(0).out.contains("withdrawn. Nothing is gone"));
    server.refused(&format!("/ledger/erasures/{id}/approve"), &rosa, json!({}), StatusCode::CONFLICT).await;
    let (status, unknown) = server.call(Method::POST, "/ledger/erasures/er-none/withdraw", Some(&ian), Some(json!({}))).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{unknown}");

    // Nothing went, nothing waits, and the record replays.
    assert!(!on_disk(&server, ADDRESS).is_empty());
    assert!(desk.run(&["ledger", "erase", "--list"]).ended(0).out.contains("withdrawn"));
    assert!(server.terminate().success());
    let (data, key) = (server.dir.path().join("data").display().to_string(), server.dir.path().join("key").display().to_string());
    let offline = ["ledger", "erase", "--data-dir", &data, "--fingerprint-key-file", &key, "--json"];
    assert_eq!(desk.run(&offline).ended(0).json(), json!({ "ok": true, "erased": [], "waiting": [] }));
    assert_eq!(desk.run(&["ledger", "replay", "--data-dir", &data, "--json"]).ended(0).json()["ok"], true);
}
