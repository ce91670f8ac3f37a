//! Giving access back: the intruder stays out, and what is restored is exact.

use std::collections::BTreeMap;

use quell_core::{
    action::Action,
    proof::Liveness,
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};
use quell_lab::openldap::{DATABASE, add, delete, replace};

use super::company::*;

type Before = (Reading, BTreeMap<String, Secret>);

fn restore(target: &Target, before: &Before) -> Attempt {
    Attempt { before: Some(before.0.clone()), before_secrets: before.1.clone(), ..attempt(Action::Restore, target) }
}

async fn cuts(plane: &Plane) -> Vec<String> {
    plane.stored(DATABASE, "olcAccess").await.into_iter().filter(|r| r.contains("none by * break")).collect()
}

/// Everything of the entry that an undo could touch, as the directory holds it.
async fn stored(plane: &Plane) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for attribute in ["userPassword", "pwdAccountLockedTime", "pwdReset", "memberOf"] {
        all.push(plane.stored(&plane.company.mara.dn, attribute).await);
    }
    all
}

#[tokio::test]
async fn reinstating_opens_the_entry_to_the_new_secret_and_not_to_the_intruders_open_connection() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    let mut intruder = plane.intruder().await;
    let open = plane.session().await;
    plane.contain().await;

    let secret = new_secret();
    let reinstate = with_secret(Action::Reinstate, &plane.mara(), &secret);
    let changed = done(act(&plane.connector, reinstate.clone()).await);
    assert_eq!(
        changed["access"].1.as_deref(),
        Some("everything but over 2 connections that are still open"),
        "the intruder's and the witness's"
    );
    let mut owner = plane.server.bind(&dn, secret.expose()).await.expect("the new secret works");
    owner.read(&dn, &["cn"]).await.unwrap().expect("and is served at once, without a demand to change it");
    assert_eq!(owner.modify(&dn, vec![replace("description", &["back"])]).await.unwrap().code, 0);
    assert_eq!(intruder.read(&dn, &["cn"]).await.unwrap().expect_err("the open connection did not come back").code, 32);
    assert_eq!(intruder.modify(&dn, vec![replace("userPassword", &["mine"])]).await.unwrap().code, 50);

    // And it is proved so, by the witness that stands in the same rule.
    let (proved, round) = plane.judged(plane.about_session(&open)).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{round:#?}");
    let own = ProbeRequest { own: Some(secret.clone()), ..plane.about_mara() };
    assert_eq!(plane.liveness(own).await, Liveness::Live);
    let (proved, round) = plane.judged(plane.everything()).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the old secret: {round:#?}");

    // A second try does not throw the rightful owner out.
    assert_eq!(done(act(&plane.connector, reinstate).await), BTreeMap::new());
    owner.read(&dn, &["cn"]).await.unwrap().expect("still served");
    assert_eq!(intruder.bind(&dn, plane.company.mara.password.reveal()).await.unwrap().code, 49);
}

#[tokio::test]
async fn the_cut_of_a_survivor_goes_when_it_is_gone_and_the_entry_is_reinstated_again() {
    let plane = Plane::start().await;
    let intruder = plane.intruder().await;
    plane.contain().await;
    let secret = new_secret();
    let reinstate = with_secret(Action::Reinstate, &plane.mara(), &secret);
    done(act(&plane.connector, reinstate.clone()).await);
    assert_eq!(cuts(&plane).await.len(), 2);
    intruder.close().await.unwrap();
    while plane.sessions().await.iter().any(|s| s.facts.contains_key("cut")) {}
    let changed = done(act(&plane.connector, reinstate).await);
    assert_eq!(changed["access"].1.as_deref(), Some("1 cuts fewer"));
    assert_eq!(cuts(&plane).await.len(), 1, "the witness's own");
}

#[tokio::test]
async fn with_no_survivor_nothing_stays_cut_and_no_witness_stays_bound() {
    let plane = Plane::start().await;
    plane.contain().await;
    let changed = done(act(&plane.connector, with_secret(Action::Reinstate, &plane.mara(), &new_secret())).await);
    assert_eq!(changed["access"].1.as_deref(), Some("everything"));
    assert_eq!(cuts(&plane).await, Vec::<String>::new());
    let all = plane.connector.enumerate(&plane.company.mara.dn).await.expect("in scope");
    while plane.connector.enumerate(&plane.company.mara.dn).await.unwrap().of(quell_core::target::TargetKind::Session).count() > 0 {}
    drop(all);
}

/// Lifting a cut of the whole entry would revive it: shown, so that nobody does it.
#[tokio::test]
async fn lifting_the_whole_cut_by_hand_revives_the_intruders_connection() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    plane.contain().await;
    let rule = format!("to * by dn.base=\"{}\" none by * break", plane.company.mara.dn);
    plane.as_root(DATABASE, vec![delete("olcAccess", &[&rule])]).await;
    intruder.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("as alive as before, after lock and new password");
}

#[tokio::test]
async fn survivors_that_cannot_be_told_apart_are_waited_for_and_it_is_said() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    let mut local = plane.server.connect_unix().await.unwrap();
    assert_eq!(local.bind(&mara.dn, mara.password.reveal()).await.unwrap().code, 0);
    plane.contain().await;
    let secret = new_secret();
    let reinstate = with_secret(Action::Reinstate, &plane.mara(), &secret);
    let outcome = act(&plane.connector, reinstate.clone()).await;
    refused(&outcome, "wait until it is gone");
    assert_eq!(local.read(&mara.dn, &["cn"]).await.unwrap().expect_err("still cut").code, 32);
    assert_eq!(plane.stored(&mara.dn, "pwdAccountLockedTime").await.len(), 1, "still locked");
    local.close().await.unwrap();
    while !plane.sessions().await.is_empty() {}
    done(act(&plane.connector, reinstate).await);
    plane.server.bind(&mara.dn, secret.expose()).await.expect("now it is given back");
}

#[tokio::test]
async fn a_crash_anywhere_in_reinstating_leaves_it_locked_or_open_to_the_new_secret_alone() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    let mut intruder = plane.intruder().await;
    plane.contain().await;
    let secret = new_secret();
    let reinstate = with_secret(Action::Reinstate, &plane.mara(), &secret);
    // Half-way: the new password is there, the lock and the cut are, too.
    let half = plane.connector(|_| {});
    let stopped = tokio::time::timeout(std::time::Duration::from_millis(400), act(&half, reinstate.clone())).await;
    assert!(stopped.is_err(), "it waits a second between the password and the lock");
    plane.server.bind(&mara.dn, secret.expose()).await.expect_err("locked");
    assert_eq!(intruder.read(&mara.dn, &["cn"]).await.unwrap().expect_err("cut").code, 32);
    assert_eq!(plane.connector.read_outcome(&reinstate).await, Outcome::Throttled { retry_after_ms: 0 }, "not done, and safe to do");
    drop(half);
    done(act(&plane.connector, reinstate.clone()).await);
    done(plane.connector.read_outcome(&reinstate).await);
    plane.server.bind(&mara.dn, secret.expose()).await.expect("given back");
    assert_eq!(intruder.read(&mara.dn, &["cn"]).await.unwrap().expect_err("and the intruder stays cut").code, 32);
}

#[tokio::test]
async fn after_reinstating_the_owners_sessions_do_not_hide_the_death_of_the_old_secret() {
    let plane = Plane::start().await;
    let before = plane.connector.read(&plane.credential()).await.expect("in scope");
    let _intruder = plane.intruder().await;
    plane.contain().await;
    let secret = new_secret();
    done(act(&plane.connector, with_secret(Action::Reinstate, &plane.mara(), &secret)).await);
    let mut owner = plane.server.bind(&plane.company.mara.dn, secret.expose()).await.expect("the new secret works");
    let ask = || ProbeRequest { before: Some(before.0.clone()), before_secrets: before.1.clone(), ..plane.about_mara() };
    let (proved, round) = plane.judged(ask()).await;
    assert_eq!(proved.liveness, Liveness::Dead, "the session is of after the change: {round:#?}");
    // What she chooses herself is hers; whether it is the old one again, only the old one tells.
    assert_eq!(owner.modify(&plane.company.mara.dn, vec![replace("userPassword", &["chosen by her"])]).await.unwrap().code, 0);
    plane.unknown(ask(), "somebody else stored").await;
    let (proved, round) = plane.judged(ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..ask() }).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{round:#?}");
}

#[tokio::test]
async fn a_restored_entry_is_byte_identical_and_the_old_secret_works() {
    let plane = Plane::start().await;
    plane.as_root(&plane.company.mara.dn, vec![add("userPassword", &["a second one"])]).await;
    plane.as_root(&plane.company.mara.dn, vec![replace("pwdReset", &["TRUE"])]).await;
    let was = stored(&plane).await;
    let before = plane.connector.read(&plane.mara()).await.expect("in scope");
    plane.contain().await;
    assert_ne!(stored(&plane).await, was);
    let attempt = restore(&plane.mara(), &before);
    done(act(&plane.connector, attempt.clone()).await);
    assert_eq!(stored(&plane).await, was, "both passwords, the demand to change them, no lock");
    assert_eq!(cuts(&plane).await, Vec::<String>::new());
    assert_eq!(plane.connector.read(&plane.mara()).await.expect("read").0.facts, before.0.facts);
    let _ = plane.intruder().await;
    done(plane.connector.read_outcome(&attempt).await);
}

#[tokio::test]
async fn a_restored_password_keeps_the_lock_that_is_there() {
    let plane = Plane::start().await;
    let before = plane.connector.read(&plane.credential()).await.expect("in scope");
    plane.contain().await;
    done(act(&plane.connector, restore(&plane.credential(), &before)).await);
    assert_eq!(plane.stored(&plane.company.mara.dn, "pwdAccountLockedTime").await, ["000001010000Z"]);
    assert_eq!(plane.stored(&plane.company.mara.dn, "pwdReset").await, Vec::<String>::new(), "and demands nothing that was not demanded");
    assert_eq!(cuts(&plane).await.len(), 1);
}

#[tokio::test]
async fn passwords_of_any_bytes_and_none_are_restored_as_they_were() {
    let plane = Plane::start().await;
    for stood in [vec!["  spaces at the ends  "], vec![]] {
        plane.as_root(&plane.company.mara.dn, vec![replace("userPassword", &stood)]).await;
        let was = stored(&plane).await;
        let before = plane.connector.read(&plane.mara()).await.expect("in scope");
        plane.as_root(&plane.company.mara.dn, vec![replace("userPassword", &["in between"])]).await;
        done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
        done(act(&plane.connector, restore(&plane.mara(), &before)).await);
        assert_eq!(stored(&plane).await, was, "{stood:?}");
    }
}

#[tokio::test]
async fn restoring_needs_the_opened_before_state_of_the_same_entry() {
    let plane = Plane::start().await;
    let before = plane.connector.read(&plane.mara()).await.expect("in scope");
    plane.contain().await;
    refused(&act(&plane.connector, attempt(Action::Restore, &plane.mara())).await, "no before-state");
    refused(
        &act(&plane.connector, Attempt { before_secrets: BTreeMap::new(), ..restore(&plane.mara(), &before) }).await,
        "were not opened",
    );
    let mut other = before.0.clone();
    other.facts.insert("entry_uuid".to_owned(), Some("00000000-0000-0000-0000-000000000000".to_owned()));
    refused(&act(&plane.connector, restore(&plane.mara(), &(other, before.1.clone()))).await, "another entry");
    assert_eq!(plane.stored(&plane.company.mara.dn, "pwdAccountLockedTime").await.len(), 1, "it stays locked");
}

#[tokio::test]
async fn a_membership_is_given_back_and_nobody_gets_what_is_not_in_scope() {
    let plane = Plane::start().await;
    let target = membership(&plane.company.mara.dn, &plane.company.finance);
    let before = plane.connector.read(&target).await.expect("read");
    assert!(before.0.exists);
    done(plane.act(Action::RemoveEntitlement, &target).await);
    assert!(!plane.connector.read(&target).await.expect("read").0.exists);
    done(act(&plane.connector, restore(&target, &before)).await);
    assert!(plane.stored(&plane.company.finance, "member").await.contains(&plane.company.mara.dn));
    assert_eq!(done(act(&plane.connector, restore(&target, &before)).await), BTreeMap::new(), "again changes nothing");
    // Quell cannot write itself, or anybody out of scope, into a group.
    for stranger in [&plane.config.username, &plane.config.control.identity, &plane.company.groups] {
        let outcome = act(&plane.connector, restore(&membership(stranger, &plane.company.finance), &before)).await;
        refused(&outcome, "members in scope");
    }
    let absent = (Reading { exists: false, ..before.0.clone() }, before.1.clone());
    refused(&act(&plane.connector, restore(&target, &absent)).await, "was not there before");
}

#[tokio::test]
async fn what_was_demanded_before_is_demanded_after() {
    let plane = Plane::start().await;
    let before = plane.connector.read(&plane.mara()).await.expect("in scope");
    done(plane.act(Action::RequireStepUp, &plane.mara()).await);
    done(act(&plane.connector, restore(&plane.mara(), &before)).await);
    let mut client = plane.intruder().await;
    client.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("served again");
}
