//! What is recorded is told as it is recorded, and a stream does not hold the server.

use serde_json::Value;

use crate::server::{PATIENCE, Server};

#[tokio::test]
async fn a_reader_is_told_of_events_and_never_of_content() {
    let mut server = Server::start();
    let admin = server.set_up().await;
    let token = server.source(&admin, "ci", "gitleaks").await;
    let mut stream = server.raw("/stream", &admin).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let (_, answer) = server.send("/alerts/ci", Some(&token), &[], b"{\"half\":".to_vec()).await;
    let alert = answer["alert_id"].as_str().expect("an id").to_owned();
    let mut text = String::new();
    let told = async {
        while !text.contains("case_opened") {
            text.push_str(&String::from_utf8_lossy(&stream.chunk().await.expect("the stream goes on").expect("more")));
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("it is told");
    let events: Vec<Value> =
        text.lines().filter_map(|l| l.strip_prefix("data: ")).map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let received = events.iter().find(|e| e["type"] == "alert_received").expect("the alert");
    assert_eq!(received["stream"], format!("source/alert/{alert}"));
    assert!(events.iter().all(|e| e.as_object().is_some_and(|o| o.len() == 3)), "{events:?}");

    // The open stream ends with the server.
    assert!(server.terminate().success());
    while let Ok(Some(_)) = stream.chunk().await {}
}
