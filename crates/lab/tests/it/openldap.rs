use std::{fs, time::Duration};

use quell_lab::{
    ca::{Ca, LOOPBACK},
    openldap::{Company, DATABASE, Options, SUFFIX, Slapd, add, replace},
    process::alive,
    secret::MARK,
};

use crate::{eventually, listening};

async fn fresh() -> Slapd {
    Slapd::start(Options::default()).await.unwrap()
}

#[tokio::test]
async fn a_directory_listens_on_127_0_0_1_and_nowhere_else() {
    let server = fresh().await;
    let mut wanted = [server.port(), server.tls_port()].map(|port| format!("tcp 0100007F:{port:04X}"));
    wanted.sort();
    assert_eq!(listening(&[server.pid().unwrap()]), wanted);
    let uid = fs::read_to_string(format!("/proc/{}/status", server.pid().unwrap().as_raw_nonzero())).unwrap();
    let uid = uid.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_ne!(uid, "0", "it runs without privileges");
}

#[tokio::test]
async fn tls_clear_tcp_and_the_private_socket_let_a_person_in() {
    let server = fresh().await;
    let company = Company::on(&server).await.unwrap();
    let (dn, password) = (company.mara.dn.as_str(), company.mara.password.reveal());
    for mut client in [server.connect().await.unwrap(), server.connect_clear().await.unwrap(), server.connect_unix().await.unwrap()] {
        assert_eq!(client.bind(dn, "no").await.unwrap().code, 49);
        assert_eq!(client.bind(dn, password).await.unwrap().code, 0);
        assert_eq!(client.read(&company.jonas.dn, &["uid"]).await.unwrap().unwrap().first("uid"), Some("jonas"));
    }
    let mut mara = server.bind(dn, password).await.unwrap();
    assert_eq!(mara.modify(dn, vec![replace("description", &["was here"])]).await.unwrap().code, 0);
    assert_eq!(mara.modify(&company.finance, vec![add("member", &[SUFFIX])]).await.unwrap().code, 50);
    let listed = mara.search(&company.people, "(objectClass=inetOrgPerson)", &["userPassword"]).await.unwrap();
    assert!(listed.len() == 2 && listed.iter().all(|e| e.dn == dn || e.attributes.is_empty()), "nobody reads another's password");
}

#[tokio::test]
async fn a_directory_of_another_authority_or_name_is_refused() {
    let mut server = fresh().await;
    let other = Ca::new("somebody else").unwrap();
    for cert in [other.server(&LOOPBACK).unwrap(), server.ca().server(&["elsewhere.test"]).unwrap()] {
        server.present(&cert).unwrap();
        assert!(server.connect().await.is_err(), "a wrong certificate was believed");
    }
    let right = server.ca().server(&LOOPBACK).unwrap();
    server.present(&right).unwrap();
    server.admin().await.unwrap();
}

#[tokio::test]
async fn a_consumer_follows_and_a_lagging_one_does_not() {
    let provider = fresh().await;
    let company = Company::on(&provider).await.unwrap();
    let near = provider.consumer(false).await.unwrap();
    let far = provider.consumer(true).await.unwrap();
    let (dn, password) = (company.mara.dn.as_str(), company.mara.password.reveal());
    for consumer in [&near, &far] {
        eventually("the consumer has the company", || async { consumer.bind(dn, password).await.is_ok() }).await;
    }
    let described = async |server: &Slapd| {
        let mut admin = server.admin().await.unwrap();
        admin.read(dn, &["description"]).await.unwrap().unwrap().first("description").map(str::to_owned)
    };
    let mut admin = provider.admin().await.unwrap();
    assert_eq!(admin.modify(dn, vec![replace("description", &["changed"])]).await.unwrap().code, 0);
    eventually("the near one shows the change", || async { described(&near).await.is_some() }).await;
    assert_eq!(described(&far).await, None, "the far one lags");
    let mut mara = near.bind(dn, password).await.unwrap();
    assert_eq!(mara.modify(dn, vec![replace("description", &["no"])]).await.unwrap().code, 10, "a consumer refers writers to its provider");
}

#[tokio::test]
async fn a_paused_directory_hangs_and_a_restarted_one_keeps_its_data() {
    let mut server = fresh().await;
    let company = Company::on(&server).await.unwrap();
    let mut session = server.admin().await.unwrap();
    server.pause().unwrap();
    let mut answer = Box::pin(session.read(&company.mara.dn, &["uid"]));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut answer).await.is_err(), "a paused server answered");
    server.resume().unwrap();
    answer.await.unwrap().unwrap();
    let rule = "{0}to * by dn.base=\"uid=x,dc=corp,dc=test\" none by * break";
    assert_eq!(session.modify(DATABASE, vec![add("olcAccess", &[rule])]).await.unwrap().code, 0);
    let ports = (server.port(), server.tls_port());
    server.restart().unwrap();
    assert!(session.read(&company.mara.dn, &[]).await.is_err(), "a connection outlived the restart");
    server.kill_hard().unwrap();
    assert!(server.admin().await.is_err(), "a killed server let in");
    server.start_again().unwrap();
    let mut session = server.admin().await.unwrap();
    assert_eq!(session.read(DATABASE, &["olcAccess"]).await.unwrap().unwrap().first("olcAccess"), Some(rule));
    assert_eq!((server.port(), server.tls_port()), ports);
}

#[tokio::test]
async fn a_dropped_directory_leaves_no_process_and_no_files() {
    for condition in ["running", "paused", "killed", "stopped"] {
        let mut server = fresh().await;
        let session = server.admin().await.unwrap();
        let pid = server.pid().unwrap();
        match condition {
            "paused" => server.pause().unwrap(),
            "killed" => server.kill_hard().unwrap(),
            "stopped" => server.stop().unwrap(),
            _ => {}
        }
        let dir = server.dir().to_owned();
        assert!(dir.is_dir());
        drop(server);
        assert!(!dir.exists(), "{condition}: the directory is still there");
        assert!(!alive(pid), "{condition}: the process is still there");
        drop(session);
    }
}

#[tokio::test]
async fn no_secret_reaches_the_directory_s_log_or_its_files() {
    let server = fresh().await;
    let company = Company::on(&server).await.unwrap();
    server.bind(&company.mara.dn, company.mara.password.reveal()).await.unwrap();
    let log = server.log().unwrap();
    assert!(log.contains(&format!("BIND dn=\"{}\"", company.mara.dn)), "{log}");
    assert!(!log.contains(MARK));
    assert!(!format!("{company:?}").contains(MARK));
    for entry in fs::read_dir(server.dir().join("data")).unwrap().flatten() {
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(MARK.len()).any(|w| w == MARK.as_bytes()), "{}", entry.path().display());
    }
}
