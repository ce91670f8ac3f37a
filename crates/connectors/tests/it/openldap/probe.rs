//! What is met, and what the core makes of it. Every trap of the plane, on the real
//! server.

use quell_core::{
    action::Action,
    proof::{Answer, Channel, Liveness, ProbeClass, Strength},
    secret::Secret,
};
use quell_engine::port::{Connector, ProbeRequest};
use quell_lab::openldap::{DATABASE, Options, add, delete, replace};

use super::company::*;

const PERMANENT: &str = "000001010000Z";

#[tokio::test]
async fn a_lock_is_proved_without_any_secret_and_counts_nothing_against_the_entry() {
    let plane = Plane::start().await;
    plane.unknown(plane.about_mara(), "can log in").await;
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    for _ in 0..10 {
        let (proved, round) = plane.judged(plane.about_mara()).await;
        assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
        let login = of(&round, ProbeClass::Login);
        assert_eq!(login.answer, Answer::Refused { code: "49 account locked".to_owned() });
        assert_eq!(login.channel, Channel::TlsPinned);
        assert!(login.control.as_ref().is_some_and(|c| c.alive && c.class == ProbeClass::Login) && login.authoritative);
        assert_eq!(alone(of(&round, ProbeClass::Read)), Liveness::Dead, "and by the policy's own word, without a bind");
    }
    assert_eq!(plane.stored(&plane.company.mara.dn, "pwdFailureTime").await, Vec::<String>::new(), "a locked entry counts no failures");
}

#[tokio::test]
async fn in_observe_no_bind_reaches_the_server_and_the_lock_is_read() {
    let plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    let before = plane.server.log().unwrap().len();
    let ask = ProbeRequest { may_login: false, throw_away: Some(new_secret()), ..plane.everything() };
    let (proved, round) = plane.judged(ask).await;
    assert_eq!((proved.liveness, proved.strength, round.len()), (Liveness::Dead, Some(Strength::Enforced), 1), "{round:#?}");
    let own = ProbeRequest { may_login: false, own: Some(new_secret()), ..plane.about_mara() };
    assert_eq!(plane.liveness(own).await, Liveness::Unknown);
    let log = plane.server.log().unwrap().split_off(before);
    assert!(log.contains("SRCH"), "questions are in the log: {log}");
    let mara = format!("BIND dn=\"{}\"", plane.company.mara.dn);
    assert!(!log.contains(&mara) && !log.contains("BIND dn=\"cn=quell-control"), "{log}");
}

#[tokio::test]
async fn a_leaked_secret_is_live_before_and_refused_after() {
    let plane = Plane::start().await;
    let (proved, round) = plane.judged(ProbeRequest { leaked_was_right: false, ..plane.everything() }).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Live, Some(Strength::Exercised)), "{round:#?}");
    let throw_away = plane.contain().await;
    let (proved, round) = plane.judged(ProbeRequest { throw_away: Some(throw_away), ..plane.everything() }).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    assert_eq!(round.iter().filter(|o| o.class == ProbeClass::Login).count(), 2);
}

#[tokio::test]
async fn a_throw_away_is_seen_to_work_before_the_lock_and_is_refused_after() {
    let plane = Plane::start().await;
    let throw_away = new_secret();
    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &throw_away)).await);
    let ask = || ProbeRequest { throw_away: Some(throw_away.clone()), ..plane.about_mara() };
    assert_eq!(plane.liveness(ask()).await, Liveness::Live);
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    assert_eq!(plane.liveness(ask()).await, Liveness::Dead);
}

/// The trap: a lock by wrong passwords answers like ours, and runs out.
#[tokio::test]
async fn a_lock_that_ends_by_itself_proves_nothing() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    plane.as_root(&plane.company.policy, vec![replace("pwdLockoutDuration", &["600"])]).await;
    for _ in 0..5 {
        plane.server.bind(&dn, "guessed by somebody").await.expect_err("wrong");
    }
    plane.server.bind(&dn, plane.company.mara.password.reveal()).await.expect_err("locked for ten minutes");
    plane.unknown(plane.everything(), "ends by itself").await;
    // The same without a word of the server about the lock.
    let mut admin = plane.server.admin().await.unwrap();
    let overlay = "olcOverlay={0}ppolicy,olcDatabase={1}mdb,cn=config";
    assert_eq!(admin.modify(overlay, vec![replace("olcPPolicyUseLockout", &["FALSE"])]).await.unwrap().code, 0);
    let (proved, round) = plane.judged(plane.everything()).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "a right password that is refused is not a dead one: {round:#?}");
}

/// The trap: `pwdAccountLockedTime` means nothing without `pwdLockout`.
#[tokio::test]
async fn a_written_lock_that_nothing_enforces_is_live() {
    let plane = Plane::start().await;
    plane.as_root(&plane.company.policy, vec![replace("pwdLockout", &["FALSE"])]).await;
    plane.as_root(&plane.company.mara.dn, vec![replace("pwdAccountLockedTime", &[PERMANENT])]).await;
    assert_eq!(plane.liveness(plane.everything()).await, Liveness::Live, "it lets her in");
    plane.unknown(plane.about_mara(), "no password policy enforces it").await;
}

#[tokio::test]
async fn a_server_that_does_not_tell_locks_is_asked_with_the_stored_password() {
    let plane = Plane::with(Options { tells_lockout: false, ..Options::default() }).await;
    let throw_away = plane.contain().await;
    let (proved, round) = plane.judged(ProbeRequest { throw_away: Some(throw_away), ..plane.about_mara() }).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    assert_eq!(of(&round, ProbeClass::Login).answer, Answer::Refused { code: "49".to_owned() });
    // Any other password is refused anyway, and says nothing; the policy's word does.
    let (proved, round) = plane.judged(plane.about_mara()).await;
    assert_eq!(alone(of(&round, ProbeClass::Login)), Liveness::Unknown, "{round:#?}");
    assert_eq!(proved.strength, Some(Strength::Enforced));
}

#[tokio::test]
async fn a_wrong_password_proves_nothing_while_the_entry_is_open_and_is_counted() {
    let plane = Plane::start().await;
    let guess = || ProbeRequest { leaked: Some(Secret::new("a guess")), ..plane.about_mara() };
    let (proved, round) = plane.judged(guess()).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(of(&round, ProbeClass::Login).control.as_ref().is_some_and(|c| c.alive), "only the answer can make it unknown");
    assert_eq!(plane.stored(&plane.company.mara.dn, "pwdFailureTime").await.len(), 1);
}

/// The trap: probes that lock the rightful owner out.
#[tokio::test]
async fn wrong_passwords_stay_within_the_budget_and_below_the_lockout() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    let budget = plane.connector.manifest().lockout_budget;
    assert!(budget > 0);
    let guess = || ProbeRequest { leaked: Some(Secret::new("a guess")), throw_away: Some(Secret::new("another")), ..plane.about_mara() };
    for _ in 0..10 {
        plane.judged(guess()).await;
    }
    assert_eq!(plane.stored(&dn, "pwdFailureTime").await.len(), budget as usize);
    plane.unknown(guess(), "in the last hour").await;

    // A restart forgets the budget; the server's own counter does not.
    plane.server.bind(&dn, "somebody's guess").await.expect_err("wrong");
    plane.server.bind(&dn, "somebody's guess").await.expect_err("wrong");
    let restarted = plane.connector(|_| {});
    for _ in 0..10 {
        judged(&restarted, guess(), None).await;
    }
    unknown(&restarted, guess(), "could lock it").await;
    plane.server.bind(&dn, plane.company.mara.password.reveal()).await.expect("the rightful owner is not locked out");
    assert!(!plane.connector.manifest().probe_effects.is_empty());
}

#[tokio::test]
async fn rotated_only_is_dead_when_the_stored_password_is_ours_and_nobody_of_before_is_connected() {
    let plane = Plane::start().await;
    let (before, before_secrets) = plane.connector.read(&plane.credential()).await.expect("in scope");
    let ask = || ProbeRequest { before: Some(before.clone()), before_secrets: before_secrets.clone(), ..plane.about_mara() };
    plane.unknown(ask(), "the old password is still stored").await;
    assert_eq!(plane.liveness(ProbeRequest { leaked_was_right: true, may_login: false, ..ask() }).await, Liveness::Live);

    let intruder = plane.intruder().await;
    let first = plane.connector(|_| {});
    done(act(&first, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    unknown(&first, ask(), "connections of before").await;
    intruder.close().await.unwrap();
    // It needs no memory: the value itself tells whose it is.
    drop(first);
    while !plane.sessions().await.is_empty() {}
    let (proved, round) = plane.judged(ask()).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{round:#?}");
    let other = plane.connector(|c| {
        c.username = "cn=quell-other,ou=quell,dc=corp,dc=test".to_owned();
        c.secret = new_secret();
    });
    assert_eq!(judged(&other, ask(), None).await.0.liveness, Liveness::Unknown, "nobody else's word counts");
}

/// The trap: simple binds are refused, and the same password is taken by SASL.
#[tokio::test]
async fn a_lock_that_sasl_passes_by_proves_nothing_until_the_password_is_replaced() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    // Stored in the clear, as CRAM, DIGEST and SCRAM need it, and mapped to the entry.
    let clear = plane.company.mara.password.reveal();
    plane.as_root(&dn, vec![replace("userPassword", &[clear])]).await;
    let regexp = format!("\"^uid=([^,]+).*,cn=[^,]+,cn=auth$\" \"uid=$1,{}\"", plane.company.people);
    plane.as_root("cn=config", vec![replace("olcAuthzRegexp", &[&regexp])]).await;
    plane.as_root(DATABASE, vec![add("olcAccess", &["{0}to * by anonymous auth by * break"])]).await;
    let sasl = || plane.server.sasl_bind("mara", clear).expect("`ldapwhoami` runs");
    assert!(sasl().contains(&dn), "{}", sasl());
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    assert!(sasl().contains(&dn), "the lock does not bind it");
    plane.unknown(plane.everything(), "does not bind").await;
    plane.unknown(plane.about_mara(), "by which the stored password is taken").await;
    assert!(plane.connector.check().await.warnings.iter().any(|w| w.contains("DIGEST-MD5")));

    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    assert!(!sasl().contains(&dn), "{}", sasl());
    let (proved, round) = plane.judged(plane.everything()).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
}

/// The trap: the same old password under a new salt is another value.
#[tokio::test]
async fn another_value_that_somebody_else_stored_may_be_the_old_password_again() {
    let plane = Plane::start().await;
    let (before, before_secrets) = plane.connector.read(&plane.credential()).await.expect("in scope");
    let ask = || ProbeRequest { before: Some(before.clone()), before_secrets: before_secrets.clone(), ..plane.about_mara() };
    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    let again = plane.company.mara.password.reveal();
    plane.as_root(&plane.company.mara.dn, vec![replace("userPassword", &[again])]).await;
    plane.unknown(ask(), "somebody else stored a password").await;
    let (proved, _) = plane.judged(ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, may_login: false, ..ask() }).await;
    assert_eq!(proved.liveness, Liveness::Live, "with the leaked value at hand it is seen");

    // A second value beside ours is a second way in.
    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    plane.as_root(&plane.company.mara.dn, vec![add("userPassword", &["beside it"])]).await;
    plane.unknown(ask(), "somebody else stored a password").await;
}

#[tokio::test]
async fn a_leaked_secret_that_was_right_and_is_not_stored_any_more_is_refused_once_and_read_ever_after() {
    let plane = Plane::start().await;
    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &new_secret())).await);
    let (proved, round) = plane.judged(plane.everything()).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    for _ in 0..5 {
        assert_eq!(plane.liveness(plane.everything()).await, Liveness::Dead);
    }
    assert!(plane.stored(&plane.company.mara.dn, "pwdFailureTime").await.len() <= 2, "within the budget");
}

#[tokio::test]
async fn a_locked_entry_with_a_session_that_is_not_cut_is_not_dead_by_reading() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    plane.as_root(&plane.company.mara.dn, vec![replace("pwdAccountLockedTime", &[PERMANENT])]).await;
    let ask = ProbeRequest { may_login: false, ..plane.about_mara() };
    plane.unknown(ask, "1 of its connections are open and not cut").await;
}

#[tokio::test]
async fn nothing_is_proved_before_the_settle_time_is_over() {
    let plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    let acted_at = now();
    // So long that no slow look is past it.
    let long = plane.connector(|c| c.settle_ms = 60_000);
    let (proved, _) = judged(&long, plane.about_mara(), Some(acted_at)).await;
    assert!(proved.liveness == Liveness::Unknown && proved.reason.contains("settle"), "{proved:?}");
    tokio::time::sleep(std::time::Duration::from_millis(plane.connector.manifest().settle_ms as u64 + 5)).await;
    let (proved, _) = judged(&plane.connector, plane.about_mara(), Some(acted_at)).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{proved:?}");
}

#[tokio::test]
async fn an_entry_that_was_unlocked_behind_our_back_is_usable_again() {
    let plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    assert_eq!(plane.liveness(plane.everything()).await, Liveness::Dead);
    plane.as_root(&plane.company.mara.dn, vec![delete("pwdAccountLockedTime", &[])]).await;
    assert_eq!(plane.liveness(plane.everything()).await, Liveness::Live, "by a bind");
    assert_eq!(plane.liveness(ProbeRequest { may_login: false, ..plane.everything() }).await, Liveness::Live, "by the read");
    plane.unknown(plane.about_mara(), "not at hand").await;
}

#[tokio::test]
async fn an_expired_password_is_neither_live_nor_dead() {
    let plane = Plane::start().await;
    let secret = new_secret();
    done(act(&plane.connector, with_secret(Action::RotateCredential, &plane.credential(), &secret)).await);
    plane.as_root(&plane.company.policy, vec![replace("pwdMaxAge", &["1"])]).await;
    let ask = || ProbeRequest { throw_away: Some(secret.clone()), ..plane.about_mara() };
    while plane.liveness(ask()).await == Liveness::Live {}
    let (_, round) = plane.judged(ask()).await;
    let login = of(&round, ProbeClass::Login);
    assert!(matches!(&login.answer, Answer::Inconclusive { why } if why.contains("only its age")), "{login:#?}");
}

#[tokio::test]
async fn a_demand_to_change_the_password_first_keeps_nobody_out() {
    let plane = Plane::start().await;
    done(plane.act(Action::RequireStepUp, &plane.mara()).await);
    assert_eq!(plane.liveness(plane.everything()).await, Liveness::Live, "whoever holds the password sets another and is in");
}

#[tokio::test]
async fn a_renamed_entry_is_as_alive_as_before_and_a_deleted_one_is_dead() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    let before = plane.connector.read(&plane.credential()).await.expect("in scope").0;
    let ask = || ProbeRequest { before: Some(before.clone()), ..plane.about_mara() };
    let mut admin = plane.server.admin().await.unwrap();
    assert_eq!(admin.rename(&dn, "uid=mara-lind", None).await.unwrap().code, 0);
    plane.unknown(ask(), "was renamed").await;
    // Also to where Quell has no scope.
    let moved = format!("uid=mara-lind,{}", plane.company.people);
    assert_eq!(admin.rename(&moved, "uid=mara-lind", Some(&plane.company.groups)).await.unwrap().code, 0);
    plane.unknown(ask(), "was renamed").await;
    plane.unknown(plane.about_mara(), "may be renamed").await;
    let moved = format!("uid=mara-lind,{}", plane.company.groups);
    assert_eq!(admin.remove(&moved).await.unwrap().code, 0);
    let (proved, round) = plane.judged(ask()).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{round:#?}");
    let again = [("objectClass", &["inetOrgPerson"][..]), ("cn", &["Mara"]), ("sn", &["Other"]), ("userPassword", &["x"])];
    assert_eq!(admin.add(&dn, &again).await.unwrap().code, 0);
    plane.unknown(ask(), "another entry bears the name").await;
}

#[tokio::test]
async fn a_deleted_entry_with_an_open_session_is_not_dead_until_that_is_cut() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    let before = plane.connector.read(&plane.credential()).await.expect("in scope").0;
    plane.server.admin().await.unwrap().remove(&plane.company.mara.dn).await.unwrap();
    intruder.read(&plane.company.jonas.dn, &["cn"]).await.unwrap().expect("the trap: its session goes on");
    plane.unknown(ProbeRequest { before: Some(before), ..plane.about_mara() }, "1 of its connections are open").await;
}

#[tokio::test]
async fn what_is_not_in_scope_is_never_proved() {
    let plane = Plane::start().await;
    for dn in [&plane.config.username, &plane.company.policy, &plane.company.finance] {
        let (proved, _) = plane.judged(about(credential(dn), dn)).await;
        assert_eq!(proved.liveness, Liveness::Unknown, "{dn}: {proved:?}");
        assert!(plane.connector.read(&credential(dn)).await.is_err() || plane.connector.read(&credential(dn)).await.unwrap().1.is_empty());
    }
}

#[tokio::test]
async fn a_membership_is_live_while_it_stands_and_dead_when_it_is_gone() {
    let plane = Plane::start().await;
    let target = membership(&plane.company.mara.dn, &plane.company.finance);
    let ask = || about(target.clone(), &plane.company.mara.dn);
    assert_eq!(plane.liveness(ask()).await, Liveness::Live);
    done(plane.act(Action::RemoveEntitlement, &target).await);
    let (proved, round) = plane.judged(ask()).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{round:#?}");
    // A group that is not there, or may not be searched, proves nothing.
    let mut admin = plane.server.admin().await.unwrap();
    assert_eq!(admin.rename(&plane.company.finance, "cn=money", None).await.unwrap().code, 0);
    plane.unknown(ask(), "may be renamed").await;
    // The control's own membership is the control.
    assert_eq!(admin.rename("cn=money,ou=groups,dc=corp,dc=test", "cn=finance", None).await.unwrap().code, 0);
    admin.remove("cn=quell-control-group,ou=quell,dc=corp,dc=test").await.unwrap();
    plane.unknown(ask(), "control was not alive").await;
}

/// The trap: RFC 4513 5.1.2, a name without a password binds as nobody, with success.
#[tokio::test]
async fn an_empty_password_is_not_tried() {
    let plane = Plane::start().await;
    plane.as_root("cn=config", vec![replace("olcAllows", &["bind_anon_cred", "bind_anon_dn"])]).await;
    assert_eq!(plane.server.connect().await.unwrap().bind(&plane.company.mara.dn, "").await.unwrap().code, 0, "it looks like success");
    plane.unknown(ProbeRequest { leaked: Some(Secret::new("")), ..plane.about_mara() }, "looks like success").await;
}

#[tokio::test]
async fn the_next_generation_is_never_called_dead_because_its_password_is_new() {
    let plane = Plane::start().await;
    let before = plane.connector.read(&plane.credential()).await.expect("in scope");
    let secret = new_secret();
    plane.contain().await;
    done(act(&plane.connector, with_secret(Action::Reinstate, &plane.mara(), &secret)).await);
    let dn = plane.company.mara.dn.clone();
    let next = target(quell_core::target::TargetKind::Credential, &format!("{dn}#password:q7f3k"), &dn);
    let ask = |own: Option<Secret>| ProbeRequest {
        own,
        before: Some(before.0.clone()),
        before_secrets: before.1.clone(),
        ..about(next.clone(), &dn)
    };
    assert_eq!(plane.liveness(ask(Some(secret))).await, Liveness::Live);
    assert_eq!(plane.liveness(ask(None)).await, Liveness::Unknown, "without its secret nobody can tell");
    plane.contain().await;
    assert_eq!(plane.liveness(ask(None)).await, Liveness::Dead);
}
