//! The lab's OpenID provider: it logs people in, hands out tokens, is on loopback alone,
//! and is gone with its owner.

use quell_lab::{
    oidc::{Landing, Options, Provider, RESOURCE},
    process::alive,
};

#[tokio::test]
async fn people_log_in_applications_refresh_and_machines_act_for_nobody() {
    let server = Provider::start(Options::default()).await.expect("the real provider is installed");
    let alice = server.person("alice").await.expect("made");
    let web = server.web("web").await.expect("made");
    let ci = server.machine("ci").await.expect("made");
    let mut browser = server.browser();
    assert!(matches!(browser.authorize(&web, &[]).await.expect("answered"), Landing::Login(_)));
    let wrong = quell_lab::secret::Secret::known("no password of hers");
    assert!(server.browser().log_in(&web, "alice", &wrong, "", &[]).await.is_err());
    let tokens = browser.log_in(&web, "alice", &alice.password, "", &[]).await.expect("logged in");
    assert!(browser.is_in(&web).await.expect("answered"));
    assert!(!server.browser().is_in(&web).await.expect("answered"));
    assert!(browser.is_active(&web, &tokens.access).await.expect("answered") && browser.is_served(&tokens.access).await.expect("answered"));
    let new = browser.refresh(&web, tokens.refresh.as_ref().expect("one")).await.expect("answered").expect("exchanged");
    // Used again, it takes its whole family along.
    let again = browser.refresh(&web, tokens.refresh.as_ref().expect("one")).await.expect("answered");
    assert_eq!(again.err().as_deref(), Some("invalid_grant"));
    assert_eq!(browser.refresh(&web, new.refresh.as_ref().expect("one")).await.expect("answered").err().as_deref(), Some("invalid_grant"));

    let own = browser.client_credentials(&ci, &[]).await.expect("answered").expect("accepted");
    assert!(browser.is_active(&ci, &own.access).await.expect("answered"));
    let jwt = browser.log_in(&web, "alice", &alice.password, "", &[("resource", RESOURCE)]).await.expect("logged in");
    assert_eq!(jwt.access.reveal().split('.').count(), 3);
}

#[tokio::test]
async fn what_it_stored_outlives_a_kill_and_nothing_of_it_its_owner() {
    let mut server = Provider::start(Options::default()).await.expect("the real provider is installed");
    let alice = server.person("alice").await.expect("made");
    let web = server.web("web").await.expect("made");
    let mut browser = server.browser();
    browser.log_in(&web, "alice", &alice.password, "", &[]).await.expect("logged in");
    server.kill_hard().expect("killed");
    assert!(browser.is_in(&web).await.is_err());
    server.start_again().expect("started");
    assert!(browser.is_in(&web).await.expect("answered"));
    assert_eq!(server.version().expect("a version"), "oidc-provider 9.13.3");

    let (dir, pid) = (server.dir().to_owned(), server.pid().expect("it runs"));
    let listens = crate::listening(&[pid]);
    assert!(listens.len() == 2 && listens.iter().all(|at| at.starts_with("tcp 0100007F:")), "{listens:?}");
    assert!(dir.exists() && alive(pid));
    drop(server);
    assert!(!dir.exists() && !alive(pid));
}
