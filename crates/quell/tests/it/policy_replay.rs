//! Another policy set over a past case: what it would have left to people.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{cli_run::Desk, http_contained::Plane};

/// The shipped files, each as `change` makes it.
fn set_with(change: impl Fn(&str, &str) -> String) -> tempfile::TempDir {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["business.cedar", "iam.cedar", "secops.cedar"] {
        let text = std::fs::read_to_string(shipped.join(name)).expect("a shipped file");
        std::fs::write(dir.path().join(name), change(name, &text)).expect("written");
    }
    dir
}

/// Without the rule of this id.
fn without(text: &str, id: &str) -> String {
    let from = text.find(&format!("@id(\"{id}\")")).expect("the rule is there");
    let to = from + text[from..].find(";\n").expect("its end") + 2;
    format!("{}{}", &text[..from], &text[to..])
}

#[tokio::test]
async fn a_set_is_asked_about_past_cases_as_they_stood_when_they_were_decided() {
    let plane = Plane::start("critical").await;
    let server = &plane.server;
    let lead = server.person(&plane.admin, "lea", &["lead", "secops"]).await;
    let owner = server.person(&plane.admin, "bea", &["business_owner"]).await;
    plane.arm().await;
    let (_, answer) = plane.leak().await;
    let id = answer["cases"][0]["id"].as_str().expect("a case").to_owned();
    let path = format!("/cases/{id}");
    let waiting = server.until(&path, &lead, |c| c["plans"][0]["state"] == "waiting").await;
    let digest = waiting["plans"][0]["digest"].as_str().expect("a digest");
    server.post(&format!("{path}/approve"), &owner, json!({ "digest": digest })).await;
    server.until(&path, &lead, |c| c["credentials"][0]["state"] == "DEAD").await;
    // What came after changes nothing of what was asked then.
    server.post("/connectors/pg-main/disarm", &plane.admin, json!({})).await;

    let desk = Desk::at(&server.url, &lead);
    let replay = |dir: &str| {
        let ran = desk.run(&["policy", "replay", dir, "--last", "1h", "--json"]);
        ran.ended(0).json()
    };
    let counts = |a: &Value| ["same", "looser", "stricter", "other"].map(|name| a[name].as_u64().expect("a number"));
    let shipped = set_with(|_, text| text.to_owned());
    let same = replay(&shipped.path().display().to_string());
    let [kept, looser, stricter, other] = counts(&same);
    assert!(kept > 0 && same["cases"] == 1, "{same}");
    assert_eq!((looser, stricter, other, &same["differ"], &same["unread"]), (0, 0, 0, &json!([]), &json!([])), "{same:#}");
    assert_eq!(same["digest"], same["in_force"]);

    let open = set_with(|name, text| match name {
        "business.cedar" => without(text, "business.critical"),
        _ => text.replace(" && !resource.critical", ""),
    });
    let open = open.path().display().to_string();
    let looser = replay(&open);
    let [_, n, stricter, other] = counts(&looser);
    assert!(n > 0 && (stricter, other) == (0, 0), "{looser:#}");
    let first = &looser["differ"][0];
    assert_eq!((&first["case"], &first["shift"], &first["then"]["runs"]), (&json!(id), &json!("looser"), &json!("after")), "{first}");
    assert_eq!(first["would"], json!({ "runs": "at_once" }), "the leaked secret matched, so nobody else is waited for: {first}");
    assert_eq!(first["identity"], "pg-main/billing_app");
    assert!(first["would_by"].as_array().is_some_and(|by| by.contains(&json!("secops.leaked-production-secret"))), "{first}");

    let two = set_with(|_, text| text.replace("context.approvals.business_owner >= 1", "context.approvals.business_owner >= 2"));
    let stricter = replay(&two.path().display().to_string());
    let [_, looser, n, other] = counts(&stricter);
    assert!(n > 0 && (looser, other) == (0, 0), "{stricter:#}");
    assert_eq!(stricter["differ"][0]["would"]["approvals"]["business_owner"], 2, "{stricter:#}");

    // Words for a person, and an exit for a pipeline.
    let told = desk.run(&["policy", "replay", &open, "--strict"]);
    assert_eq!(told.exit, 1);
    assert!(
        told.out.contains("at once") && told.out.contains("looser") && told.out.contains("not how they would have answered"),
        "{}",
        told.out
    );
    desk.run(&["policy", "replay", &shipped.path().display().to_string(), "--strict"]).ended(0);
    let broken = set_with(|_, _| "permit (principal, action, resource) when { nonsense };".to_owned());
    let refused = desk.run(&["policy", "replay", &broken.path().display().to_string()]);
    assert!(refused.ended(1).err.contains("business.cedar"), "{}", refused.err);
    let none = desk.run(&["policy", "replay", &open, "--last", "0s", "--json"]).ended(0).json();
    assert_eq!(none["cases"], 0, "nothing was opened in no time: {none}");
    server.refused("/policy/replay", "nobody", json!({ "since": "2026-01-01T00:00:00Z" }), StatusCode::UNAUTHORIZED).await;
}
