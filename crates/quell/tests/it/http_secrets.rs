//! A secret that came in a report is nowhere to be found again.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;

use crate::{
    http_contained::Plane,
    server::{PASSWORD, PATIENCE},
};

#[tokio::test]
async fn no_secret_lies_in_log_database_answer_or_measure() {
    let mut plane = Plane::start("normal").await;
    plane.arm().await;
    let (_, mut answers) = plane.leak().await;
    let case = answers["cases"][0]["id"].as_str().expect("a case").to_owned();
    let (_, broken) = plane.server.send("/alerts/ci", Some(&plane.sender), &[], plane.report()[..200].to_vec()).await;
    answers["broken"] = broken;
    for path in ["/whoami", "/users", "/sources", "/inbox", "/cases?state=all", "/connectors", "/connectors/check", "/inventory"] {
        answers[path] = plane.server.get(path, &plane.admin).await;
    }
    for path in ["", "/why", "/events"] {
        answers[path] = plane.server.get(&format!("/cases/{case}{path}"), &plane.admin).await;
    }
    let (_, wrong) =
        plane.server.call(Method::POST, "/login", None, Some(serde_json::json!({ "user": "ada", "password": [PASSWORD] }))).await;
    answers["wrong"] = wrong;
    let (_, metrics) = plane.server.page("/metrics").await;

    let leaked = plane.estate.app.password.reveal().to_owned();
    let secrets = [
        ("the leaked password", leaked.as_str()),
        ("a session", &plane.admin),
        ("a source's token", &plane.sender),
        ("an account's password", PASSWORD),
    ];
    let seen = |secret: &str, bytes: &[u8]| {
        let forms = [secret.to_owned(), STANDARD.encode(secret), quell_core::secret::hex(secret.as_bytes())];
        forms.iter().any(|form| bytes.windows(form.len()).any(|w| w == form.as_bytes()))
    };
    for (name, secret) in secrets {
        assert!(!seen(secret, answers.to_string().as_bytes()), "{name} in an answer");
        assert!(!seen(secret, metrics.as_bytes()), "{name} in a measure");
    }
    // Killed: the write-ahead log is still there.
    let ended = tokio::time::timeout(PATIENCE, async { plane.server.kill() });
    ended.await.expect("it ends");
    let files = plane.server.files();
    assert!(
        files.iter().any(|(path, _)| path.ends_with("log")) && files.iter().any(|(path, _)| path.to_string_lossy().ends_with("-wal")),
        "{:?}",
        files.iter().map(|(p, _)| p).collect::<Vec<_>>()
    );
    for (path, bytes) in files {
        for (name, secret) in secrets {
            assert!(!seen(secret, &bytes), "{name} in {}", path.display());
        }
    }
}
