//! Detectors that an installation defines itself, from a file to a finding.

use serde_json::{Value, json};

use crate::{cli_run::Desk, server::Server};

const GUARD: &str = r#"name = "acme-guard"
records = "/alerts"

[[field]]
set = "title"
pointer = "/headline"

[[field]]
set = "subject.native_id"
pointer = "/who"
when = "record.what != 'host'"

[[field]]
set = "credential.secret"
pointer = "/found"

[[field]]
set = "event.id"
pointer = "/id"
"#;

const MESSAGE: &str = r#"{"alerts":[{"id":1,"headline":"Key in a paste","who":"u-1","what":"key","found":"harbor-thistle-4711"},{"id":2,"headline":"Odd host","who":"h-1","what":"host"}]}"#;

#[test]
fn stored_alerts_are_previewed_with_the_rule_that_gave_each_field() {
    let desk = Desk::new();
    let (mapping, stored) = (desk.file("acme.toml", GUARD), desk.file("stored.json", MESSAGE));
    let plain = desk.run(&["alert", "normalise", "--mapping", &mapping, &stored]);
    let lines = |text: &str| -> Vec<Value> { text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect() };
    let signals = lines(&plain.ended(0).out);
    assert_eq!(signals.len(), 2);
    assert_eq!((&signals[0]["source"], &signals[0]["subject"]["native_id"]), (&json!("acme-guard"), &json!("u-1")));
    assert_eq!(signals[1]["subject"]["native_id"], Value::Null);
    let told = desk.run(&["alert", "normalise", "--mapping", &mapping, "--explain", &stored]);
    let explained = lines(&told.ended(0).out);
    assert_eq!(explained[..2], signals[..]);
    let of = |record: usize| explained[2 + record]["explained"]["fields"].as_array().expect("fields").clone();
    let named = |record: usize| of(record).into_iter().find(|f| f["field"] == "subject.native_id").expect("the subject");
    assert_eq!(named(0)["by"], "pointer `/who` when `record.what != 'host'` (line 9)");
    assert_eq!((&named(1)["by"], named(1)["passed_over"].as_array().map(Vec::len)), (&Value::Null, Some(1)));
    assert!(!told.out.contains("harbor-thistle") && !told.err.contains("harbor-thistle"));
}

#[test]
fn a_mapping_with_mistakes_is_refused_with_its_file_and_lines() {
    let desk = Desk::new();
    let wrong = desk.file("wrong.toml", GUARD.replace("\"/headline\"", "\"headline\"").replace("\"/who\"", "\"/assignee\""));
    let ran = desk.run(&["alert", "normalise", "--mapping", &wrong, "-"]);
    ran.ended(1);
    assert!(ran.err.contains(&format!("`{wrong}` line 6: `headline` is no JSON pointer")), "{}", ran.err);
    assert!(ran.err.contains(&format!("`{wrong}` line 10: ")) && ran.err.contains("although = \"assignee\""), "{}", ran.err);
    assert_eq!(desk.run(&["alert", "normalise", "--mapping", "nowhere.toml", "-"]).exit, 1);
    assert_eq!(desk.run(&["alert", "normalise", "--explain", "--source", "auto", "-"]).exit, 2, "only a mapping is explained");
    assert_eq!(desk.run(&["alert", "normalise", "-"]).exit, 2, "neither a detector nor a mapping");
}

#[tokio::test]
async fn a_source_is_read_by_the_mapping_of_the_configuration() {
    let files = tempfile::tempdir().expect("a folder");
    let mapping = files.path().join("acme.toml");
    std::fs::write(&mapping, GUARD).expect("a mapping");
    let server = Server::start_with(&format!("[[detector]]\nname = \"acme-guard\"\nmapping = \"{}\"\n", mapping.display()));
    let admin = server.set_up().await;
    let token = server.source(&admin, "guard", "acme-guard").await;
    let (_, answer) = server.send("/alerts/guard", Some(&token), &[], MESSAGE.into()).await;
    let path = format!("/alerts/{}", answer["alert_id"].as_str().expect("an id"));
    let alert = server.until(&path, &admin, |a| a["state"] != "stored").await;
    assert_eq!((alert["state"].as_str(), alert["findings"].as_array().map(Vec::len)), (Some("filed"), Some(2)), "{alert}");
}

#[test]
fn a_server_does_not_start_on_a_mapping_that_is_not_what_it_is_called() {
    let desk = Desk::new();
    let mapping = desk.file("acme.toml", GUARD);
    for (config, wanted) in [
        (format!("[[detector]]\nname = \"other\"\nmapping = \"{mapping}\"\n"), "calls itself `acme-guard`"),
        (format!("[[detector]]\nname = \"acme-guard\"\nmapping = \"{mapping}\"\n").repeat(2), "two detectors are named `acme-guard`"),
        ("[[detector]]\nname = \"acme-guard\"\nmapping = \"gone.toml\"\n".to_owned(), "cannot read the mapping"),
    ] {
        let config = desk.file("quell.toml", config);
        let ran = desk.run(&["serve", "--config", &config, "--listen", "127.0.0.1:0"]);
        ran.ended(2);
        assert!(ran.err.contains(wanted), "{}", ran.err);
    }
}
