//! Connections that the server cannot end: cut, and seen to be cut by a witness.

use quell_core::{
    action::Action,
    proof::{Answer, Liveness, ProbeClass, Strength},
};
use quell_engine::port::{Connector, Outcome, ProbeRequest};
use quell_lab::openldap::{DATABASE, add, delete, replace};

use super::company::*;

#[tokio::test]
async fn a_session_is_proved_dead_by_a_witness_that_was_served_and_is_not_any_more() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    let open = plane.session().await;
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Live, "it is listed and served");

    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    intruder.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("the trap: another password ends no session");
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Live);

    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    done(plane.act(Action::TerminateSessions, &open).await);
    assert_eq!(intruder.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect_err("it is cut").code, 32);
    let (proved, round) = plane.judged(plane.about_session(&open)).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    let witness = of(&round, ProbeClass::Witness);
    assert!(witness.control.as_ref().is_some_and(|c| c.class == ProbeClass::Witness && c.alive), "{witness:#?}");
    assert_eq!(alone(of(&round, ProbeClass::Listing)), Liveness::Unknown, "the listing alone shows it open");
}

#[tokio::test]
async fn a_session_that_is_gone_is_proved_by_the_listing() {
    let plane = Plane::start().await;
    let intruder = plane.intruder().await;
    let open = plane.session().await;
    intruder.close().await.unwrap();
    while !plane.sessions().await.is_empty() {}
    let (proved, round) = plane.judged(plane.about_session(&open)).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{round:#?}");
    assert_eq!(round.len(), 1);
    done(plane.act(Action::TerminateSessions, &open).await);

    // The same number with another start is another session.
    let _again = plane.intruder().await;
    let native = plane.session().await.native.value().expect("a name").to_owned();
    let other = session(&native.replace('@', "@1"), &plane.company.mara.dn);
    assert_eq!(plane.liveness(plane.about_session(&other)).await, Liveness::Dead);
}

#[tokio::test]
async fn without_a_witness_an_open_session_is_unknown_and_says_why() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    // Nothing was replaced, so nobody could be bound as her before the cut.
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    plane.unknown(plane.about_session(&open), "no witness").await;
}

#[tokio::test]
async fn after_a_restart_of_quell_an_open_session_is_unknown_until_it_is_gone() {
    let plane = Plane::start().await;
    let intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Dead);
    let restarted = plane.connector(|_| {});
    unknown(&restarted, plane.about_session(&open), "restart").await;
    let outcome = act(&restarted, attempt(Action::TerminateSessions, &open)).await;
    assert_eq!(outcome, Outcome::Done { changed: Default::default() }, "what stands in the directory is found again");
    intruder.close().await.unwrap();
    let gone = async || judged(&restarted, plane.about_session(&open), None).await.0.liveness;
    while gone().await != Liveness::Dead {}
}

#[tokio::test]
async fn a_witness_that_is_still_served_says_live_whatever_the_rules_say() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    // The root passes every rule: the cut stands, and is worth nothing.
    plane.as_root(DATABASE, vec![replace("olcRootDN", &[&plane.company.mara.dn])]).await;
    let (proved, round) = plane.judged(plane.about_session(&open)).await;
    assert_eq!(proved.liveness, Liveness::Live, "{round:#?}");
}

#[tokio::test]
async fn a_cut_that_is_not_the_first_rule_is_no_cut_and_is_moved() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    plane.as_root(DATABASE, vec![add("olcAccess", &["{0}to * by users read by * break"])]).await;
    intruder.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("the trap: the first rule that matches decides");
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Live);
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    assert_eq!(intruder.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect_err("in front again").code, 32);
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Dead);
    let rules = plane.stored(DATABASE, "olcAccess").await;
    assert_eq!(rules.iter().filter(|r| r.contains("none by * break")).count(), 1, "moved, not doubled: {rules:?}");
}

#[tokio::test]
async fn a_cut_that_somebody_takes_away_is_live_again() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    let rule = format!("to * by dn.base=\"{}\" none by * break", plane.company.mara.dn);
    plane.as_root(DATABASE, vec![delete("olcAccess", &[&rule])]).await;
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Live);
}

#[tokio::test]
async fn one_session_is_cut_and_the_others_of_the_entry_go_on() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    let open = plane.session().await;
    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &plane.leaked())).await);
    let mut owner = plane.intruder().await;
    done(plane.act(Action::TerminateSessions, &open).await);
    assert_eq!(intruder.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect_err("this one is cut").code, 32);
    owner.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("that one is not");
    let (proved, round) = plane.judged(plane.about_session(&open)).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
}

#[tokio::test]
async fn sessions_of_an_entry_that_can_still_log_in_are_cut_as_far_as_they_are_listed() {
    let plane = Plane::start().await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(plane.intruder().await);
    }
    done(plane.act(Action::TerminateSessions, &plane.mara()).await);
    for session in &mut all {
        assert_eq!(session.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect_err("cut").code, 32);
    }
    plane.intruder().await.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("which is why the lock comes first");
}

#[tokio::test]
async fn sessions_over_the_unix_socket_are_cut_with_the_entry_and_not_one_by_one() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    let mut local = plane.server.connect_unix().await.unwrap();
    assert_eq!(local.bind(&mara.dn, mara.password.reveal()).await.unwrap().code, 0);
    let open = plane.session().await;
    refused(&plane.act(Action::TerminateSessions, &open).await, "no access rule tells one from another");
    plane.contain().await;
    assert_eq!(local.read(&mara.dn, &["cn"]).await.unwrap().expect_err("cut with the entry").code, 32);
    assert_eq!(plane.liveness(plane.about_session(&open)).await, Liveness::Dead);
}

#[tokio::test]
async fn a_session_is_found_however_its_name_was_written() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    let mut odd = plane.server.bind(&mara.dn.to_uppercase().replace(',', " , "), mara.password.reveal()).await.expect("it binds");
    assert_eq!(plane.sessions().await.len(), 1);
    plane.contain().await;
    assert_eq!(odd.read(&mara.dn, &["cn"]).await.unwrap().expect_err("cut").code, 32);
}

#[tokio::test]
async fn an_entry_that_is_shown_nothing_gives_no_witness() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    let blind = format!("{{0}}to * attrs=entry by dn.exact=\"{}\" none by * break", plane.company.mara.dn);
    plane.as_root(DATABASE, vec![add("olcAccess", &[&blind])]).await;
    let changed = done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    assert!(changed["witness"].1.as_deref().is_some_and(|w| w.contains("shown nothing")), "{changed:?}");
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    plane.unknown(plane.about_session(&open), "nobody can tell").await;
}

#[tokio::test]
async fn a_witness_is_nobodys_session_and_is_heard_only_where_logins_are_permitted() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    assert_eq!(plane.sessions().await.len(), 1, "the witness is marked as ours");
    let ask = ProbeRequest { may_login: false, ..plane.about_session(&open) };
    plane.unknown(ask, "not armed").await;
}

#[tokio::test]
async fn a_control_that_is_not_served_takes_the_witness_with_it() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    let control = plane.config.control.identity.clone();
    let blind = format!("{{0}}to * attrs=entry by dn.base=\"{control}\" none by * break");
    plane.as_root(DATABASE, vec![add("olcAccess", &[&blind])]).await;
    // Its rule stands before the cut, so that does not count either.
    let (proved, round) = plane.judged(plane.about_session(&open)).await;
    assert_ne!(proved.liveness, Liveness::Dead, "{round:#?}");

    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;
    plane.as_root(&plane.config.control.identity.clone(), vec![replace("pwdAccountLockedTime", &["000001010000Z"])]).await;
    let (proved, round) = plane.judged(plane.about_session(&open)).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(
        matches!(of(&round, ProbeClass::Witness).answer, Answer::Refused { .. }),
        "the witness is refused; the control is what is missing"
    );
    assert!(!plane.connector.check().await.control_alive);
}
