//! What a round proves about a real server, before and after containment.

use quell_core::{
    action::Action,
    proof::{Answer, Channel, Liveness, Observation, ProbeClass, Strength, judge},
    secret::Secret,
};
use quell_engine::port::{Connector, Outcome, ProbeRequest};
use quell_lab::postgres::{Options, scram_everywhere};

use crate::plane::*;

fn leaked(plane: &Plane) -> ProbeRequest {
    ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..about_app() }
}

fn of(round: &[Observation], class: ProbeClass) -> &Observation {
    round.iter().find(|o| o.class == class).unwrap_or_else(|| panic!("no {class:?} in {round:#?}"))
}

#[tokio::test]
async fn a_leaked_password_is_live_before_and_refused_with_28000_after() {
    let plane = Plane::start().await;
    let (proved, round) = plane.judged(leaked(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Live, "{round:#?}");

    let _session = plane.intruder().await;
    plane.contain().await;
    let (proved, round) = plane.judged(leaked(&plane), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    let login = of(&round, ProbeClass::Login);
    assert_eq!(login.answer, Answer::Refused { code: "28000".to_owned() });
    assert_eq!(login.channel, Channel::TlsPinned);
    assert!(login.control.as_ref().is_some_and(|c| c.alive && c.class == ProbeClass::Login) && login.authoritative);
    let read = of(&round, ProbeClass::Read);
    assert!(matches!(read.answer, Answer::Enforced { .. }), "{read:#?}");
    assert!(read.plane_clock.is_some_and(|c| (c.as_second() - now().as_second()).abs() < 60));
}

#[tokio::test]
async fn without_the_secret_death_is_enforced_and_only_when_nobody_can_act_as_the_role() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE deploy LOGIN; GRANT billing_app TO deploy").await;
    let session = plane.intruder().await;

    let (proved, _) = plane.judged(about_app(), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "login is enabled");
    done(plane.act(Action::SuspendIdentity, &identity(APP)).await);
    let (proved, _) = plane.judged(about_app(), None).await;
    assert!(proved.liveness == Liveness::Unknown && proved.reason.contains("1 of its sessions"), "{proved:?}");

    done(plane.act(Action::TerminateSessions, &identity(APP)).await);
    drop(session);
    let (proved, _) = plane.judged(about_app(), None).await;
    assert!(proved.liveness == Liveness::Unknown && proved.reason.contains("1 roles may still act"), "{proved:?}");

    done(plane.act(Action::RemoveEntitlement, &entitlement("member:deploy>billing_app")).await);
    let (proved, round) = plane.judged(about_app(), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{proved:?}");
    assert_eq!(round.len(), 1, "no login was tried without a secret: {round:#?}");
}

#[tokio::test]
async fn a_member_of_a_member_may_act_as_the_role_too() {
    let plane = Plane::start().await;
    plane.sql("CREATE ROLE middle NOLOGIN; CREATE ROLE far LOGIN; GRANT billing_app TO middle; GRANT middle TO far").await;
    plane.contain().await;
    let (proved, _) = plane.judged(about_app(), None).await;
    assert!(proved.liveness == Liveness::Unknown && proved.reason.contains("1 roles"), "{proved:?}");
    // It is real: the locked role works on through the member.
    plane.sql("ALTER ROLE far PASSWORD 'x'; SET ROLE far; SET ROLE billing_app; RESET ROLE").await;
    plane.sql("ALTER ROLE far NOLOGIN").await;
    let (proved, _) = plane.judged(about_app(), None).await;
    assert_eq!(proved.liveness, Liveness::Dead, "a member that cannot log in and has no session is no way in: {proved:?}");
}

#[tokio::test]
async fn a_wrong_password_proves_nothing_whether_the_role_is_locked_or_not() {
    let plane = Plane::start().await;
    let guess = || ProbeRequest { leaked: Some(Secret::new("a guess")), ..about_app() };
    let mut answers = Vec::new();
    for locked in [false, true] {
        if locked {
            plane.contain().await;
        }
        let round = plane.connector.probe(&guess()).await;
        let login = of(&round, ProbeClass::Login);
        assert!(login.control.as_ref().is_some_and(|c| c.alive), "the control is alive, so only the answer can make it unknown");
        assert_eq!(judge(login, None, 250).liveness, Liveness::Unknown, "{login:#?}");
        answers.push(login.answer.clone());
    }
    assert_eq!(answers[0], answers[1], "both are 28P01: a locked role answers like an open one");
}

#[tokio::test]
async fn a_throw_away_set_before_the_lock_is_seen_to_work_and_then_refused_with_28000() {
    let plane = Plane::start().await;
    let throw_away = new_secret();
    done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &throw_away)).await);
    let ask = || ProbeRequest { throw_away: Some(throw_away.clone()), ..about_app() };
    let (proved, _) = plane.judged(ask(), None).await;
    assert_eq!(proved.liveness, Liveness::Live, "it logs in before the lock");

    plane.contain().await;
    let (proved, round) = plane.judged(ask(), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    assert_eq!(of(&round, ProbeClass::Login).answer, Answer::Refused { code: "28000".to_owned() });

    // Somebody else replaced it: then it is a wrong password, and says nothing.
    plane.sql("ALTER ROLE billing_app PASSWORD 'somebody'").await;
    let round = plane.connector.probe(&ask()).await;
    assert_eq!(judge(of(&round, ProbeClass::Login), None, 250).liveness, Liveness::Unknown);
}

#[tokio::test]
async fn rotated_only_is_refused_with_28p01_where_the_leaked_secret_was_right() {
    let plane = Plane::start().await;
    done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &new_secret())).await);
    let (proved, round) = plane.judged(leaked(&plane), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    assert_eq!(of(&round, ProbeClass::Login).answer, Answer::Refused { code: "28P01".to_owned() });
}

#[tokio::test]
async fn rotated_only_and_unknown_needs_another_verifier_a_strict_pg_hba_and_no_old_session() {
    let mut plane = Plane::start().await;
    let (before, before_secrets) = plane.connector.read(&credential(APP)).await.expect("it is in scope");
    let ask = || ProbeRequest { before: Some(before.clone()), before_secrets: before_secrets.clone(), ..about_app() };
    let session = plane.intruder().await;
    let unknown = async |plane: &Plane, word: &str| {
        let (proved, _) = plane.judged(ask(), None).await;
        assert!(proved.liveness == Liveness::Unknown && proved.reason.contains(word), "wanted `{word}`: {proved:?}");
    };

    unknown(&plane, "the stored verifier is the old one").await;
    done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(APP), &new_secret())).await);
    let (proved, _) = plane.judged(about_app(), None).await;
    assert!(proved.reason.contains("former verifier is not at hand"), "{proved:?}");
    unknown(&plane, "1 sessions of before").await;
    drop(session);
    done(plane.act(Action::TerminateSessions, &identity(APP)).await);

    for (line, word) in [
        ("host all billing_app 127.0.0.1/32 trust", "host trust"),
        ("local all all peer", "local peer"),
        ("hostssl all +app_rw 127.0.0.1/32 cert", "hostssl cert"),
        ("local all billing_app,other ident", "local peer"),
        ("host all all 10.0.0.0/8 pam", "host pam"),
        ("not a line at all", "not understood"),
    ] {
        let mut lines = scram_everywhere();
        lines.push(line.to_owned());
        plane.server.set_hba(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("it reloads");
        unknown(&plane, word).await;
    }
    for line in ["local all reporting peer", "host all +pg_monitor 127.0.0.1/32 trust", "host all all 192.0.2.1/32 reject"] {
        let mut lines = scram_everywhere();
        lines.push(line.to_owned());
        plane.server.set_hba(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("it reloads");
        let (proved, _) = plane.judged(ask(), None).await;
        assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{line}: {proved:?}");
    }
}

#[tokio::test]
async fn nothing_is_proved_before_the_settle_time_is_over() {
    let plane = Plane::start().await;
    plane.contain().await;
    let acted_at = now();
    let (proved, _) = plane.judged(leaked(&plane), Some(acted_at)).await;
    assert!(proved.liveness == Liveness::Unknown && proved.reason.contains("settle"), "{proved:?}");
    let settle_ms = plane.connector.manifest().settle_ms;
    assert!(settle_ms > 0);
    tokio::time::sleep(std::time::Duration::from_millis(settle_ms as u64 + 5)).await;
    let (proved, _) = plane.judged(leaked(&plane), Some(acted_at)).await;
    assert_eq!(proved.liveness, Liveness::Dead, "{proved:?}");
}

#[tokio::test]
async fn a_role_that_was_re_enabled_behind_our_back_is_usable_again() {
    let plane = Plane::start().await;
    let (before, before_secrets) = plane.contain().await;
    let (proved, _) = plane.judged(leaked(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Dead);

    plane.sql("ALTER ROLE billing_app LOGIN").await;
    let (proved, _) = plane.judged(leaked(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Live, "by a login");
    // In observe no login is tried; the read alone sees it, where the secret is known to be right.
    let read_only = |was_right| ProbeRequest {
        may_login: false,
        leaked_was_right: was_right,
        before: Some(before.clone()),
        before_secrets: before_secrets.clone(),
        ..leaked(&plane)
    };
    let (proved, round) = plane.judged(read_only(true), None).await;
    assert_eq!((proved.liveness, round.len()), (Liveness::Live, 1), "by the read: {round:#?}");
    let (proved, _) = plane.judged(read_only(false), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "enabled, and nobody knows that the secret was right");
}

#[tokio::test]
async fn in_observe_no_login_reaches_the_server() {
    let plane = Plane::with(Options { log_connections: true, ..Options::default() }, |_| {}).await;
    let ask = ProbeRequest { may_login: false, throw_away: Some(new_secret()), ..leaked(&plane) };
    assert_eq!(plane.connector.probe(&ask).await.len(), 1);
    let own = ProbeRequest { may_login: false, own: Some(new_secret()), ..about_app() };
    assert_eq!(plane.judged(own, None).await.0.liveness, Liveness::Unknown);
    let log = plane.server.log().expect("there is a log");
    assert!(log.contains("user=quell "), "logins are in the log");
    assert!(!log.contains("user=billing_app") && !log.contains("user=quell_control"), "{log}");
}

#[tokio::test]
async fn a_28000_of_pg_hba_is_not_a_28000_of_the_role() {
    let mut plane = Plane::start().await;
    let mut lines = vec!["host all billing_app 127.0.0.1/32 reject".to_owned()];
    lines.extend(scram_everywhere());
    plane.server.set_hba(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await.expect("it reloads");
    let (proved, round) = plane.judged(leaked(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "the role is open, only not from here: {round:#?}");
    assert!(of(&round, ProbeClass::Login).control.as_ref().is_some_and(|c| c.alive));
}

#[tokio::test]
async fn an_accepted_password_is_live_also_where_this_database_is_closed_to_it() {
    let plane = Plane::start().await;
    plane.sql("REVOKE CONNECT ON DATABASE billing FROM PUBLIC").await;
    let (proved, round) = plane.judged(leaked(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Live, "it opens every other database: {round:#?}");
}

#[tokio::test]
async fn a_full_server_says_neither_yes_nor_no() {
    let plane = Plane::start().await;
    plane.sql("ALTER ROLE billing_app CONNECTION LIMIT 0").await;
    let (proved, round) = plane.judged(leaked(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "53300 is not a refusal: {round:#?}");
}

#[tokio::test]
async fn a_session_is_usable_while_it_is_listed_and_enforced_dead_after() {
    let plane = Plane::start().await;
    let client = plane.intruder().await;
    let listed = plane.connector.enumerate(APP).await.expect("it is in scope");
    let native = &listed.of(quell_core::target::TargetKind::Session).next().expect("one session").native;
    let ask = || about(session(native), APP);
    let (proved, _) = plane.judged(ask(), None).await;
    assert_eq!(proved.liveness, Liveness::Live);

    // The same process with another start is another session.
    let other = native.replace('@', "@1");
    let (proved, _) = plane.judged(about(session(&other), APP), None).await;
    assert_eq!(proved.liveness, Liveness::Dead);

    done(plane.act(Action::TerminateSessions, &session(native)).await);
    let (proved, round) = plane.judged(ask(), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{round:#?}");
    let listing = of(&round, ProbeClass::Listing);
    assert!(listing.control.as_ref().is_some_and(|c| c.class == ProbeClass::Listing && c.alive), "{listing:#?}");
    assert!(client.query_one("SELECT 1", &[]).await.is_err(), "and it is so");
}

#[tokio::test]
async fn a_dropped_role_is_dead_only_when_its_sessions_are_gone() {
    let plane = Plane::start().await;
    let _session = plane.intruder().await;
    plane.sql("DROP ROLE billing_app").await;
    let (proved, _) = plane.judged(about_app(), None).await;
    assert!(proved.liveness == Liveness::Unknown && proved.reason.contains("sessions of it are left"), "{proved:?}");
    plane.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND usename IS NULL").await;
    let (proved, _) = plane.judged(about_app(), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)), "{proved:?}");
    plane.sql("CREATE ROLE billing_app LOGIN").await;
    let (proved, _) = plane.judged(about_app(), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "another role of that name is not the one that was admitted");
}

#[tokio::test]
async fn a_membership_is_live_while_it_stands_and_dead_when_it_is_gone() {
    let plane = Plane::start().await;
    let target = entitlement("member:billing_app>app_rw");
    let (proved, _) = plane.judged(about(target.clone(), APP), None).await;
    assert_eq!(proved.liveness, Liveness::Live);
    let client = plane.intruder().await;
    client.query("SELECT * FROM payments", &[]).await.expect("a member reads");
    done(plane.act(Action::RemoveEntitlement, &target).await);
    let (proved, _) = plane.judged(about(target, APP), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Enforced)));
    let refused = client.query("SELECT * FROM payments", &[]).await.expect_err("the right goes at once");
    assert_eq!(refused.code().map(|c| c.code()), Some("42501"));

    let (proved, _) = plane.judged(about(entitlement("member:reporting>app_rw"), APP), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "neither is in scope");
}

#[tokio::test]
async fn what_is_not_in_scope_is_never_proved() {
    let plane = Plane::start().await;
    for role in ["reporting", "postgres", "nobody_of_that_name"] {
        let (proved, _) = plane.judged(about(credential(role), role), None).await;
        assert_eq!(proved.liveness, Liveness::Unknown, "{role}: {proved:?}");
        let outcome = plane.act(Action::SuspendIdentity, &identity(role)).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("42501")), "{role}: {outcome:?}");
        assert!(plane.connector.read(&credential(role)).await.is_err());
    }
    assert_eq!(
        plane.connector.read(&credential(APP)).await.map(|(_, s)| s.keys().cloned().collect::<Vec<_>>()),
        Ok(vec!["verifier".to_owned()])
    );
}
