//! The command line against a running server, and on its data once it stopped.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    cli_run::{Desk, deceptive},
    server::{PASSWORD, Server},
};

/// A server with its first administrator, made by the command line itself.
fn set_up() -> (Server, Desk) {
    let server = Server::start();
    let mut desk = Desk::at(&server.url, "");
    let password = desk.file("pw", format!("{PASSWORD}\n"));
    let code = server.code.clone().expect("a setup code");
    let made = desk.run(&["setup", "--code", &code, "--admin", "ada", "--password-file", &password, "--json"]).ended(0).json();
    assert!(made["user"].is_string(), "{made}");
    desk.token = made["token"].as_str().map(str::to_owned);
    (server, desk)
}

/// Has exactly, or at least, these members.
fn has(value: &Value, members: &[&str]) {
    for member in members {
        assert!(value.get(member).is_some(), "no `{member}` in {value}");
    }
}

const INVENTORY: &str = r#"{"type":"system","id":"pg-main","kind":"postgresql","environment":"production"}
{"type":"identity","id":"pg-main/app","kind":"service_account","name":"App","shoe":1}
{"type":"credential","id":"pg-main/app#password","identity":"pg-main/app","kind":"password","secret":"sesame-sesame-sesame"}
{"type":"owner","of":"pg-main/*","role":"iam","person":"ian@corp.example","confirmed_at":"2026-10-01"}
"#;

#[tokio::test]
async fn every_verb_prints_one_document_of_its_shape() {
    let (server, desk) = set_up();
    let ok = |args: &[&str]| desk.run(&[args, &["--json"]].concat()).ended(0).json();
    let password = desk.path("pw").display().to_string();

    has(&ok(&["whoami"]), &["user", "roles", "human", "signed_in", "scopes", "expires_at"]);
    has(&ok(&["login", "--user", "ada", "--password-file", &password]), &["user", "token", "expires_at"]);
    let piped = desk.feed(&["login", "--user", "ada", "--password-file", "-", "--json"], PASSWORD.as_bytes());
    has(&piped.ended(0).json(), &["token"]);
    let lea = ["user", "create", "lea", "--role", "lead", "--role", "secops", "--email", "lea@corp.example", "--password-file", &password];
    assert_eq!(ok(&lea)["token"], Value::Null);
    assert_eq!(desk.run(&lea).exit, 1, "a name is taken");
    assert!(ok(&["user", "create", "bot", "--role", "secops", "--kind", "agent", "--token"])["token"].is_string());
    has(&ok(&["token", "create", "dash", "--user", "ada", "--scope", "cases:read", "--expires", "30d"]), &["id", "token", "expires_at"]);
    let source = ok(&["source", "create", "ci", "--detector", "quell", "--system", "pg-main", "--tier-max", "restrict"]);
    has(&source, &["source", "token"]);
    let signing = ok(&["source", "create", "signs", "--detector", "gitleaks", "--hmac"]);
    has(&signing, &["source", "token", "hmac_key"]);
    let list = ok(&["source", "list"]);
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");

    let file = desk.file("estate.jsonl", INVENTORY);
    let dry = ok(&["inventory", "import", &file, "--dry-run"]);
    has(&dry, &["read", "added", "changed", "unchanged", "gone", "errors"]);
    assert_eq!(ok(&["inventory", "import", &file])["added"], dry["added"]);
    assert_eq!(ok(&["inventory", "import", &file, "--replace"])["unchanged"], dry["added"]);
    let dangling =
        desk.file("dangling.jsonl", "{\"type\":\"credential\",\"id\":\"pg-main/x#p\",\"identity\":\"pg-main/x\",\"kind\":\"password\"}\n");
    assert!(desk.run(&["inventory", "import", &dangling, "--json"]).ended(1).json()["errors"][0]["line"].is_u64());
    has(&ok(&["inventory", "show", "pg-main/app"]), &["objects"]);
    assert_eq!(desk.run(&["inventory", "show", "other/nobody"]).exit, 1);
    has(
        &ok(&["inventory", "reach", "pg-main/app", "--depth", "3"]),
        &["start", "observed", "possible", "count", "truncated", "not_looked_at"],
    );
    assert_eq!(ok(&["inventory", "owner", "pg-main/app"])[0]["person"], "ian@corp.example");
    assert_eq!(ok(&["inventory", "owner", "pg-main/app", "--role", "business", "--person", "bea@corp.example"])["added"], 1);
    assert_eq!(ok(&["inventory", "owner", "pg-main/app"]).as_array().map(Vec::len), Some(2));

    assert_eq!(ok(&["connector", "list"]), json!([]));
    assert_eq!(ok(&["connector", "check"]), json!([]));
    assert_eq!(desk.run(&["connector", "arm", "pg-main", "--action", "suspend_identity", "--until", "+1h"]).exit, 1);
    has(&ok(&["policy", "explain", "--action", "suspend_identity", "--set", "identity.kind=human"]), &["decision", "reasons", "next"]);
    let explained = ok(&["policy", "explain", "--verb", "approve"]);
    assert_eq!(explained["question"]["verb"], "approve", "{explained}");

    has(&ok(&["case", "list"]), &["cases", "next"]);
    has(&ok(&["inbox"]), &["cases"]);
    has(&ok(&["ledger", "verify"]), &["ok", "size", "root"]);
    has(&ok(&["ledger", "checkpoint"]), &["ok", "size", "root"]);
    let doctor = desk.run(&["doctor", "--json"]).json();
    has(&doctor, &["ok", "checks"]);
    assert!(doctor.to_string().contains("unwitnessed"), "{doctor}");
    // Every one of them has words for people, too.
    for args in [
        vec!["whoami"],
        vec!["inbox"],
        vec!["source", "list"],
        vec!["inventory", "show", "pg-main/app"],
        vec!["inventory", "reach", "pg-main/app"],
        vec!["inventory", "owner", "pg-main/app"],
        vec!["case", "list"],
        vec!["case", "list", "--state", "all"],
        vec!["connector", "list"],
        vec!["policy", "explain"],
        vec!["ledger", "verify"],
        vec!["ledger", "checkpoint"],
    ] {
        let ran = desk.run(&args);
        assert!(!ran.ended(0).out.trim().is_empty(), "{args:?} says nothing");
        assert!(serde_json::from_str::<Value>(&ran.out).is_err(), "{args:?} speaks JSON to a person: {}", ran.out);
    }
    drop(server);
}

#[tokio::test]
async fn a_case_is_opened_judged_and_closed_by_hand() {
    let (server, desk) = set_up();
    let password = desk.path("pw").display().to_string();
    let person = |name: &str, roles: &[&str]| -> String {
        let roles: Vec<&str> = roles.iter().flat_map(|r| ["--role", r]).collect();
        desk.run(&[&["user", "create", name, "--password-file", &password], &roles[..]].concat()).ended(0);
        let login = desk.run(&["login", "--user", name, "--password-file", &password, "--json"]).json();
        login["token"].as_str().expect("a token").to_owned()
    };
    let lea = person("lea", &["lead", "secops"]);
    let file = desk.file("estate.jsonl", INVENTORY);
    desk.run(&["inventory", "import", &file]).ended(0);

    let opened =
        desk.run_as(&lea, &["case", "open", "pg-main/app", "--kind", "anomalous_use", "--text", "odd hours", "--json"]).ended(0).json();
    let id = opened["id"].as_str().expect("an id");
    has(
        &opened,
        &[
            "id",
            "state",
            "headline",
            "opened_at",
            "closed_at",
            "findings",
            "owners",
            "why_routed",
            "credentials",
            "sessions",
            "not_looked_at",
            "waiting_for",
            "plans",
            "chain",
            "events",
        ],
    );
    let as_lea = |args: &[&str]| desk.run_as(&lea, args);
    let after = |args: &[&str]| as_lea(&[args, &["--json"]].concat()).ended(0).json();
    assert!(after(&["case", "lead", id])["lead"].is_string());
    assert_eq!(after(&["case", "note", id, "called the vendor"])["notes"].as_array().map(Vec::len), Some(1));
    assert_eq!(after(&["case", "verdict", id, "malicious", "--as", "secops"])["verdicts"][0]["verdict"], "malicious");
    let tasks = after(&["case", "task", id, "rotate the copy", "--owner", "iam"])["tasks"].clone();
    let task = tasks
        .as_array()
        .and_then(|t| t.iter().find(|t| t["untrusted"] == "rotate the copy"))
        .and_then(|t| t["id"].as_str())
        .expect("a task")
        .to_owned();
    let done = after(&["case", "task", id, &task, "--done", "--attested", "I saw it"]);
    let done = done["tasks"].as_array().and_then(|t| t.iter().find(|t| t["id"] == *task)).cloned();
    assert!(done.is_some_and(|t| t["ended_at"].is_string()));
    let why = after(&["case", "why", id]);
    has(&why, &["headline", "done", "not_done", "awaited", "next"]);
    assert!(as_lea(&["case", "why", id]).out.contains("next: `quell "), "no next command");

    // First line of every case: its headline.
    let shown = as_lea(&["case", "show", id]);
    let headline = after(&["case", "show", id])["headline"].as_str().expect("a headline").to_owned();
    assert_eq!(shown.out.lines().next(), Some(headline.as_str()));

    // A refusal ends with the next move, and is a problem document with --json.
    let refused = as_lea(&["case", "approve", id, "--digest", "00", "--json"]);
    let problem: Value = serde_json::from_str(refused.ended(1).err.trim_end()).expect("a problem document");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("quell case show")), "{problem}");
    let machine = desk.run(&["token", "create", "m", "--user", "lea", "--scope", "cases:read", "--expires", "1d", "--json"]).json();
    let machine = machine["token"].as_str().expect("a token");
    let refused = desk.run_as(machine, &["case", "note", id, "from a program"]);
    assert!(refused.ended(1).err.contains("quell login") || refused.err.contains("scope"), "{}", refused.err);
    let stranger = desk.run_as("nonsense", &["case", "list"]);
    assert!(stranger.ended(1).err.contains("quell login"), "{}", stranger.err);

    let late = as_lea(&["case", "wait", id, "--for", "closed", "--timeout", "5s", "--json"]);
    assert_eq!(late.ended(1).json()["id"], id, "the case is printed all the same");
    assert!(late.err.contains("not reached in 5 s"), "{}", late.err);
    assert_eq!(as_lea(&["case", "wait", "C-nobody", "--timeout", "30s"]).exit, 1);

    let closed = as_lea(&["case", "close", id, "--outcome", "false_positive", "--evidence", "a drill", "--json"]);
    assert_eq!(closed.ended(0).json()["state"], "closed", "{}", closed.out);
    as_lea(&["case", "wait", id, "--for", "closed", "--timeout", "30s"]).ended(0);
    assert!(as_lea(&["case", "wait", id, "--for", "proven", "--timeout", "30s"]).ended(1).err.contains("closed"));
    let watched = as_lea(&["case", "watch", id, "--from-start", "--json"]);
    let types: Vec<Value> =
        watched.ended(0).out.lines().map(|l| serde_json::from_str::<Value>(l).expect("a line")["type"].clone()).collect();
    assert!(types.contains(&json!("case_opened")) && types.contains(&json!("case_closed")), "{types:?}");
    let rows = after(&["case", "list", "--state", "closed"]);
    assert_eq!(rows["cases"][0]["id"], id);
    drop(server);
}

#[tokio::test]
async fn two_cases_of_one_incident_are_merged_and_parted() {
    let (server, desk) = set_up();
    let password = desk.path("pw").display().to_string();
    desk.run(&["user", "create", "lea", "--role", "lead", "--password-file", &password]).ended(0);
    let login = desk.run(&["login", "--user", "lea", "--password-file", &password, "--json"]).json();
    let lea = login["token"].as_str().expect("a token").to_owned();
    let file = desk.file("estate.jsonl", INVENTORY);
    desk.run(&["inventory", "import", &file]).ended(0);
    let run = |args: &[&str]| desk.run_as(&lea, &[args, &["--json"]].concat());
    let open = |text: &str| {
        let opened = run(&["case", "open", "pg-main/app", "--kind", "anomalous_use", "--text", text]).ended(0).json();
        opened["id"].as_str().expect("an id").to_owned()
    };
    let (one, two) = (open("odd hours"), open("odd places"));

    let merged = run(&["case", "merge", &one, "--into", &two, "--reason", "one intruder"]).ended(0).json();
    assert_eq!((&merged["id"], merged["findings"].as_array().map(Vec::len)), (&json!(two), Some(2)), "{merged}");
    assert_eq!((&merged["merged"][0]["case"], &merged["merged"][0]["ended_at"]), (&json!(one), &Value::Null));
    let listed = run(&["case", "list"]).ended(0).json();
    let ids: Vec<&Value> = listed["cases"].as_array().into_iter().flatten().map(|c| &c["id"]).collect();
    assert_eq!(ids, [&json!(two)], "one case is open");
    let gone = desk.run_as(&lea, &["case", "show", &one]).ended(0).out.clone();
    assert!(gone.contains(&format!("merged into {two}")), "{gone}");
    let why = desk.run_as(&lea, &["case", "why", &one]).ended(0).out.clone();
    assert!(why.contains(&format!("next: `quell case show {two}`")), "{why}");
    for args in [
        vec!["case", "note", &one, "x"],
        vec!["case", "merge", &one, "--into", &two, "--reason", "again"],
        vec!["case", "merge", &two, "--into", &two, "--reason", "itself"],
        vec!["case", "unmerge", &two, "--reason", "was never merged"],
    ] {
        let refused = run(&args);
        let problem: Value = serde_json::from_str(refused.ended(1).err.trim_end()).expect("a problem document");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains('`')), "{args:?}: {problem}");
    }
    assert_eq!(run(&["case", "merge", &one, "--into", "C-nobody", "--reason", "x"]).exit, 1);

    let back = run(&["case", "unmerge", &one, "--reason", "two intruders"]).ended(0).json();
    assert_eq!((&back["id"], &back["merged_into"], back["findings"].as_array().map(Vec::len)), (&json!(one), &Value::Null, Some(1)));
    let shown = desk.run_as(&lea, &["case", "show", &two]).ended(0).out.clone();
    assert!(shown.contains("taken out again"), "{shown}");
    let watched = desk.run_as(&lea, &["case", "watch", &one, "--from-start", "--timeout", "10s", "--json"]).ended(0).out.clone();
    assert!(watched.contains("case_merged_away") && watched.contains("case_given_back"), "{watched}");
    drop(server);
}

#[tokio::test]
async fn a_hostile_alert_sent_by_token_or_signature_shows_harmless() {
    let (server, desk) = set_up();
    let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hostile/quell-hostile.json").display().to_string();
    let made = desk.run(&["source", "create", "ci", "--detector", "quell", "--hmac", "--json"]).json();
    let token = made["token"].as_str().expect("a token");
    has(&desk.run_as(token, &["alert", "send", "--source", "ci", &hostile, "--json"]).ended(0).json(), &["alert_id"]);
    let key = desk.file("hmac", made["hmac_key"].as_str().expect("a key"));
    let signed = desk.run_as("", &["alert", "send", "--source", "ci", &hostile, "--hmac-key-file", &key, "--json"]);
    has(&signed.ended(0).json(), &["alert_id"]);
    assert_eq!(desk.run_as("nonsense", &["alert", "send", "--source", "ci", &hostile]).exit, 1);
    assert_eq!(desk.run_as(token, &["alert", "send", "--source", "other", &hostile]).exit, 1);

    let cases = server
        .until("/cases?state=all", desk.token.as_deref().expect("a token"), |c| c["cases"].as_array().is_some_and(|c| !c.is_empty()))
        .await;
    let id = cases["cases"][0]["id"].as_str().expect("an id");
    for args in [vec!["case", "list", "--state", "all"], vec!["case", "show", id], vec!["case", "why", id], vec!["inbox"]] {
        for json in [false, true] {
            let args = if json { [args.clone(), vec!["--json"]].concat() } else { args.clone() };
            let ran = desk.run(&args);
            assert_eq!((deceptive(&ran.ended(0).out), deceptive(&ran.err)), (None, None), "{args:?}: {}", ran.out);
            assert!(!ran.out.contains("hostile-secret"), "{args:?}");
        }
    }
    let title = desk.run(&["case", "show", id]).out;
    assert!(title.contains("hostile-title"), "the sender's words are shown, quoted: {title}");
}

/// Replaces bytes by as many others in every file of the store.
fn tamper(data: &Path, from: &[u8], to: &[u8]) -> usize {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for name in ["quell.db", "quell.db-wal"] {
        let Ok(mut bytes) = fs::read(data.join(name)) else { continue };
        for at in 0..bytes.len().saturating_sub(from.len()) {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
                found += 1;
            }
        }
        fs::write(data.join(name), bytes).expect("a changed file");
    }
    found
}

#[tokio::test]
async fn a_stopped_server_lets_its_owner_in_and_its_record_be_replayed() {
    let (mut server, desk) = set_up();
    let (data, key) = (server.dir.path().join("data"), server.dir.path().join("key").display().to_string());
    let dir = data.display().to_string();
    let password = desk.path("pw").display().to_string();
    let made = desk.run(&["source", "create", "ci", "--detector", "gitleaks", "--json"]).json();
    let report = desk.file("report.json", "{ not json");
    let sent =
        desk.run_as(made["token"].as_str().expect("a token"), &["alert", "send", "--source", "ci", &report, "--json"]).ended(0).json();
    let alert = format!("/alerts/{}", sent["alert_id"].as_str().expect("an id"));
    server.until(&alert, desk.token.as_deref().expect("a token"), |a| a["state"] == "unreadable").await;

    let create = [
        "user",
        "create",
        "eve",
        "--role",
        "admin",
        "--password-file",
        &password,
        "--data-dir",
        &dir,
        "--fingerprint-key-file",
        &key,
        "--json",
    ];
    for busy in [vec!["ledger", "replay", "--data-dir", &dir], vec!["ledger", "verify", "--data-dir", &dir], create.to_vec()] {
        let ran = desk.run(&busy);
        assert!(ran.ended(1).err.contains("in use by process"), "{busy:?}: {}", ran.err);
    }
    assert_eq!(server.terminate().code(), Some(0));

    // Environment alone never turns an order to the server into one on files.
    assert_eq!(desk.with("QUELL_DATA_DIR", &dir, &["user", "create", "eve", "--role", "admin"]).exit, 3);
    desk.run(&create).ended(0);
    assert!(desk.run(&create).ended(1).err.contains("already"));
    let other = desk.file("other-key", [8; 32]);
    let wrong = ["user", "create", "max", "--role", "admin", "--data-dir", &dir, "--fingerprint-key-file", &other];
    assert!(desk.run(&wrong).ended(1).err.contains("another key file"));
    let token = ["token", "create", "t", "--user", "eve", "--expires", "1d", "--data-dir", &dir, "--fingerprint-key-file", &key, "--json"];
    has(&desk.run(&token).ended(0).json(), &["id", "token", "expires_at"]);

    let replay = ["ledger", "replay", "--data-dir", &dir, "--json"];
    let whole = desk.run(&replay).ended(0).json();
    assert!(whole["ok"] == true && whole["size"].as_u64().is_some_and(|s| s > 5) && whole["root"].is_string(), "{whole}");
    let verified = desk.run(&["ledger", "verify", "--data-dir", &dir, "--json"]).ended(0).json();
    assert_eq!((&verified["size"], &verified["root"]), (&whole["size"], &whole["root"]));

    // A row of a table that no event makes is found, and made right.
    assert!(tamper(&data, br#""state":"unreadable""#, br#""state":"unseenable""#) > 0);
    let differs = desk.run(&replay).ended(1).json();
    assert!(differs["ok"] == false && differs["error"].as_str().is_some_and(|e| e.contains("rebuilt")), "{differs}");
    desk.run(&replay).ended(0);

    server.start_again();
    let again = Desk::at(&server.url, "");
    let login = again.run(&["login", "--user", "eve", "--password-file", &password, "--json"]).ended(0).json();
    assert_eq!(again.run_as(login["token"].as_str().expect("a token"), &["whoami", "--json"]).json()["roles"], json!(["admin"]));
    assert_eq!(server.terminate().code(), Some(0));

    // A changed event is found by its hash, and nothing is rebuilt from it.
    assert!(tamper(&data, b"alert_received", b"alert_recieved") > 0);
    for args in [replay.to_vec(), vec!["ledger", "verify", "--data-dir", &dir, "--json"]] {
        let broken = desk.run(&args).ended(1).json();
        assert!(broken["ok"] == false && broken["error"].is_string(), "{broken}");
    }
}
