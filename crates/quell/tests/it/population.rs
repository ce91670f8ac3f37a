//! Every case between two checkpoints in one bundle, and who could decide then.

use std::fs;

use quell_ledger::bundle;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

async fn case(server: &Server, sender: &str, reader: &str, name: &str) -> (String, Value) {
    let alert = json!({ "source": "edr", "kind": "anomalous_use", "title": format!("{name} signed in"), "observed_at": "2026-11-20T09:00:00Z",
        "subject": { "kind": "human", "native_id": name, "name": name, "system": "hr" }, "severity": { "id": 3 } });
    let (_, sent) = server.send("/alerts/edr", Some(sender), &[], alert.to_string().into_bytes()).await;
    let path = format!("/alerts/{}", sent["alert_id"].as_str().expect("an id"));
    let filed = server.until(&path, reader, |a| a["state"] == "filed").await;
    (filed["cases"][0].as_str().expect("a case").to_owned(), filed["findings"][0].clone())
}

fn repacked(bytes: &[u8], change: impl Fn(&str, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let entries = bundle::unpack(bytes).expect("a container");
    let files: Vec<(String, Vec<u8>)> = entries.iter().map(|e| (e.name.to_owned(), change(e.name, e.data))).collect();
    let entries: Vec<bundle::Entry<'_>> = files.iter().map(|(name, data)| bundle::Entry { name, data }).collect();
    bundle::pack(&entries).expect("a container")
}

#[tokio::test]
async fn every_case_between_two_checkpoints_is_proved_and_an_omitted_one_is_found() {
    let mut server = Server::start();
    let ada = server.set_up().await;
    let rosa = server.person(&ada, "rosa", &["response_owner"]).await;
    let auditor = server.person(&ada, "aud", &["auditor"]).await;
    let sender = server.source(&ada, "edr", "quell").await;
    let desk = Desk::at(&server.url, &auditor);
    let checkpoint = async || server.post("/ledger/checkpoint", &ada, json!({})).await;

    let (before, _) = case(&server, &sender, &ada, "zoe.before").await;
    let first = checkpoint().await;
    let (closed, finding) = case(&server, &sender, &ada, "yann.closed").await;
    server.post(&format!("/cases/{closed}/outcome"), &rosa, json!({ "finding": finding, "outcome": "false_positive" })).await;
    server.post(&format!("/cases/{closed}/close"), &rosa, json!({})).await;
    let (open, _) = case(&server, &sender, &ada, "xena.open").await;
    let second = checkpoint().await;
    let state = server.get(&format!("/cases/{open}"), &ada).await["state"].clone();
    let (after, _) = case(&server, &sender, &ada, "wim.after").await;

    let (from, to) =
        (desk.file("from", first["checkpoint"].as_str().expect("a note")), desk.file("to", second["checkpoint"].as_str().expect("a note")));
    let key = desk.file("key", first["key"].as_str().expect("a key"));
    let out = desk.path("cases.zip").display().to_string();
    let made = desk.run(&["evidence", "export", "--from", &from, "--to", &to, "-o", &out, "--json"]).ended(0).json();
    assert_eq!((&made["from"], &made["to"], &made["cases"]), (&first["size"], &second["size"], &json!(2)), "{made}");
    let verified = desk.run(&["evidence", "verify", &out, "--key", &key, "--json"]).ended(0).json();
    assert_eq!((&verified["ok"], &verified["complete"], &verified["population"]["cases"]), (&json!(true), &json!(true), &json!(2)));
    for (end, checkpoint) in [("from", &first), ("to", &second)] {
        let (found, wanted) = (&verified["population"][end], json!({ "size": checkpoint["size"], "root": checkpoint["root"] }));
        assert_eq!(found, &wanted, "{end}");
    }
    assert!(desk.run(&["evidence", "verify", &out, "--key", &key]).ended(0).out.contains("2 cases opened"));
    assert_eq!(desk.run(&["evidence", "verify", &out]).exit, 1, "the signer is not established");

    let bytes = fs::read(&out).expect("a bundle");
    let entries = bundle::unpack(&bytes).expect("a container");
    let listing: Value = serde_json::from_slice(entries[0].data).expect("JSON");
    let rows: Vec<(&Value, &Value)> = listing["cases"].as_array().expect("rows").iter().map(|r| (&r["case"], &r["state"])).collect();
    assert_eq!(rows, [(&json!(format!("case/{closed}")), &json!("closed")), (&json!(format!("case/{open}")), &state)]);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for absent in [before.as_str(), after.as_str()] {
        assert!(!entries[0].data.windows(absent.len()).any(|w| w == absent.as_bytes()), "{absent} is of another range");
    }
    assert!(!text.contains("yann.closed") && !text.contains("xena.open"), "values stay behind");

    // One case less: off the list, out of the events, out of both.
    let dropped = |name: &str, data: &[u8]| match name {
        "population.json" => {
            let mut listing: Value = serde_json::from_slice(data).expect("JSON");
            listing["cases"].as_array_mut().expect("rows").remove(0);
            format!("{}\n", serde_json::to_string_pretty(&listing).expect("JSON")).into_bytes()
        }
        _ => data.to_vec(),
    };
    let without = |name: &str, data: &[u8]| match name {
        "leaves.jsonl" => {
            let kept = data.split_inclusive(|b| *b == b'\n').filter(|l| !l.windows(closed.len()).any(|w| w == closed.as_bytes()));
            kept.flatten().copied().collect()
        }
        _ => data.to_vec(),
    };
    let all = [
        ("off the list", "missing_case", repacked(&bytes, dropped)),
        ("out of the events", "bad_inclusion", repacked(&bytes, without)),
        ("out of both", "bad_inclusion", repacked(&repacked(&bytes, without), dropped)),
    ];
    for (name, code, forged) in all {
        let file = desk.file("forged.zip", forged);
        let report = desk.run(&["evidence", "verify", &file, "--key", &key, "--json"]).ended(1).json();
        assert!(report["integrity"] == false && report["errors"].to_string().contains(code), "{name}: {report}");
    }

    // Sizes and times name the same range.
    let size = |n: &Value| n.as_u64().expect("a size").to_string();
    let by_size = desk.path("by-size.zip").display().to_string();
    let args = ["evidence", "export", "--from", &size(&first["size"]), "--to", &size(&second["size"]), "-o", &by_size, "--json"];
    assert_eq!(desk.run(&args).ended(0).json()["cases"], 2);
    let whole = desk.path("whole.zip").display().to_string();
    let args = ["evidence", "export", "--from", "2026-01-01T00:00:00Z", "--to", "2126-01-01T00:00:00Z", "-o", &whole, "--json"];
    assert_eq!(desk.run(&args).ended(0).json()["cases"], 4);
    desk.run(&["evidence", "verify", &whole, "--key", &key]).ended(0);

    // What is no range of this log is refused, and nothing is written.
    let note = first["checkpoint"].as_str().expect("a note");
    let root = note.lines().nth(2).expect("a root");
    let other = format!("{}{}", if root.starts_with('A') { 'B' } else { 'A' }, &root[1..]);
    let stranger = desk.file("stranger", note.replacen(root, &other, 1));
    let nowhere = desk.path("nowhere.zip").display().to_string();
    for (from, to, why) in [
        (to.as_str(), from.as_str(), "expected a range"),
        (from.as_str(), "999999", "expected a range"),
        (stranger.as_str(), to.as_str(), "checkpoint"),
        ("yesterday", to.as_str(), "no size"),
    ] {
        let refused = desk.run(&["evidence", "export", "--from", from, "--to", to, "-o", &nowhere]);
        assert!(refused.ended(1).err.contains(why), "{from} {to}: {}", refused.err);
    }
    assert!(!desk.path("nowhere.zip").exists());
    for usage in [vec!["evidence", "export", "-o", "x.zip"], vec!["evidence", "export", "C-1", "--from", "1", "--to", "2", "-o", "x.zip"]] {
        assert_eq!(desk.run(&usage).exit, 2, "{usage:?}");
    }
    server.refused("/evidence/population", &ada, json!({ "from": "1", "to": "2" }), StatusCode::FORBIDDEN).await;

    // Exporting is part of the record, which replays.
    assert!(server.terminate().success());
    let data = server.dir.path().join("data").display().to_string();
    assert_eq!(desk.run(&["ledger", "replay", "--data-dir", &data, "--json"]).ended(0).json()["ok"], true);
}

#[tokio::test]
async fn who_could_approve_at_a_moment_is_read_from_the_record() {
    let server = Server::start();
    let ada = server.set_up().await;
    let desk = Desk::at(&server.url, &ada);
    let early = desk.run(&["evidence", "who", "--json"]).ended(0).json();
    server.person(&ada, "lea", &["lead", "secops"]).await;
    server.post("/users", &ada, json!({ "name": "bot", "roles": ["secops"], "kind": "agent" })).await;

    let find = |who: &Value, name: &str| who["people"].as_array().expect("people").iter().find(|p| p["name"] == name).cloned();
    let now = desk.run(&["evidence", "who", "--json"]).ended(0).json();
    let lea = find(&now, "lea").expect("she is there");
    assert_eq!(lea["approves_as"], json!(["lead", "secops"]));
    let may = lea["may"].as_array().expect("the policy is loaded");
    assert!(may.contains(&json!("approve")) && !may.contains(&json!("arm")) && !may.contains(&json!("approve_erasure")), "{lea}");
    let bot = find(&now, "bot").expect("it is there");
    assert_eq!((&bot["approves_as"], &bot["human"]), (&json!([]), &json!(false)), "a program approves nothing");
    assert!(bot["may"].as_array().is_some_and(|m| !m.contains(&json!("approve"))), "{bot}");
    let policy = server.get("/policy", &ada).await;
    assert_eq!((&now["policy"]["digest"], &now["policy"]["is_loaded"]), (&policy["digest"], &json!(true)));

    let then = early["at"].as_str().expect("a time");
    let then = desk.run(&["evidence", "who", "--at", then, "--json"]).ended(0).json();
    assert_eq!(then["people"], early["people"], "the same answer later");
    assert!(find(&then, "lea").is_none() && find(&then, "ada").is_some());
    let never = desk.run(&["evidence", "who", "--at", "2020-01-01T00:00:00Z", "--json"]).ended(0).json();
    assert_eq!((&never["people"], &never["policy"]["digest"]), (&json!([]), &Value::Null));
    let told = desk.run(&["evidence", "who"]);
    assert!(told.ended(0).out.contains("lea") && told.out.contains("under policy"), "{}", told.out);
    assert_eq!(desk.run(&["evidence", "who", "--at", "noon"]).exit, 1);
}
