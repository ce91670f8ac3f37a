//! Cleared attempts against the account, what they leave alone, and what outlives them.

use quell_core::{action::Action, target::TargetKind};
use quell_engine::port::{Connector, Outcome};

use super::plane::*;

#[tokio::test]
async fn what_is_declared_keeps_to_the_catalogue() {
    let plane = Plane::start().await;
    keeps_to_the_catalogue(&plane.connector);
    let declared: Vec<Action> = plane.connector.manifest().actions.iter().map(|a| a.action).collect();
    assert_eq!(declared, ACTIONS);
}

#[tokio::test]
async fn a_suspended_user_has_no_key_that_is_let_in_and_nobody_else_notices() {
    let plane = Plane::start().await;
    let second = plane.account.key("ci").await.expect("made");
    plane.is_live(plane.about_leaked()).await;
    let changed = done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    assert_eq!(changed.len(), 3, "two keys and a policy: {changed:?}");
    for keys in [&plane.leaked, &second] {
        let proved = plane.is_dead(about(key(keys, "user/ci"), "user/ci")).await;
        assert_eq!(proved.strength, Some(quell_core::proof::Strength::Exercised), "by its name alone");
        assert!(!plane.knows(keys).await && !plane.serves(keys).await);
    }
    plane.is_dead(plane.with_leaked()).await;
    plane.is_dead(about(user("ci"), "user/ci")).await;
    assert!(plane.serves(&plane.bystander).await);
    assert!(done(plane.act(Action::SuspendIdentity, &user("ci")).await).is_empty(), "twice is once");

    // Somebody makes it active again: one live answer, and it is live.
    plane.set_key("ci", &plane.leaked, "Active").await;
    plane.is_live(plane.about_leaked()).await;
    assert!(!plane.serves(&plane.leaked).await, "and it is denied everything meanwhile");
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    plane.is_dead(plane.about_leaked()).await;
}

/// The trap: what was made with a key lives on when the key is inactive, and deleted.
#[tokio::test]
async fn temporary_credentials_outlive_their_key_until_a_policy_denies_them_by_their_age() {
    let plane = Plane::start().await;
    let role = plane.account.assume(&plane.leaked, "deploy").await.expect("assumed");
    let own = plane.account.session(&plane.leaked).await.expect("made");
    let federated = plane.account.federate(&plane.leaked, MAY).await.expect("made");
    let all = [&role, &own, &federated];

    // A key revoked by itself: the failing case first.
    let changed = done(plane.act(Action::RevokeCredential, &key(&plane.leaked, "user/ci")).await);
    assert_eq!(changed.len(), 1, "{changed:?}");
    plane.is_dead(plane.about_leaked()).await;
    for keys in all {
        assert!(plane.serves(keys).await, "the trap: it lives on although its key is gone");
    }
    for identity in ["user/ci", "role/deploy"] {
        let (before, _) = plane.connector.read(&sessions(identity)).await.expect("read");
        let asked = quell_engine::port::ProbeRequest { before: Some(before), ..about(sessions(identity), identity) };
        plane.is_unknown(asked, "AWS lists no temporary credentials").await;
    }

    // The user's own, and those of federated users, go with the user; the role's do not.
    let (outcome, of_user) = plane.act_held(Action::TerminateSessions, &sessions("user/ci")).await;
    done(outcome);
    plane.is_dead(of_user).await;
    assert!(!plane.serves(&own).await && !plane.serves(&federated).await);
    assert!(plane.serves(&role).await, "the trap: a session of a role is the role's");
    assert!(plane.knows(&own).await, "the trap: who it is, AWS tells whatever is denied");

    let (outcome, of_role) = plane.act_held(Action::TerminateSessions, &sessions("role/deploy")).await;
    done(outcome);
    plane.is_dead(of_role).await;
    assert!(!plane.serves(&role).await);
}

/// Every session of a role is denied alike, and only those that are out: whoever may
/// assumes it anew.
#[tokio::test]
async fn a_session_that_is_issued_later_is_served_and_one_of_the_same_second_is_not() {
    let plane = Plane::start().await;
    let old = plane.account.assume(&plane.leaked, "deploy").await.expect("assumed");
    done(plane.act(Action::TerminateSessions, &sessions("role/deploy")).await);
    let same_second = plane.account.assume(&plane.leaked, "deploy").await.expect("assumed");
    assert!(!plane.serves(&old).await);
    let listed = plane.connector.enumerate("role/deploy").await.expect("listed");
    let one = listed.of(TargetKind::Session).next().expect("it stands for all");
    assert!(one.is_cut());
    let until: quell_core::time::Timestamp = one.facts["denied_if_issued_before"].parse().expect("a time");
    // By then that second may be over; where it is not, the trap is that it would be served.
    if now() < until {
        assert!(!plane.serves(&same_second).await, "issued before {until}");
    }
    while now() < quell_core::time::after(until, 1) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let new = plane.account.assume(&plane.leaked, "deploy").await.expect("assumed");
    assert!(plane.serves(&new).await);
    assert!(!plane.serves(&old).await);
}

/// The trap: whoever is in with a session and may change keys makes them active again.
/// The denial comes first, so that the session cannot.
#[tokio::test]
async fn a_session_of_an_administrator_cannot_undo_the_suspension() {
    let plane = Plane::start().await;
    let root = plane.account.user("root-like", &["*"]).await.expect("made");
    let session = plane.account.session(&root).await.expect("made");
    let reactivate = [("UserName", "root-like"), ("AccessKeyId", root.id.as_str()), ("Status", "Active")];
    let http = plane.account.http();
    plane.set_key("root-like", &root, "Inactive").await;
    let served = http.call(&session, "iam", "UpdateAccessKey", &reactivate).await.expect("answered");
    assert_eq!(served.status, 200, "the trap: an inactive key is made active by what was made with it");
    done(plane.act(Action::SuspendIdentity, &user("root-like")).await);
    let refused = http.call(&session, "iam", "UpdateAccessKey", &reactivate).await.expect("answered");
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
    let refused = http
        .call(&session, "iam", "DeleteUserPolicy", &[("UserName", "root-like"), ("PolicyName", "QuellSuspended")])
        .await
        .expect("answered");
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
    plane.is_dead(about(key(&root, "user/root-like"), "user/root-like")).await;
}

#[tokio::test]
async fn a_login_profile_is_deleted_and_outlives_a_suspension_until_then() {
    let plane = Plane::start().await;
    let password = quell_lab::secret::Secret::generate().expect("made");
    plane.account.admin("CreateLoginProfile", &[("UserName", "ci"), ("Password", password.reveal())]).await.expect("made");
    let target = credential("ci", "password");
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    plane.is_unknown(about(target.clone(), "user/ci"), "has a login profile").await;
    let listed = plane.connector.enumerate("user/ci").await.expect("listed");
    assert!(listed.found.iter().any(|f| f.native == "user/ci#password" && f.outlives_suspension()));
    done(plane.act(Action::RevokeCredential, &target).await);
    plane.is_dead(about(target.clone(), "user/ci")).await;
    assert!(done(plane.act(Action::RevokeCredential, &target).await).is_empty(), "twice is once");
}

#[tokio::test]
async fn what_is_protected_or_is_not_there_is_left_alone() {
    let plane = Plane::start().await;
    let own = quell_lab::aws::Keys::known(plane.config.secret.expose().split_once(':').expect("a pair").0, "");
    let control = quell_lab::aws::Keys::known(plane.config.control.secret.expose().split_once(':').expect("a pair").0, "");
    for (action, target) in [
        (Action::SuspendIdentity, user("quell")),
        // IAM compares names without case.
        (Action::SuspendIdentity, user("QUELL")),
        (Action::SuspendIdentity, user("quell-control")),
        (Action::TerminateSessions, sessions("role/quell-control-open")),
        (Action::RevokeCredential, key(&own, "user/quell")),
        (Action::RevokeCredential, key(&control, "user/quell-control")),
        (Action::RevokeCredential, credential("quell", "password")),
        (Action::SuspendIdentity, on(PLANE, TargetKind::Identity, "role/deploy", "role/deploy")),
    ] {
        let outcome = plane.act(action, &target).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{}: {outcome:?}", target.reference());
    }
    let nobody = quell_lab::aws::Keys::known("AKIAIOSFODNN7EXAMPLE", "");
    for one in [
        attempt(Action::SuspendIdentity, &user("nobody")),
        attempt(Action::TerminateSessions, &sessions("role/nobody")),
        attempt(Action::RevokeCredential, &key(&nobody, "user/nobody")),
        attempt(Action::RevokeCredential, &credential("nobody", "password")),
        attempt(Action::SuspendIdentity, &on(PLANE, TargetKind::Identity, "user/ci&UserName=backup", "user/ci")),
    ] {
        changes_nothing(&plane.connector, one).await;
    }
    assert!(plane.serves(&plane.leaked).await && plane.serves(&plane.bystander).await);
    assert!(plane.connector.check().await.control_alive);
    let mine = attempt(Action::SuspendIdentity, &user("ci"));
    takes_no_other_clearance(&plane.connector, &mine, &[attempt(Action::SuspendIdentity, &user("backup"))]).await;
    assert!(plane.serves(&plane.leaked).await);
}

#[tokio::test]
async fn what_became_of_each_attempt_is_read_before_and_after() {
    let plane = Plane::start().await;
    let held = async |action, target: &_| {
        let (before, _) = plane.connector.read(target).await.expect("read");
        quell_engine::port::Attempt { before: Some(before), ..attempt(action, target) }
    };
    is_read_before_and_after(&plane.connector, held(Action::SuspendIdentity, &user("ci")).await).await;
    is_read_before_and_after(&plane.connector, held(Action::TerminateSessions, &sessions("user/ci")).await).await;
    is_read_before_and_after(&plane.connector, held(Action::TerminateSessions, &sessions("role/deploy")).await).await;
    is_read_before_and_after(&plane.connector, held(Action::RevokeCredential, &key(&plane.leaked, "user/ci")).await).await;
}

/// A fence leaves keys and sessions in and lets them do nothing; what shows it is a use
/// that is refused, where the fence stands.
#[tokio::test]
async fn a_fence_is_proved_by_a_use_that_is_refused_and_taken_back_exactly() {
    let plane = Plane::start().await;
    let (own, role) =
        (plane.account.session(&plane.leaked).await.expect("made"), plane.account.assume(&plane.leaked, "deploy").await.expect("assumed"));
    let permissions = on(PLANE, TargetKind::Entitlement, "user/ci#permissions", "user/ci");
    let leaked = plane.with_leaked().leaked;
    let asked = quell_engine::port::ProbeRequest { leaked, ..about(permissions.clone(), "user/ci") };
    plane.is_live(asked.clone()).await;
    plane.is_unknown(about(permissions, "user/ci"), "no key of it is at hand").await;
    let (before, _) = plane.connector.read(&user("ci")).await.expect("read");
    is_read_before_and_after(&plane.connector, attempt(Action::RestrictAccess, &user("ci"))).await;
    assert!(done(plane.act(Action::RestrictAccess, &user("ci")).await).is_empty(), "twice is once");
    let proved = plane.is_dead(asked.clone()).await;
    assert_eq!(proved.strength, Some(quell_core::proof::Strength::Exercised));
    assert!(!plane.serves(&plane.leaked).await && !plane.serves(&own).await && plane.knows(&plane.leaked).await);
    plane.is_live(plane.about_leaked()).await;
    assert!(plane.serves(&role).await, "the trap: a session of a role is the role's");

    // The role is fenced by itself, with every session that it has and will have.
    done(plane.act(Action::RestrictAccess, &on(PLANE, TargetKind::Identity, "role/deploy", "role/deploy")).await);
    assert!(!plane.serves(&role).await);

    let restore = quell_engine::port::Attempt { before: Some(before), ..attempt(Action::Restore, &user("ci")) };
    is_read_before_and_after(&plane.connector, restore).await;
    plane.is_live(asked.clone()).await;
    // A use that is refused where no fence stands may never have been allowed.
    plane
        .account
        .policy("user/ci", "allowed", &serde_json::json!([{ "Effect": "Allow", "Action": "sts:*", "Resource": "*" }]))
        .await
        .expect("written");
    plane.is_unknown(asked, "no fence stands").await;

    // Somebody made another policy of that name: it is no fence.
    let arn = format!("arn:aws:iam::{}:policy/QuellFence", plane.account.number().await.expect("answered"));
    let all = quell_lab::aws::policy(&serde_json::json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]));
    let version = [("PolicyArn", arn.as_str()), ("PolicyDocument", all.as_str()), ("SetAsDefault", "true")];
    plane.account.admin("CreatePolicyVersion", &version).await.expect("written");
    let outcome = plane.act(Action::RestrictAccess, &user("backup")).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("does not deny everything")), "{outcome:?}");
    assert!(!plane.connector.check().await.privileges.missing.is_empty());
}
