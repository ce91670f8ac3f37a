use std::time::Duration;

use quell_lab::{
    ca::Ca,
    openbao::{Estate, OpenBao, Options},
    postgres::{self, Postgres},
    process::alive,
    relay::{self, Relay},
};
use reqwest::Method;
use serde_json::json;

use crate::listening;

async fn fresh() -> OpenBao {
    OpenBao::start(Options::default()).await.unwrap()
}

#[tokio::test]
async fn it_listens_on_127_0_0_1_and_nowhere_else_and_ends_with_its_owner() {
    let server = fresh().await;
    let pid = server.pid().unwrap();
    // Each port and, for the cluster, the next one.
    let (tls, clear) = (server.port(), server.clear_port());
    let mut wanted = [tls, tls + 1, clear, clear + 1].map(|port| format!("tcp 0100007F:{port:04X}"));
    wanted.sort();
    assert_eq!(listening(&[pid]), wanted);

    let dir = server.dir().to_owned();
    assert!(dir.join("audit.log").is_file());
    drop(server);
    assert!(!alive(pid) && !dir.exists(), "neither process nor directory is left");
}

#[tokio::test]
async fn the_estate_logs_in_and_takes_a_login_of_a_real_database() {
    let server = fresh().await;
    let postgres = Postgres::start(postgres::Options::default()).await.unwrap();
    quell_lab::estate::Estate::billing(&postgres).await.unwrap();
    let estate = Estate::make(&server).await.unwrap();
    estate.connect(&server, &postgres, "billing", &[]).await.unwrap();
    let token = estate.login(&server, &estate.secret_id).await.unwrap();
    assert!(token.works(&server).await.unwrap());
    let lease = token.lease(&server).await.unwrap();
    postgres.connect(&lease.username, lease.password.reveal(), "billing").await.unwrap();
    let person = estate.login_person(&server).await.unwrap();
    assert_eq!(person.entity, estate.person_entity);
    assert!(!format!("{estate:?}{token:?}{lease:?}").contains(token.token.reveal()), "no secret is shown");
}

#[tokio::test]
async fn what_is_durable_outlives_a_kill_and_a_sealed_server_serves_nothing() {
    let mut server = OpenBao::start(Options { durable: true, ..Options::default() }).await.unwrap();
    server.write_to("sys/mounts/secret", json!({"type": "kv"})).await.unwrap();
    server.write_to("secret/x", json!({"a": "b"})).await.unwrap();
    server.kill_hard().unwrap();
    assert!(server.call(Method::GET, "sys/health", None, None).await.is_err());
    server.start_again().await.unwrap();
    assert_eq!(server.admin(Method::GET, "secret/x", None).await.unwrap()["data"]["a"], "b");
    server.seal().await.unwrap();
    assert!(server.admin(Method::GET, "secret/x", None).await.is_err());
    server.unseal().await.unwrap();
    server.admin(Method::GET, "secret/x", None).await.unwrap();
    server.pause().unwrap();
    // The signal may need a moment to reach every thread of a busy machine.
    let frozen = async {
        while tokio::time::timeout(Duration::from_millis(200), server.call(Method::GET, "sys/health", None, None)).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(10), frozen).await.expect("a frozen server answers nobody");
    server.resume().unwrap();
    server.admin(Method::GET, "secret/x", None).await.unwrap();
}

#[tokio::test]
async fn another_certificate_is_presented_and_refused() {
    let server = fresh().await;
    let stranger = Ca::new("somebody else").unwrap().server(&["localhost", "127.0.0.1"]).unwrap();
    server.present(&stranger).unwrap();
    // Kept connections go on under the old one; a new one is refused.
    let other = Ca::new("yet another").unwrap();
    let client = |ca: &Ca| {
        reqwest::Client::builder().tls_backend_preconfigured(quell_lab::dial::client_config(ca.der()).unwrap()).no_proxy().build().unwrap()
    };
    let health = format!("https://localhost:{}/v1/sys/health", server.port());
    for ca in [server.ca(), &other] {
        assert!(client(ca).get(&health).send().await.is_err());
    }
}

#[tokio::test]
async fn a_relay_hands_on_and_lies_when_it_is_told_to() {
    let server = fresh().await;
    let cert = server.ca().server(&["localhost"]).unwrap();
    let relay = Relay::start(&cert, server.clear_port()).await.unwrap();
    let config = quell_lab::dial::client_config(server.ca().der()).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
    let url = format!("https://localhost:{}/v1/sys/health", relay.port());
    let honest = client.get(&url).send().await.unwrap();
    assert_eq!(honest.status().as_u16(), 200);
    assert!(honest.text().await.unwrap().contains("\"sealed\":false"));
    relay.lie(|first, _| relay::answer(418, first));
    let lied = client.get(&url).send().await.unwrap();
    assert_eq!((lied.status().as_u16(), lied.text().await.unwrap()), (418, "GET /v1/sys/health HTTP/1.1".to_owned()));
    let port = relay.port();
    drop(relay);
    crate::eventually("the port is closed", || async move { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() }).await;
}
