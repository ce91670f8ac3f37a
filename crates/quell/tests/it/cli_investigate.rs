//! `quell investigate`, as a newcomer runs it: no server, no account, no configuration.

use std::{collections::BTreeSet, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::cli_run::{Desk, Ran, deceptive};

const USER: &str = "arn:aws:iam::111111111111:user/ci-deploy";
const KEY: &str = "AKIAEXAMPLEEXAMPLE00";
const SESSION: &str = "ASIAEXAMPLEEXAMPLE00";

fn call(clock: &str, key: &str, name: &str, request: Value, answer: Value) -> Value {
    json!({ "eventTime": format!("2026-10-01T{clock}Z"), "eventSource": "iam.amazonaws.com", "eventName": name, "eventID": format!("{clock}{name}{key}"),
        "sourceIPAddress": "192.0.2.10", "userAgent": "aws-cli/2", "recipientAccountId": "111111111111",
        "userIdentity": { "type": "IAMUser", "arn": USER, "accountId": "111111111111", "accessKeyId": key, "userName": "ci-deploy" },
        "requestParameters": request, "responseElements": answer })
}

fn assume(clock: &str, id: &str) -> Value {
    let answer = json!({ "credentials": { "accessKeyId": id, "sessionToken": "hunter2-hunter2-hunter2", "expiration": "Oct 1, 2026, 4:00:00 AM" },
        "assumedRoleUser": { "arn": "arn:aws:sts::111111111111:assumed-role/reports/job" } });
    call(clock, KEY, "AssumeRole", json!({}), answer)
}

fn in_session(clock: &str, id: &str) -> Value {
    let mut record = call(clock, id, "GetSecretValue", json!({ "secretId": "prod/db" }), Value::Null);
    record["userIdentity"] =
        json!({ "type": "AssumedRole", "arn": "arn:aws:sts::111111111111:assumed-role/reports/job", "accessKeyId": id });
    record
}

/// A stolen key, a session that reads a secret, one that nobody used, and a door that is closed again.
fn incident() -> Vec<Value> {
    let mut door = call("03:04:00", "AKIAEXAMPLEEXAMPLE02", "ListUsers", Value::Null, Value::Null);
    door["userIdentity"]["arn"] = json!("arn:aws:iam::111111111111:user/door");
    vec![
        assume("03:00:00", SESSION),
        assume("03:00:00", "ASIAEXAMPLEEXAMPLE01"),
        in_session("03:01:00", SESSION),
        call(
            "03:02:00",
            KEY,
            "CreateAccessKey",
            json!({ "userName": "door" }),
            json!({ "accessKey": { "accessKeyId": "AKIAEXAMPLEEXAMPLE02", "userName": "door" } }),
        ),
        call("03:03:00", KEY, "DeleteAccessKey", json!({ "userName": "door", "accessKeyId": "AKIAEXAMPLEEXAMPLE02" }), Value::Null),
        door,
    ]
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|r| format!("{r}\n")).collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(text.as_bytes()).expect("bytes in memory");
    out.finish().expect("bytes in memory")
}

fn chain(answer: &Value) -> BTreeSet<(String, Option<String>)> {
    let cases = answer["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 1, "{answer}");
    let links = cases[0]["chain"].as_array().expect("a chain");
    links.iter().map(|l| (l["id"].as_str().expect("an id").to_owned(), l["minted_from"].as_str().map(str::to_owned))).collect()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn json_of(ran: &Ran) -> Value {
    ran.ended(0).json()
}

#[test]
fn the_answer_has_the_shape_that_others_rest_on() {
    let desk = Desk::new();
    let file = desk.file("trail.jsonl", lines(&incident()));
    let answer = json_of(&desk.run(&["investigate", &file, "--json"]));
    let has = |value: &Value, fields: &[&str]| {
        let missing: Vec<&&str> = fields.iter().filter(|f| !keys(value).contains(**f)).collect();
        assert!(missing.is_empty(), "{missing:?} missing in {value}");
    };
    has(&answer, &["cases", "unattached", "unreadable", "records"]);
    let case = &answer["cases"][0];
    has(case, &["id", "title", "root", "first_seen", "last_seen", "chain", "secrets_read", "excluded", "plan"]);
    has(&case["root"], &["identity", "credential"]);
    for link in case["chain"].as_array().expect("a chain") {
        has(
            link,
            &[
                "id",
                "kind",
                "identity",
                "minted_from",
                "mint_event",
                "minted_at",
                "expires_at",
                "uses",
                "last_used_at",
                "basis",
                "liveness",
                "confidence",
                "evidence",
            ],
        );
        assert!(link["confidence"].as_u64().is_some_and(|c| c <= 100), "{link}");
        assert!(["live", "dead", "unknown"].contains(&link["liveness"].as_str().expect("text")), "{link}");
        assert!(["observed", "possible"].contains(&link["basis"].as_str().expect("text")), "{link}");
        for place in link["evidence"].as_array().expect("evidence") {
            assert!(place["file"] == file.as_str() && place["record"].is_u64(), "{place}");
        }
    }
    has(&case["secrets_read"][0], &["id", "at", "by"]);
    for step in case["plan"].as_array().expect("a plan") {
        has(step, &["n", "action", "target", "after", "reason"]);
    }
    assert_eq!(answer["records"], 6);
    assert_eq!(case["root"], json!({ "identity": USER, "credential": KEY }));
    let door = case["chain"].as_array().unwrap().iter().find(|l| l["id"] == "AKIAEXAMPLEEXAMPLE02").expect("the door");
    // Used after it was said to be gone: the second reading counted it.
    assert_eq!((&door["ended"]["by_intruder"], &door["ended"]["uses_after"], &door["liveness"]), (&json!(true), &json!(1), &json!("live")));
}

#[test]
fn files_directories_gzip_and_stdin_give_the_same_chain_in_any_order() {
    let desk = Desk::new();
    let records = incident();
    let (first, second) = records.split_at(3);
    let (first, second) = (lines(first), format!("{{\"Records\":{}}}", json!(second)));
    std::fs::create_dir_all(desk.path("logs/deeper")).expect("a directory");
    std::fs::write(desk.path("logs/b.jsonl"), &first).expect("a file");
    std::fs::write(desk.path("logs/deeper/a.json.gz"), packed(&second)).expect("a file");
    std::fs::write(desk.path("logs/notes.md"), "not a log").expect("a file");
    let whole = desk.file("whole.json", format!("[{}]", incident().iter().map(Value::to_string).collect::<Vec<_>>().join(",\n")));
    let wanted = chain(&json_of(&desk.run(&["investigate", &whole, "--json"])));
    assert_eq!(wanted.len(), 4);
    let directory = desk.run(&["investigate", "logs", "--json"]);
    assert_eq!(chain(&json_of(&directory)), wanted);
    assert!(directory.json()["not_looked_at"].to_string().contains("notes.md"), "what was passed over is said");
    let forward = desk.run(&["investigate", "logs/b.jsonl", "logs/deeper/a.json.gz", "--json"]);
    let backward = desk.run(&["investigate", "logs/deeper/a.json.gz", "logs/b.jsonl", "--json"]);
    assert_eq!(chain(&json_of(&forward)), wanted);
    assert_eq!(forward.out, backward.out, "the order of input shows");
    assert_eq!(
        desk.run(&["investigate", "logs/deeper/../b.jsonl", "logs/deeper/a.json.gz", "logs/b.jsonl", "--json"]).json()["records"],
        6,
        "one file under two names is one"
    );
    let all = lines(&incident());
    for bytes in [all.clone().into_bytes(), packed(&all)] {
        assert_eq!(chain(&json_of(&desk.feed(&["investigate", "-", "--json"], &bytes))), wanted);
    }
    let mut shuffled = incident();
    shuffled.reverse();
    let backward = desk.file("backward.jsonl", lines(&shuffled));
    assert_eq!(chain(&json_of(&desk.run(&["investigate", &backward, "--json"]))), wanted);
}

#[test]
fn nothing_is_written_and_nothing_is_needed() {
    let desk = Desk::new();
    let file = desk.file("trail.jsonl", lines(&incident()));
    let before: BTreeSet<_> = std::fs::read_dir(desk.dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    let bytes = std::fs::read(&file).unwrap();
    desk.run(&["investigate", &file]).ended(0);
    // A server that is not there, and a token that nobody knows, make no difference.
    let ran = desk.with("QUELL_TOKEN", "nobody", &["--url", "http://127.0.0.1:9", "investigate", &file]);
    ran.ended(0);
    let after: BTreeSet<_> = std::fs::read_dir(desk.dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!((before, bytes), (after, std::fs::read(&file).unwrap()));
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_the_rest_is_read() {
    let desk = Desk::new();
    let good = lines(&incident());
    let broken = desk.file("broken.jsonl", format!("{good}{{\"eventName\": \"hunter2-hunter2\", \"eventSource\n{good}"));
    let ran = desk.run(&["investigate", &broken, "--json"]);
    let answer = ran.ended(1).json();
    assert_eq!(chain(&answer).len(), 4);
    assert_eq!(answer["unreadable"].as_array().map(Vec::len), Some(1), "{answer}");
    assert!(answer["unreadable"][0]["record"] == 6 && answer["unreadable"][0]["reason"].as_str().is_some_and(|r| !r.is_empty()));
    assert!(!ran.out.contains("hunter2"));
    // Cut in the middle of its gzip: what came before is read, and the cut is told.
    let long: String = (0..3000).map(|n| lines(&[call("03:10:00", KEY, &format!("Call{n}"), Value::Null, Value::Null)])).collect();
    let mut bytes = packed(&format!("{good}{long}"));
    bytes.truncate(bytes.len() / 2);
    let cut = desk.file("cut.json.gz", bytes);
    let answer = desk.run(&["investigate", &cut, "--json"]).ended(1).json();
    assert_eq!(chain(&answer).len(), 4);
    assert!(answer["unreadable"].to_string().contains("cut off"), "{}", answer["unreadable"]);
    // No log and no alert, and the other file is still answered for.
    let other = desk.file("letter.txt", "Dear Sir,\nI write to you\n");
    let whole = desk.file("trail.jsonl", &good);
    let ran = desk.run(&["investigate", &other, &whole]);
    ran.ended(1);
    assert!(ran.out.contains("Not readable") && ran.out.contains(SESSION), "{}", ran.out);
    let empty = desk.file("empty.log", "");
    assert_eq!(desk.run(&["investigate", &empty, "--json"]).ended(0).json()["records"], 0, "an empty log is no fault");
}

#[test]
fn alerts_make_cases_and_a_secret_is_known_only_by_its_fingerprint() {
    let desk = Desk::new();
    let key = desk.file("key", [7; 32]);
    let report = json!([{ "RuleID": "generic-api-key", "Secret": "hunter2-hunter2-hunter2", "Match": "k = hunter2-hunter2-hunter2", "File": "a.py",
        "Commit": "c0ffee", "Date": "2026-10-02T08:15:00Z", "Description": "key" }]);
    let report = desk.file("gitleaks.json", report.to_string());
    let alone = desk.run(&["investigate", &report, "--json"]);
    let answer = json_of(&alone);
    assert_eq!((answer["cases"].as_array().map(Vec::len), answer["unattached"].as_array().map(Vec::len)), (Some(0), Some(1)), "{answer}");
    let inventory = desk.file(
        "estate.jsonl",
        lines(&[
            json!({ "type": "system", "id": "aws-main", "kind": "external" }),
            json!({ "type": "identity", "id": format!("aws-main/{USER}"), "kind": "service_account", "aliases": ["aws-main/ci@corp.example"] }),
            json!({ "type": "credential", "id": format!("aws-main/{KEY}"), "identity": format!("aws-main/{USER}"), "kind": "access_key", "secret": "hunter2-hunter2-hunter2" }),
            json!({ "type": "dependency", "consumer": "k8s-main/billing-job", "on": format!("aws-main/{KEY}") }),
        ]),
    );
    let trail = desk.file("trail.jsonl", lines(&incident()));
    let known = desk.with("QUELL_FINGERPRINT_KEY_FILE", &key, &["investigate", &report, &trail, "--inventory", &inventory, "--json"]);
    let answer = json_of(&known);
    assert_eq!(chain(&answer).len(), 4);
    let case = &answer["cases"][0];
    assert_eq!(case["untrusted"].as_array().map(Vec::len), Some(1), "the alert and the log are one case");
    assert_eq!(case["root"], json!({ "identity": "ci@corp.example", "credential": KEY }));
    let cut = case["plan"].as_array().unwrap().iter().find(|s| s["target"] == KEY).expect("a step");
    assert!(cut["reason"].as_str().is_some_and(|r| r.contains("k8s-main/billing-job")), "{cut}");
    for ran in [&alone, &known] {
        assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"));
    }
    // A wrong inventory ends the command: half of it would mislead.
    let wrong = desk.file("wrong.jsonl", "{\"type\":\"planet\",\"id\":\"x\"}\n");
    assert!(desk.run(&["investigate", &trail, "--inventory", &wrong]).ended(1).err.contains("line 1"));
}

#[test]
fn what_is_a_log_record_and_an_alert_is_heard_as_both() {
    let desk = Desk::new();
    // Nobody did anything that lasts; the record is a detector's message all the same.
    let quiet = call("03:00:00", KEY, "ListUsers", Value::Null, Value::Null);
    let mut both = quiet.clone();
    both["class_uid"] = json!(2004);
    both["metadata"] = json!({ "version": "1.8.0" });
    both["finding_info"] = json!({ "uid": "f-1", "title": "Unusual calls" });
    both["user"] = json!({ "uid": USER, "name": "ci-deploy" });
    both["time"] = json!("2026-10-01T03:00:00Z");
    let quiet = desk.file("quiet.json", quiet.to_string());
    assert_eq!(json_of(&desk.run(&["investigate", &quiet, "--json"]))["cases"], json!([]));
    let both = desk.file("both.json", both.to_string());
    let answer = json_of(&desk.run(&["investigate", &both, "--json"]));
    assert_eq!(chain(&answer), BTreeSet::from([(KEY.to_owned(), None)]), "{answer}");
    assert_eq!(answer["cases"][0]["untrusted"], json!(["Unusual calls"]));
    assert_eq!(answer["records"], 1, "a record that is heard twice is one");
}

#[test]
fn every_detector_s_own_fixtures_are_heard() {
    let desk = Desk::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../detectors/tests/fixtures");
    let mut heard = 0;
    for source in ["ocsf", "quell", "gitleaks"] {
        for entry in std::fs::read_dir(fixtures.join(source)).expect("fixtures") {
            let file = entry.expect("a fixture").path();
            if file.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let golden = std::fs::read_to_string(file.with_extension("golden.jsonl")).expect("a golden file");
            let broken = golden.contains("\"unreadable\"");
            let ran = desk.run(&["investigate", "--source", source, &file.display().to_string(), "--json"]);
            let answer = ran.ended(i32::from(broken)).json();
            for line in golden.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
                let named = line["credential"]["id"].as_str().or(line["subject"]["native_id"].as_str());
                let silent = line["containment_evidence"] == true || line["sample"] == true;
                if let Some(name) = named.filter(|_| !silent) {
                    assert!(answer["cases"].to_string().contains(name), "{}: `{name}` is in no case: {answer}", file.display());
                    heard += 1;
                }
            }
        }
    }
    assert!(heard >= 3, "only {heard} alerts name anybody");
}

#[test]
fn uses_after_a_time_of_containment_are_counted() {
    let desk = Desk::new();
    let file = desk.file("trail.jsonl", lines(&incident()));
    let answer = json_of(&desk.run(&["investigate", &file, "--contained-at", "2026-10-01T03:01:30Z", "--json"]));
    let after = |id: &str| answer["cases"][0]["chain"].as_array().unwrap().iter().find(|l| l["id"] == id).unwrap()["uses_after"].clone();
    assert_eq!((after(KEY), after(SESSION), after("AKIAEXAMPLEEXAMPLE02")), (json!(2), json!(0), json!(1)));
    let words = desk.run(&["investigate", &file, "--contained-at", "2026-10-01T03:01:30Z"]);
    assert!(words.ended(0).out.contains("2 AFTER CONTAINMENT"), "{}", words.out);
}

#[test]
fn a_person_reads_what_happened_what_came_from_what_and_what_to_do() {
    let desk = Desk::new();
    let file = desk.file("trail.jsonl", lines(&incident()));
    let ran = desk.run(&["investigate", &file]);
    let out = &ran.ended(0).out;
    let at = |words: &str| out.find(words).unwrap_or_else(|| panic!("`{words}` is not there: {out}"));
    let order = ["1 case in 6 records", "What happened", "What came from what", "What to do, in this order", "Not seen", "Not looked at"];
    for pair in order.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{pair:?}: {out}");
    }
    at("never seen in use");
    at("by the chain's own hand");
    at("used once after it");
    assert!(at("revoke the credential: AKIAEXAMPLEEXAMPLE00") < at("end the open sessions"));
    at("mark for rotation: prod/db");
    assert!(!out.contains("hunter2"));
}

#[test]
fn a_hostile_log_leaves_nothing_that_a_terminal_obeys() {
    let desk = Desk::new();
    let evil = "\u{1b}[31mred\u{202e}gpj\u{7}";
    let mut records = incident();
    records.push(call("03:05:00", KEY, evil, Value::Null, Value::Null));
    records.push(call("03:05:01", KEY, "GetSecretValue", json!({ "secretId": evil }), Value::Null));
    records.push(call("03:05:02", KEY, "CreateUser", json!({ "userName": evil }), json!({ "user": { "arn": evil } })));
    records.push(call("03:05:03", evil, "StopLogging", json!({ "name": evil }), Value::Null));
    let file = desk.file("trail.jsonl", lines(&records));
    for args in [vec!["investigate", &file], vec!["investigate", &file, "--json"]] {
        let ran = desk.run(&args);
        assert_eq!((deceptive(&ran.ended(0).out), deceptive(&ran.err)), (None, None));
    }
}
