//! The list of cases and what waits for a person, page by page, however many there are.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::Server;

fn ids(list: &Value) -> Vec<String> {
    list["cases"].as_array().expect("cases").iter().map(|c| c["id"].as_str().expect("an id").to_owned()).collect()
}

/// Every case of a state, one to a page.
async fn paged(server: &Server, token: &str, state: &str) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/cases?state={state}&limit=1{after}"), token).await;
        all.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

/// So many cases, the newest first, each about somebody whom nobody knows.
async fn open(server: &Server, admin: &str, token: &str, count: usize) -> Vec<String> {
    let mut opened = Vec::new();
    for n in 0..count {
        let alert = json!({ "kind": "leaked_secret", "title": format!("notice {n}"), "subject": { "kind": "service_account", "native_id": format!("nobody-{n}") } });
        let (status, answer) = server.send("/alerts/scanner", Some(token), &[], alert.to_string().into_bytes()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        let path = format!("/alerts/{}", answer["alert_id"].as_str().expect("an id"));
        let filed = server.until(&path, admin, |a| a["state"] == "filed").await;
        opened.insert(0, filed["cases"][0].as_str().expect("a case").to_owned());
    }
    opened
}

#[tokio::test]
async fn cases_are_listed_from_the_newest_by_state_and_page() {
    let server = Server::start();
    let admin = server.set_up().await;
    let rosa = server.person(&admin, "rosa", &["response_owner"]).await;
    let token = server.source(&admin, "scanner", "quell").await;
    let opened = open(&server, &admin, &token, 4).await;
    assert_eq!(paged(&server, &admin, "all").await, opened, "the newest first");
    assert_eq!(paged(&server, &admin, "open").await, opened);
    assert_eq!(paged(&server, &admin, "closed").await, Vec::<String>::new());

    let close = async |case: &str| {
        let shown = server.get(&format!("/cases/{case}"), &admin).await;
        let ended = json!({ "finding": shown["findings"][0]["id"], "outcome": "false_positive", "evidence": "asked" });
        server.post(&format!("/cases/{case}/outcome"), &rosa, ended).await;
        server.post(&format!("/cases/{case}/close"), &rosa, json!({})).await;
    };
    close(&opened[1]).await;
    close(&opened[3]).await;
    assert_eq!(paged(&server, &admin, "open").await, [opened[0].clone(), opened[2].clone()]);
    assert_eq!(paged(&server, &admin, "closed").await, [opened[1].clone(), opened[3].clone()]);
    assert_eq!(paged(&server, &admin, "all").await, opened);
    let page = server.get("/cases?state=all&limit=3", &admin).await;
    assert_eq!((ids(&page), &page["next"]), (opened[..3].to_vec(), &json!(opened[2])));
    assert_eq!(ids(&server.get("/cases?state=all&after=C-0000000000", &admin).await), Vec::<String>::new(), "after nobody's case is none");
}

#[tokio::test]
async fn a_task_waits_in_the_inbox_of_its_role_until_it_is_done_or_its_case_is_closed() {
    let server = Server::start();
    let admin = server.set_up().await;
    let rosa = server.person(&admin, "rosa", &["response_owner"]).await;
    let pat = server.person(&admin, "pat", &["platform_owner"]).await;
    let token = server.source(&admin, "scanner", "quell").await;
    let mut tasks = Vec::new();
    for case in open(&server, &admin, &token, 2).await {
        let shown = server.post(&format!("/cases/{case}/task"), &rosa, json!({ "owner": "platform_owner", "text": "pull the plug" })).await;
        let task = shown["tasks"].as_array().and_then(|t| t.last()).expect("a task")["id"].as_str().expect("an id").to_owned();
        tasks.push((case, task, shown["findings"][0]["id"].clone()));
    }
    let waits = async || ids(&server.get("/inbox", &pat).await);
    assert_eq!(waits().await, [tasks[0].0.clone(), tasks[1].0.clone()], "the newest case first");
    assert_eq!(ids(&server.get("/inbox", &admin).await), Vec::<String>::new(), "it is not theirs");

    let (case, task, _) = &tasks[0];
    server.post(&format!("/cases/{case}/task/{task}/done"), &pat, json!({})).await;
    assert_eq!(waits().await, [tasks[1].0.clone()]);

    let (case, _, finding) = &tasks[1];
    server
        .post(&format!("/cases/{case}/outcome"), &rosa, json!({ "finding": finding, "outcome": "false_positive", "evidence": "asked" }))
        .await;
    server.post(&format!("/cases/{case}/close"), &rosa, json!({})).await;
    assert_eq!(waits().await, Vec::<String>::new(), "a closed case asks nobody");
}
