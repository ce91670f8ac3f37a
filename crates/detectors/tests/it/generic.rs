//! The generic mapper, measured against the detectors that know their sender.
//! `QUELL_TELL=1` with `--no-capture` tells each difference.

use std::{fs, path::Path};

use quell_detectors::{REGISTRY, recognise};
use serde_json::{Value, json};

use crate::{corpus, shown};

fn read(source: &str, bytes: &[u8]) -> Vec<Value> {
    let detector = REGISTRY.iter().find(|d| d.name == source).unwrap();
    shown::lines(source, (detector.read)(bytes))
}

fn fixture(file: &str) -> Vec<Value> {
    read("generic", &fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/generic").join(file)).unwrap())
}

#[test]
fn people_who_work_on_an_alert_are_never_an_identity() {
    for line in fixture("alerts.json") {
        let mut line = line;
        line["title"] = Value::Null;
        for word in ["analyst", "somebody@", "ops@", "bot@", "dev@"] {
            assert!(!line.to_string().contains(word), "{word}: {line}");
        }
    }
    for role in ["assignee", "author", "reporter", "owner", "reviewer", "resolved_by", "createdBy", "assigned_to", "committer", "contacts"]
    {
        let record =
            json!({"title": "t", "time": "2026-09-21T10:00:00Z", role: {"user": {"id": "u-1", "name": "jo.muster@harbor.example"}}});
        let line = read("generic", record.to_string().as_bytes()).remove(0);
        assert_eq!(line["subject"]["resolvable"], "no", "{role}: {line}");
        let flat = json!({"title": "t", "time": "2026-09-21T10:00:00Z", role: "jo.muster@harbor.example"});
        assert_eq!(read("generic", flat.to_string().as_bytes())[0]["subject"]["resolvable"], "no", "{role}");
    }
}

#[test]
fn a_choice_says_why_and_how_sure_it_is_and_quotes_nothing() {
    for line in fixture("alerts.json").into_iter().filter(|l| !l["subject"]["native_id"].is_null()) {
        let reasons = line["reasons"].as_array().unwrap();
        let why = reasons.iter().filter_map(Value::as_str).find(|r| r.contains("confidence")).expect("a confidence");
        assert!(why.contains("of 100"), "{why}");
        assert!(reasons.iter().all(|r| !r.as_str().unwrap().contains("muster")), "{reasons:?}");
    }
}

#[test]
fn forms_of_values_and_names_of_fields_find_the_identity() {
    let ids: Vec<Value> = fixture("alerts.json").iter().map(|l| l["subject"]["native_id"].clone()).collect();
    let wanted = [
        json!("u-77"),
        json!("arn:aws:sts::222222222222:assumed-role/deploy/nightly"),
        json!("spiffe://harbor.example/ns/pay/sa/refund"),
        json!("ida.muster@harbor.example"),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        json!("jo.muster"),
    ];
    assert_eq!(ids, wanted);
    assert_eq!(fixture("alerts.json")[6]["subject"]["resolvable"], "secret_only");
    assert_eq!(fixture("wrapped.json").len(), 2);
}

#[test]
fn auto_asks_it_last_and_not_for_what_names_nobody() {
    let known = |message: &Value| recognise(message.to_string().as_bytes()).map(|d| d.name);
    assert_eq!(known(&json!({"title": "t", "time": "2026-09-21T10:00:00Z", "username": "jo"})), Ok("generic"));
    assert_eq!(known(&json!({"class_uid": 2004, "metadata": {}, "time": 1, "user": {"uid": "u"}})), Ok("ocsf"));
    for nobody in [json!({"title": "t", "time": "2026-09-21T10:00:00Z"}), json!({"username": "jo"}), json!({"kind": "pod", "title": "t"})] {
        assert!(known(&nobody).is_err(), "{nobody}");
    }
}

/// How often the generic mapper agrees with the detector that knows the sender.
#[derive(Default)]
struct Rate {
    all: usize,
    subject: usize,
    time: usize,
    severity: usize,
    credential: usize,
    credentials: usize,
    invented: Vec<String>,
    named: usize,
}

impl Rate {
    fn compare(&mut self, place: &str, known: &Value, generic: &Value) {
        let subject = &known["subject"];
        self.all += 1;
        self.time += usize::from(known["observed_at"] == generic["observed_at"]);
        self.severity += usize::from(known["severity"]["id"] == generic["severity"]["id"]);
        if let Some(id) = known["credential"]["id"].as_str() {
            self.credentials += 1;
            self.credential += usize::from(generic["credential"]["id"] == id);
            if generic["credential"]["id"] != id && std::env::var_os("QUELL_TELL").is_some() {
                println!("  {place}: credential {} is not {id}", generic["credential"]["id"]);
            }
        }
        if subject["resolvable"] == "yes" {
            self.named += 1;
            let same = |a: &Value| !a.is_null() && (*a == subject["native_id"] || *a == subject["name"]);
            let found = same(&generic["subject"]["native_id"]) || same(&generic["subject"]["name"]);
            self.subject += usize::from(found);
            if !found && std::env::var_os("QUELL_TELL").is_some() {
                println!("  {place}: {} is not {subject}", generic["subject"]);
            }
        } else if subject["native_id"].is_null() && generic["subject"]["resolvable"] == "yes" {
            self.invented.push(format!("{place}: {}", generic["subject"]));
        }
    }

    fn print(&self, what: &str) {
        let percent = |n: usize, of: usize| (n * 100).checked_div(of).unwrap_or(100);
        println!(
            "generic mapper on {what}: {} records; subject {}/{} ({} %), credential {}/{}, time {} %, severity {} %, named where nobody is: {}",
            self.all,
            self.subject,
            self.named,
            percent(self.subject, self.named),
            self.credential,
            self.credentials,
            percent(self.time, self.all),
            percent(self.severity, self.all),
            self.invented.len()
        );
        for line in &self.invented {
            println!("  {line}");
        }
    }
}

#[test]
fn it_finds_most_of_what_the_detectors_find_in_their_fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut rate = Rate::default();
    for detector in REGISTRY.iter().filter(|d| !["generic", "gitleaks", "quell"].contains(&d.name)) {
        for file in fs::read_dir(root.join(detector.name))
            .unwrap()
            .map(|f| f.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "json"))
        {
            let bytes = fs::read(&file).unwrap();
            let (known, generic) = (read(detector.name, &bytes), read("generic", &bytes));
            if known.len() != generic.len() {
                continue;
            }
            for (known, generic) in known.iter().zip(&generic).filter(|(k, _)| k.get("unreadable").is_none()) {
                rate.compare(&format!("{}: {}", file.display(), known["title"]), known, generic);
            }
        }
    }
    rate.print("fixtures");
    assert!(rate.all >= 80 && rate.subject * 100 >= rate.named * 60, "{} of {}", rate.subject, rate.named);
    assert!(rate.invented.len() * 20 <= rate.all, "{:#?}", rate.invented);
}

#[test]
fn it_finds_most_of_what_real_rows_say_and_names_nobody_where_they_do() {
    let Some(root) = corpus::corpus() else { return };
    let (mut files, mut yes, mut right, mut times, mut timed, mut invented) = (0, 0, 0, 0, 0, Vec::new());
    for folder in fs::read_dir(&root).unwrap().map(|f| f.unwrap().path()).filter(|p| p.join("expected.jsonl").is_file()) {
        for row in corpus::expected(&folder) {
            let file = folder.join(row["file"].as_str().unwrap());
            let lines = read("generic", &fs::read(&file).unwrap());
            files += 1;
            let line = &lines[0];
            let is = |field: &str, cell: &str| row[cell].is_string() && line["subject"][field] == row[cell];
            if row["identity_resolvable"] == "yes" {
                yes += 1;
                right +=
                    usize::from(is("native_id", "identity_native_id") || is("name", "identity_name") || is("native_id", "identity_name"));
            }
            if ["no", "secret_only"].contains(&row["identity_resolvable"].as_str().unwrap()) {
                invented.extend(
                    lines.iter().filter(|l| l["subject"]["resolvable"] == "yes").map(|l| format!("{}: {}", file.display(), l["subject"])),
                );
            }
            if let Ok(wanted) = row["event_time"].as_str().unwrap_or_default().parse::<quell_core::time::Timestamp>() {
                timed += 1;
                let got = line["observed_at"].as_str().and_then(|t| t.parse::<quell_core::time::Timestamp>().ok());
                times += usize::from(got.map(|t| t.as_second()) == Some(wanted.as_second()));
            }
        }
    }
    println!(
        "generic mapper on {files} real alerts: subject {right}/{yes}, time {times}/{timed}, named where nobody is: {}",
        invented.len()
    );
    for line in &invented {
        println!("  {line}");
    }
    assert!(files >= 50 && right * 100 >= yes * 50, "{right} of {yes}");
    assert!(invented.len() <= 2, "{invented:#?}");
}

#[test]
fn shapes_of_services_that_have_no_detector_name_their_actor() {
    let table = [
        (
            json!({"uuid": "e", "timestamp": "2026-09-21T10:00:00Z", "type": "credentials_ok", "target_user": {"uuid": "U1", "name": "Jo", "email": "jo.muster@harbor.example"}}),
            "U1",
        ),
        (
            json!({"id": "e", "date_create": 1790000000, "action": "user_login", "actor": {"type": "user", "user": {"id": "W1", "email": "jo.muster@harbor.example"}}, "entity": {"type": "user", "user": {"id": "W2", "email": "ida.muster@harbor.example"}}}),
            "W1",
        ),
        (
            json!({"attributes": {"action": "user_added_to_group", "time": "2026-09-21T10:00:00Z", "actor": {"id": "a-1", "email": "jo.muster@harbor.example"}}}),
            "a-1",
        ),
        (json!({"USER_NAME": "JO", "EVENT_TIMESTAMP": "2026-09-21 10:00:00", "EVENT_TYPE": "LOGIN", "CLIENT_IP": "203.0.113.9"}), "JO"),
        (json!({"operator": "jo.muster@harbor.example", "time": "2026-09-21T10:00:00Z", "action": "Update"}), "jo.muster@harbor.example"),
        (
            json!({"caller": "jo.muster@harbor.example", "eventTimestamp": "2026-09-21T10:00:00Z", "operationName": "Microsoft.Authorization/roleAssignments/write"}),
            "jo.muster@harbor.example",
        ),
        (
            json!({"title": "Odd", "time": "2026-09-21T10:00:00Z", "entity": {"type": "SERVICE_ACCOUNT", "externalId": "sa-9", "name": "biller"}}),
            "sa-9",
        ),
        (json!({"initiated_by": {"id": "i-1", "username": "jo"}, "event_type": "admin_login", "timestamp": "2026-09-21T10:00:00Z"}), "i-1"),
        (
            json!({"actor": {"id": "c-1", "email": "jo.muster@harbor.example"}, "when": "2026-09-21T10:00:00Z", "action": {"type": "token_create"}, "owner": {"id": "o-1"}}),
            "c-1",
        ),
        (json!({"threatInfo": {"processUser": "HARBOR\\jo"}, "createdAt": "2026-09-21T10:00:00Z", "title": "Tool"}), "HARBOR\\jo"),
    ];
    for (record, wanted) in table {
        let line = read("generic", record.to_string().as_bytes()).remove(0);
        assert_eq!(line["subject"]["native_id"], wanted, "{line}");
        assert!(line["observed_at"].is_string(), "{line}");
    }
}
