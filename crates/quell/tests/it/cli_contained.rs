//! A leaked password, by the command line alone, on a real PostgreSQL: asked
//! about, approved, armed, run until proven, exported, given back.

use serde_json::{Value, json};

use crate::{
    cli_run::{Desk, deceptive},
    http_contained::Plane,
};

#[tokio::test]
async fn an_order_waits_until_it_is_proven_and_says_so_by_its_exit() {
    let plane = Plane::start("critical").await;
    let desk = Desk::at(&plane.server.url, &plane.admin);
    let lead = plane.server.person(&plane.admin, "lea", &["lead", "secops"]).await;
    let owner = plane.server.person(&plane.admin, "bea", &["business_owner"]).await;
    let iam = plane.server.person(&plane.admin, "ian", &["iam"]).await;

    desk.run(&["connector", "check"]).ended(0);
    let report = desk.file("report.json", plane.report());
    let sent = desk.run_as(&plane.sender, &["alert", "send", "--source", "ci", &report, "--wait", "60s", "--json"]).ended(0).json();
    let id = sent["cases"][0]["id"].as_str().expect("a case").to_owned();
    let as_lead = |args: &[&str]| desk.run_as(&lead, args);
    as_lead(&["case", "wait", &id, "--for", "waiting", "--timeout", "120s"]).ended(0);
    let case = as_lead(&["case", "show", &id, "--json"]).json();
    let digest = case["plans"][0]["digest"].as_str().expect("a digest").to_owned();

    // Nothing is proven, and nothing says so.
    assert_eq!(as_lead(&["case", "wait", &id, "--for", "proven", "--timeout", "5s"]).exit, 1);
    let dry = as_lead(&["case", "run", &id, "--digest", &digest, "--dry-run", "--json"]);
    assert_eq!(dry.ended(1).json()["dry_run"]["would_run"], false);
    let refused = as_lead(&["case", "run", &id, "--digest", &digest]);
    assert!(!refused.ended(1).err.is_empty());
    assert!(desk.run_as(&owner, &["inbox"]).out.contains(&id));

    desk.run_as(&owner, &["case", "approve", &id, "--digest", &digest, "--as", "business_owner", "--comment", "go"]).ended(0);
    let planes = desk.run(&["connector", "list", "--json"]).json();
    let actions: Vec<&str> = planes[0]["actions"].as_array().expect("actions").iter().filter_map(|a| a["action"].as_str()).collect();
    // What a drill proved is told as that, and nothing of it is said to be of this server.
    for action in planes[0]["actions"].as_array().expect("actions") {
        assert!(action["last_proven_at"].is_null(), "nothing was proved here yet: {action}");
        let drill = &action["lab_drill"];
        assert!(drill["proven_at"].is_string() && drill["server"].as_str().is_some_and(|s| s.starts_with("PostgreSQL ")), "{action}");
    }
    let told = desk.run(&["connector", "list"]).ended(0).out.clone();
    assert!(told.to_lowercase().contains("lab's drill") && told.contains("never") && told.contains("suspend_identity"), "{told}");
    assert_eq!(deceptive(&told), None);
    let flags: Vec<&str> = actions.iter().flat_map(|a| ["--action", a]).collect();
    let armed = desk.run(&[&["connector", "arm", "pg-main", "--until", "+1h", "--json"], &flags[..]].concat());
    assert!(armed.ended(0).json()["armed_until"].is_string());
    let ran = as_lead(&["case", "run", &id, "--digest", &digest, "--wait", "60s", "--json"]);
    let proven = ran.ended(0).json();
    assert_eq!(proven["credentials"][0]["state"], "DEAD");
    assert!(ran.err.contains("DEAD") && ran.err.contains("step"), "progress on stderr: {}", ran.err);
    assert!(plane.postgres.connect("billing_app", plane.estate.app.password.reveal(), "billing").await.is_err(), "the plane agrees");
    as_lead(&["case", "wait", &id, "--for", "proven", "--timeout", "30s"]).ended(0);
    for args in [vec!["case", "show", &id], vec!["case", "why", &id], vec!["case", "list"]] {
        let shown = as_lead(&args);
        assert!(shown.ended(0).out.contains("PROVED DEAD"), "{}", shown.out);
        assert_eq!(deceptive(&shown.out), None);
    }

    // A bundle of it, checked without a server.
    let file = desk.path("case.zip").display().to_string();
    let export = desk.run(&["evidence", "export", &id, "-o", &file, "--json"]);
    let (export, alone) = match export.exit {
        0 => (export.json(), Desk::new()),
        _ => {
            let auditor = plane.server.person(&plane.admin, "aud", &["auditor"]).await;
            (desk.run_as(&auditor, &["evidence", "export", &id, "-o", &file, "--json"]).ended(0).json(), Desk::new())
        }
    };
    let key = export["key"].as_str().expect("a key");
    assert_eq!((&export["case"], export["events"].as_u64().is_some_and(|n| n > 10)), (&json!(id), true), "{export}");
    let verified = alone.run(&["evidence", "verify", &file, "--key", key, "--json"]).ended(0).json();
    assert_eq!((&verified["ok"], &verified["events"], &verified["root"]), (&json!(true), &export["events"], &export["root"]));
    let vkey = alone.file("log.vkey", format!("{key}\n"));
    alone.run(&["evidence", "verify", &file, "--key", &vkey]).ended(0);
    let unpinned = alone.run(&["evidence", "verify", &file, "--json"]).ended(1).json();
    assert_eq!((&unpinned["integrity"], &unpinned["errors"][0]["code"]), (&json!(true), &json!("unpinned_key")));
    let mut bytes = std::fs::read(&file).expect("a bundle");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let flipped = alone.file("flipped.zip", bytes);
    assert_eq!(alone.run(&["evidence", "verify", &flipped, "--key", key, "--json"]).ended(1).json()["ok"], false);
    assert_eq!(desk.run(&["evidence", "export", &id, "-o", &file]).exit, 1, "a file is never replaced");

    // The way back: drafted, approved by another person, run until proven.
    let drafted = as_lead(&["case", "undo", &id, "--mode", "reinstate", "--json"]).ended(0).json();
    let undo = drafted["plans"].as_array().and_then(|p| p.iter().find(|p| p["kind"] == "undo")).cloned().expect("an undo plan");
    let digest = undo["digest"].as_str().expect("a digest");
    let waiting = |case: &Value| -> Vec<String> {
        let list = case["waiting_for"].as_array().expect("a list");
        list.iter()
            .filter(|w| w["plan"] == undo["id"] && !w["missing"].is_null())
            .filter_map(|w| w["role"].as_str().map(str::to_owned))
            .collect()
    };
    let case = plane
        .server
        .until(&format!("/cases/{id}"), &lead, |c| {
            c["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["id"] == undo["id"] && p["state"] != "drafted"))
        })
        .await;
    for role in waiting(&case) {
        let who = match role.as_str() {
            "business_owner" => &owner,
            "iam" => &iam,
            other => panic!("an undo plan asks `{other}`"),
        };
        desk.run_as(who, &["case", "approve", &id, "--digest", digest, "--as", &role]).ended(0);
    }
    let back = as_lead(&["case", "run", &id, "--digest", digest, "--wait", "60s", "--json"]);
    let back = back.ended(0).json();
    let old =
        back["credentials"].as_array().and_then(|c| c.iter().find(|c| c["id"] == "pg-main/billing_app#password")).expect("the old one");
    assert_eq!(old["state"], "DEAD", "the old password stays dead: {old}");
    assert!(plane.postgres.connect("billing_app", plane.estate.app.password.reveal(), "billing").await.is_err(), "the plane agrees");
}
