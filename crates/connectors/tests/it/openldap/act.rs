//! What the cleared attempts do to a real server, once, twice and half.

use std::collections::BTreeMap;

use quell_core::{
    action::Action,
    secret::Secret,
    target::{Reading, TargetKind},
};
use quell_engine::port::{Attempt, Connector, Outcome};
use quell_lab::openldap::{DATABASE, add, delete, replace};

use super::company::*;

const PERMANENT: &str = "000001010000Z";

#[tokio::test]
async fn suspending_cuts_what_is_open_and_locks_what_is_not() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    let mut session = plane.intruder().await;
    let changed = done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    assert_eq!(changed["pwdAccountLockedTime"], (None, Some(PERMANENT.to_owned())));
    assert_eq!(changed["access"], (None, Some("nothing".to_owned())));
    assert_eq!(session.read(&mara.dn, &["cn"]).await.unwrap().expect_err("nothing is shown").code, 32);
    assert_eq!(session.read(&plane.company.jonas.dn, &["cn"]).await.unwrap().expect_err("nobody else either").code, 32);
    assert_eq!(session.modify(&mara.dn, vec![replace("description", &["x"])]).await.unwrap().code, 50);
    let refused = plane.server.connect().await.unwrap().bind(&mara.dn, mara.password.reveal()).await.unwrap();
    assert_eq!(refused.code, 49);
    let mut jonas = plane.server.bind(&plane.company.jonas.dn, plane.company.jonas.password.reveal()).await.expect("others are let in");
    jonas.read(&mara.dn, &["cn"]).await.unwrap().expect("and served");
}

/// The trap: a lock binds the next bind, and any write of a password takes it away.
#[tokio::test]
async fn a_lock_alone_is_undone_by_the_locked_one_through_a_live_session() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    for way in ["a new password", "its own operational attribute"] {
        let mut session = plane.server.bind(&mara.dn, mara.password.reveal()).await.expect("it is open");
        plane.as_root(&mara.dn, vec![replace("pwdAccountLockedTime", &[PERMANENT])]).await;
        plane.server.bind(&mara.dn, mara.password.reveal()).await.expect_err("it is locked");
        let change = match way {
            "a new password" => replace("userPassword", &[mara.password.reveal()]),
            _ => delete("pwdAccountLockedTime", &[]),
        };
        assert_eq!(session.modify(&mara.dn, vec![change]).await.unwrap().code, 0, "{way}");
        plane.server.bind(&mara.dn, mara.password.reveal()).await.expect("it let itself in again");
    }
    // With the cut before the lock neither way is open.
    let mut session = plane.server.bind(&mara.dn, mara.password.reveal()).await.expect("it is open");
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    for change in [replace("userPassword", &["mine"]), delete("pwdAccountLockedTime", &[]), add("userPassword", &["second"])] {
        assert_eq!(session.modify(&mara.dn, vec![change]).await.unwrap().code, 50);
    }
    plane.server.bind(&mara.dn, mara.password.reveal()).await.expect_err("it stays locked");
}

#[tokio::test]
async fn an_administrator_who_resets_after_the_lock_unlocks_and_quell_does_not() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    plane.as_root(&dn, vec![replace("userPassword", &["from the help desk"])]).await;
    assert_eq!(plane.stored(&dn, "pwdAccountLockedTime").await, Vec::<String>::new(), "the trap: any password write unlocks");

    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    assert_eq!(plane.stored(&dn, "pwdAccountLockedTime").await, [PERMANENT], "in whichever order the plan runs");
}

#[tokio::test]
async fn a_replaced_password_is_the_only_value_whatever_stood_there() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    let mut session = plane.intruder().await;
    assert_eq!(session.modify(&mara.dn, vec![add("userPassword", &["a second way in"])]).await.unwrap().code, 0);
    plane.server.bind(&mara.dn, "a second way in").await.expect("the attribute takes more than one");
    assert_eq!(plane.stored(&mara.dn, "userPassword").await.len(), 2);

    let secret = new_secret();
    let changed = done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &secret)).await);
    assert_eq!(changed["password"].0.as_deref(), Some("2 values, sealed"));
    assert_eq!(changed["witness"].1.as_deref(), Some("open"));
    assert_eq!(plane.stored(&mara.dn, "userPassword").await.len(), 1);
    for old in [mara.password.reveal(), "a second way in"] {
        plane.server.bind(&mara.dn, old).await.expect_err("replaced");
    }
    plane.server.bind(&mara.dn, secret.expose()).await.expect("the new one works");
}

/// Policies that stop a help desk do not stop a containment: Quell may manage.
#[tokio::test]
async fn a_young_password_a_safe_modify_and_a_history_do_not_keep_the_intruders_password() {
    let plane = Plane::start().await;
    let policy =
        [("pwdMinAge", "3600"), ("pwdSafeModify", "TRUE"), ("pwdInHistory", "3"), ("pwdCheckQuality", "2"), ("pwdMinLength", "40")];
    plane.as_root(&plane.company.policy, policy.map(|(name, value)| replace(name, &[value])).to_vec()).await;
    for _ in 0..2 {
        let secret = new_secret();
        done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &secret)).await);
        let mut client = plane.server.bind(&plane.company.mara.dn, secret.expose()).await.expect("the new one works");
        client.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("without a demand to change it first (pwdMustChange)");
    }
}

#[tokio::test]
async fn every_action_twice_is_the_action_once() {
    let plane = Plane::start().await;
    let _session = plane.intruder().await;
    let secret = new_secret();
    let rotate = || with_secret(Action::RotateCredential, &plane.credential(), &secret);
    assert!(!done(act(&plane.connector, rotate()).await).is_empty());
    assert_eq!(done(act(&plane.connector, rotate()).await), Default::default());
    let open = plane.session().await;
    for (action, target) in [
        (Action::RequireStepUp, plane.mara()),
        (Action::TerminateSessions, open),
        (Action::SuspendIdentity, plane.mara()),
        (Action::RemoveEntitlement, membership(&plane.company.mara.dn, &plane.company.finance)),
    ] {
        assert!(!done(plane.act(action, &target).await).is_empty(), "{action:?} changes something");
        assert_eq!(done(plane.act(action, &target).await), Default::default(), "{action:?} again changes nothing");
    }
}

#[tokio::test]
async fn what_became_of_an_attempt_is_read_before_and_after_it() {
    let plane = Plane::start().await;
    let _session = plane.intruder().await;
    let open = plane.session().await;
    let before = plane.connector.read(&plane.mara()).await.expect("read");
    let group = membership(&plane.company.mara.dn, &plane.company.finance);
    let group_before = plane.connector.read(&group).await.expect("read");
    let restore = |target: &quell_core::target::Target, before: &(Reading, BTreeMap<String, Secret>)| Attempt {
        before: Some(before.0.clone()),
        before_secrets: before.1.clone(),
        ..attempt(Action::Restore, target)
    };
    let attempts = [
        with_secret(Action::RotateCredential, &plane.credential(), &new_secret()),
        attempt(Action::TerminateSessions, &open),
        attempt(Action::SuspendIdentity, &plane.mara()),
        attempt(Action::RemoveEntitlement, &group),
        restore(&group, &group_before),
        with_secret(Action::Reinstate, &plane.mara(), &new_secret()),
        attempt(Action::RequireStepUp, &plane.mara()),
        restore(&plane.mara(), &before),
    ];
    for attempt in attempts {
        is_read_before_and_after(&plane.connector, attempt).await;
    }
}

#[tokio::test]
async fn a_clearance_for_something_else_is_refused() {
    let plane = Plane::start().await;
    let mine = attempt(Action::SuspendIdentity, &plane.mara());
    let others =
        [attempt(Action::TerminateSessions, &plane.mara()), attempt(Action::SuspendIdentity, &identity(&plane.company.billing.dn))];
    takes_no_other_clearance(&plane.connector, &mine, &others).await;
    let mut elsewhere = mine.clone();
    elsewhere.target.plane = "ldap-other".to_owned();
    assert!(matches!(plane.connector.act(cleared(&elsewhere), &elsewhere).await, Outcome::Refused { .. }));
    plane.intruder().await.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("nothing was cut");
}

#[tokio::test]
async fn what_openldap_does_not_do_is_refused_with_its_name() {
    let plane = Plane::start().await;
    for (action, target) in [
        (Action::RestrictAccess, plane.mara()),
        (Action::ReissueCredential, plane.mara()),
        (Action::RetireIdentity, plane.mara()),
        (Action::SuspendIdentity, plane.credential()),
        (Action::RotateCredential, plane.mara()),
    ] {
        let outcome = act(&plane.connector, with_secret(action, &target, &new_secret())).await;
        refused(&outcome, action.name());
    }
    for (action, target) in [(Action::RotateCredential, plane.credential()), (Action::Reinstate, plane.mara())] {
        refused(&plane.act(action, &target).await, "new secret");
    }
}

#[tokio::test]
async fn what_is_protected_is_out_of_reach_however_it_is_written() {
    let plane = Plane::start().await;
    let own = plane.config.username.clone();
    let control = plane.config.control.identity.clone();
    let guarded = plane.connector(|c| c.protected = vec![plane.company.jonas.dn.to_uppercase()]);
    for dn in [own.clone(), own.to_uppercase(), control.replace(',', " , "), plane.company.jonas.dn.clone()] {
        assert!(guarded.protected(&dn).is_some(), "{dn}");
        refused(&act(&guarded, attempt(Action::SuspendIdentity, &identity(&dn))).await, "protected");
    }
    // The root is known as such once the server was asked.
    plane.as_root(DATABASE, vec![replace("olcRootDN", &[&plane.company.billing.dn])]).await;
    refused(&plane.act(Action::SuspendIdentity, &identity(&plane.company.billing.dn)).await, "root");
    assert!(plane.connector.protected(&plane.company.billing.dn).is_some());
}

#[tokio::test]
async fn another_entry_under_the_name_is_not_acted_on() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    let before = plane.connector.read(&plane.mara()).await.expect("read").0;
    let mut admin = plane.server.admin().await.unwrap();
    assert_eq!(admin.rename(&dn, "uid=mara-lind", None).await.unwrap().code, 0);
    let again = [("objectClass", &["inetOrgPerson"][..]), ("cn", &["Mara"]), ("sn", &["Other"]), ("userPassword", &["x"])];
    assert_eq!(admin.add(&dn, &again).await.unwrap().code, 0);
    let outcome = act(&plane.connector, Attempt { before: Some(before), ..attempt(Action::SuspendIdentity, &plane.mara()) }).await;
    refused(&outcome, "another entry");
    plane.server.bind(&dn, "x").await.expect("the namesake was not touched");
}

#[tokio::test]
async fn a_missing_entry_group_or_scope_is_said() {
    let plane = Plane::start().await;
    refused(&plane.act(Action::SuspendIdentity, &identity(&format!("uid=nobody,{}", plane.company.people))).await, "32");
    for dn in [&plane.company.groups, &plane.company.policy] {
        let outcome = plane.act(Action::SuspendIdentity, &identity(dn)).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    }
    refused(&plane.act(Action::RemoveEntitlement, &membership(&plane.company.mara.dn, "cn=none,dc=corp,dc=test")).await, "no such group");
}

#[tokio::test]
async fn a_membership_is_taken_away_and_the_last_one_of_a_group_is_not() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.as_str();
    done(plane.act(Action::RemoveEntitlement, &membership(dn, &plane.company.finance)).await);
    assert!(!plane.stored(&plane.company.finance, "member").await.iter().any(|m| m == dn));
    assert_eq!(plane.stored(dn, "memberOf").await, std::slice::from_ref(&plane.company.approvers));
    refused(&plane.act(Action::RemoveEntitlement, &membership(dn, &plane.company.approvers)).await, "only member");
    assert_eq!(plane.stored(&plane.company.approvers, "member").await, [dn]);
}

#[tokio::test]
async fn a_step_up_lets_in_and_lets_nothing_be_done_but_a_new_password() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.clone();
    let mut open = plane.intruder().await;
    done(plane.act(Action::RequireStepUp, &plane.mara()).await);
    let mut client = plane.server.bind(&mara.dn, mara.password.reveal()).await.expect("the bind works");
    assert_eq!(client.read(&mara.dn, &["cn"]).await.unwrap().expect_err("nothing else does").code, 50);
    open.read(&mara.dn, &["cn"]).await.unwrap().expect("the trap: what is open goes on");
    assert_eq!(client.modify(&mara.dn, vec![replace("userPassword", &["chosen by her"])]).await.unwrap().code, 0);
    client.read(&mara.dn, &["cn"]).await.unwrap().expect("then it is served");

    // The trap: without `pwdMustChange` the mark demands nothing.
    plane.as_root(&plane.company.policy, vec![replace("pwdMustChange", &["FALSE"])]).await;
    refused(&plane.act(Action::RequireStepUp, &plane.mara()).await, "pwdMustChange");
}

#[tokio::test]
async fn a_lock_that_no_policy_enforces_is_refused_before_anything_changes() {
    let plane = Plane::start().await;
    for change in [replace("pwdLockout", &["FALSE"]), replace("pwdLockout", &[])] {
        plane.as_root(&plane.company.policy, vec![change]).await;
        refused(&plane.act(Action::SuspendIdentity, &plane.mara()).await, "pwdLockout");
    }
    plane.intruder().await.read(&plane.company.mara.dn, &["cn"]).await.unwrap().expect("nothing was cut");
    // An entry may name a policy of its own.
    plane.as_root(&plane.company.policy, vec![replace("pwdLockout", &["TRUE"])]).await;
    plane.as_root(&plane.company.mara.dn, vec![replace("pwdPolicySubentry", &["cn=none,dc=corp,dc=test"])]).await;
    refused(&plane.act(Action::SuspendIdentity, &plane.mara()).await, "no password policy");
}

#[tokio::test]
async fn a_first_rule_that_would_lock_everybody_out_is_not_written() {
    let plane = Plane::start().await;
    for of in [DATABASE, "olcDatabase={-1}frontend,cn=config"] {
        plane.as_root(of, vec![delete("olcAccess", &[])]).await;
    }
    refused(&plane.act(Action::SuspendIdentity, &plane.mara()).await, "lock everybody out");
    plane.intruder().await.read(&plane.company.jonas.dn, &["cn"]).await.unwrap().expect("the default lets everybody read");
}

#[tokio::test]
async fn the_manifest_keeps_to_the_catalogue() {
    let plane = Plane::start().await;
    let manifest = plane.connector.manifest();
    keeps_to_the_catalogue(&plane.connector);
    for action in ACTIONS {
        assert!(manifest.action(action).is_some(), "{action:?}");
    }
    let suspend = &manifest.action(Action::SuspendIdentity).expect("declared").after;
    assert!(suspend.contains(&Action::RotateCredential), "reset, then lock");
    assert!(manifest.action(Action::TerminateSessions).is_some_and(|a| a.target == TargetKind::Session && !a.survives.is_empty()));
}
