//! What was answered 202 is there, whatever happens; what could not be stored was not.

use reqwest::StatusCode;

use crate::server::Server;

#[tokio::test]
async fn an_alert_that_was_answered_202_is_filed_after_a_kill() {
    let mut server = Server::start();
    let admin = server.set_up().await;
    let token = server.source(&admin, "ci", "gitleaks").await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let body = format!(r#"[{{"RuleID":"r","Description":"d","File":"f{n}","Commit":"c{n}","Secret":"s-0123456789-{n}","Match":"m"}}]"#);
        let (status, answer) = server.send("/alerts/ci", Some(&token), &[], body.into_bytes()).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        ids.push(answer["alert_id"].as_str().expect("an id").to_owned());
    }
    server.kill();
    server.start_again();
    for id in ids {
        let alert = server.until(&format!("/alerts/{id}"), &admin, |a| a["state"] != "stored").await;
        assert_eq!((alert["state"].as_str(), alert["cases"].as_array().map(Vec::len)), (Some("filed"), Some(1)), "{alert}");
    }
    let verified = server.get("/ledger/verify", &admin).await;
    assert_eq!(verified["ok"], true, "{verified}");
}

#[tokio::test]
async fn a_full_disk_is_503_and_nobody_is_told_202() {
    // 2 MiB a file: the first messages fit, a large one does not.
    let mut server = Server::start_on_a_small_disk(4_096);
    let admin = server.set_up().await;
    let token = server.source(&admin, "ci", "gitleaks").await;
    let (status, _) = server.send("/alerts/ci", Some(&token), &[], b"[]".to_vec()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let (status, problem) = server.send("/alerts/ci", Some(&token), &[], vec![b' '; 3_000_000]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["type"], "about:blank#unavailable");
    // It goes on where there is room, and the record is whole.
    let (status, _) = server.page("/healthz").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(server.get("/ledger/verify", &admin).await["ok"], true);
    server.kill();
}

#[tokio::test]
async fn a_second_server_over_the_same_folder_is_refused() {
    let server = Server::start();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_quell"))
        .args(["serve", "--listen", "127.0.0.1:0", "--json", "--data-dir"])
        .arg(server.dir.path().join("data"))
        .arg("--fingerprint-key-file")
        .arg(server.dir.path().join("key"))
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&server.pid.to_string()), "{output:?}");
}

#[tokio::test]
async fn an_unknown_key_ends_with_2_and_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("quell.toml");
    std::fs::write(&file, "listne = \"127.0.0.1:0\"").expect("a file");
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_quell")).args(["serve", "--config"]).arg(&file).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("listne"), "{output:?}");
}
