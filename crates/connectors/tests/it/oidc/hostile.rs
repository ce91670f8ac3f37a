//! Names and texts from outside, and what is out of reach.

use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Connector, Outcome, ProbeRequest};

use super::plane::*;

const HOSTILE: [&str; 18] = [
    "",
    " ",
    ".",
    "..",
    "../clients/ci",
    "alice/../bob",
    "alice/sessions",
    "%2e%2e/clients/ci",
    "alice%2Fsessions",
    "a?limit=0",
    "a#b",
    "nul\0byte",
    "new\nline\u{1b}[2J",
    "\u{202e}ecila",
    "__proto__",
    "constructor",
    "o'neil\"<b>",
    "{{7*7}}",
];

#[tokio::test]
async fn hostile_names_reach_nothing_and_change_nothing() {
    let plane = Plane::start().await;
    assert!(plane.connector.check().await.control_alive);
    let before = plane.state().await;
    let long = "x".repeat(10_000);
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        let natives = [
            (TargetKind::Identity, vec![name.to_owned(), format!("client:{name}")]),
            (
                TargetKind::Credential,
                vec![
                    format!("{name}#password"),
                    format!("client:{name}#password"),
                    format!("{name}#grant:x"),
                    format!("alice#grant:{name}"),
                    format!("alice#token:{name}"),
                    format!("alice#jwt:{name}:x"),
                    format!("alice#jwt:1:{name}"),
                ],
            ),
            (TargetKind::Session, vec![format!("session:x>{name}"), format!("session:{name}>alice")]),
            (TargetKind::Entitlement, vec![name.to_owned()]),
        ];
        for (kind, native) in natives.into_iter().flat_map(|(kind, all)| all.into_iter().map(move |native| (kind, native))) {
            let target = on(PLANE, kind, &native, "alice");
            for action in [
                Action::SuspendIdentity,
                Action::TerminateSessions,
                Action::RevokeCredential,
                Action::RotateCredential,
                Action::RequireStepUp,
                Action::Reinstate,
                Action::Restore,
            ] {
                changes_nothing(&plane.connector, with_secret(action, &target, &new_secret())).await;
            }
            let (proved, round) = judged(&plane.connector, about(target.clone(), "alice"), None).await;
            assert_ne!(proved.liveness, Liveness::Live, "{native:?}: {round:#?}");
            let _ = plane.connector.read(&target).await;
        }
        assert!(plane.connector.enumerate(name).await.is_err(), "{name:?}");
    }
    let after = plane.state().await;
    for part in ["accounts", "clients"] {
        assert_eq!(before[part], after[part]);
    }
    for model in ["Session", "Grant", "RefreshToken"] {
        assert_eq!(before["models"][model], after["models"][model], "{model}");
    }
}

#[tokio::test]
async fn odd_names_that_are_possible_are_contained_like_any_other() {
    let plane = Plane::start().await;
    for name in ["o'neil@corp.example", "auth0|5f7c", "a#b", "a>b", "50%", "a%2Fb", "\u{fc}ber", "x:y", "q?x=1"] {
        let path: String = name.bytes().map(|b| format!("%{b:02x}")).collect();
        let password = quell_lab::secret::Secret::generate().expect("made");
        let body = serde_json::json!({"password": password.reveal(), "otp": "", "email": ""});
        plane.server.lab(&format!("account/{path}"), body).await.expect("made");
        let mut browser = plane.server.browser();
        browser.log_in(&plane.web, name, &password, "", &[]).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let (session, grant) = (plane.session(name).await, plane.grant(name, "web").await);
        done(plane.act(Action::SuspendIdentity, &account(name)).await);
        done(plane.act(Action::TerminateSessions, &session).await);
        done(plane.act(Action::RevokeCredential, &grant).await);
        plane.is_dead(about(session, name)).await;
        plane.is_dead(about(grant, name)).await;
        assert!(!browser.is_in(&plane.web).await.expect("answered"), "{name}");
    }
}

/// A thing of somebody else's under this name is not this one's.
#[tokio::test]
async fn what_belongs_to_somebody_else_is_not_ended_under_this_name() {
    let mut plane = Plane::start().await;
    let swap = |native: &str| native.replace("bob", "alice");
    let session = plane.session("bob").await.native.value().map(swap).expect("named");
    let grant = plane.grant("bob", "web").await.native.value().map(swap).expect("named");
    let opaque = token("alice", &plane.bobs_tokens.access);
    for (action, target) in [
        (Action::TerminateSessions, on(PLANE, TargetKind::Session, &session, "alice")),
        (Action::RevokeCredential, credential(&grant, "alice")),
        (Action::RevokeCredential, opaque),
    ] {
        let (proved, round) = judged(&plane.connector, about(target.clone(), "alice"), None).await;
        assert_ne!(proved.liveness, Liveness::Live, "{round:#?}");
        changes_nothing(&plane.connector, attempt(action, &target)).await;
    }
    assert!(plane.bobs.is_in(&plane.web).await.expect("answered"));
    assert!(plane.bobs.is_active(&plane.web, &plane.bobs_tokens.access).await.expect("answered"));
}

#[tokio::test]
async fn quells_own_the_control_and_what_is_protected_are_out_of_reach() {
    let plane = Plane::start().await;
    let connector = plane.connector(|c| c.protected = vec!["bob".to_owned(), "client:ci".to_owned()]);
    let control = plane.connector.enumerate("quell-control").await.expect("listed");
    for name in ["quell-control", "client:quell-control", "client:quell", "bob", "client:ci"] {
        assert!(connector.protected(name).is_some(), "{name}");
        let target = on(PLANE, TargetKind::Identity, name, name);
        for action in [Action::SuspendIdentity, Action::TerminateSessions, Action::RequireStepUp, Action::Reinstate, Action::Restore] {
            let before = Some(quell_core::target::Reading::default());
            let one = quell_engine::port::Attempt { before, ..with_secret(action, &target, &new_secret()) };
            let outcome = act(&connector, one).await;
            assert!(matches!(outcome, Outcome::Refused { .. }), "{name} {action:?}: {outcome:?}");
        }
        let outcome = act(&connector, with_secret(Action::RotateCredential, &password(name), &new_secret())).await;
        assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("protected")), "{name}: {outcome:?}");
    }
    for found in control.found.iter().filter(|f| f.kind != TargetKind::Identity) {
        let target = on(PLANE, found.kind, &found.native, "quell-control");
        let action = if found.kind == TargetKind::Session { Action::TerminateSessions } else { Action::RevokeCredential };
        let outcome = act(&connector, attempt(action, &target)).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{}: {outcome:?}", found.native);
    }
    assert!(connector.protected("alice").is_none());
    assert!(connector.check().await.control_alive);
    let request = ProbeRequest { may_login: false, ..about(account("alice"), "alice") };
    unknown(&connector, request, "it is not suspended").await;
}
