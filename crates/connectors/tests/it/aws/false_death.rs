//! What looks like a death and is none.

use quell_connectors::aws::Reach;
use quell_core::{
    action::Action,
    proof::{Answer, Liveness},
};
use quell_engine::port::{Connector, ProbeRequest};
use quell_lab::aws::{Keys, policy};
use serde_json::json;

use super::plane::*;

/// A denial keeps nobody from being let in: a key that is active is live.
#[tokio::test]
async fn a_key_that_is_denied_everything_and_active_is_live() {
    let plane = Plane::start().await;
    let deny = json!([{ "Effect": "Deny", "Action": "*", "Resource": "*" }]);
    plane.account.policy("user/ci", "somebody-elses", &deny).await.expect("written");
    assert!(!plane.serves(&plane.leaked).await);
    plane.is_live(plane.about_leaked()).await;
    plane.is_live(plane.with_leaked()).await;
}

#[tokio::test]
async fn without_permission_to_log_in_a_state_that_is_read_proves_nothing() {
    let plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    let observed = ProbeRequest { may_login: false, ..plane.about_leaked() };
    plane.is_unknown(observed, "not armed").await;
    let (_, round) = judged(&plane.connector, ProbeRequest { may_login: false, ..plane.with_leaked() }, None).await;
    assert_eq!(round.len(), 1, "no use, and no question with a wrong secret: {round:#?}");
    plane.is_dead(plane.about_leaked()).await;
}

/// The control is cut, by us or by somebody else: nothing is proved until it lives again.
#[tokio::test]
async fn without_a_living_control_nothing_is_proved() {
    let plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    let (outcome, of_sessions) = plane.act_held(Action::TerminateSessions, &sessions("user/ci")).await;
    done(outcome);
    plane.is_dead(of_sessions.clone()).await;
    let control = Keys::known(plane.config.control.secret.expose().split_once(':').expect("a pair").0, "");
    plane.set_key("quell-control", &control, "Inactive").await;
    plane.is_unknown(plane.about_leaked(), "control").await;
    plane.is_unknown(of_sessions.clone(), "control").await;
    assert!(!plane.connector.check().await.control_alive);
    plane.set_key("quell-control", &control, "Active").await;
    plane.is_dead(plane.about_leaked()).await;

    // The key that must be refused is let in: nobody knows any more what a state is worth.
    let listed = plane.account.admin("ListAccessKeys", &[("UserName", "quell-control")]).await.expect("listed");
    let off = listed.xml.split("<AccessKeyId>").skip(1).filter_map(|rest| rest.split('<').next());
    let off = Keys::known(off.into_iter().find(|id| *id != control.id).expect("the other key"), "");
    plane.set_key("quell-control", &off, "Active").await;
    plane.is_unknown(plane.about_leaked(), "no inactive key").await;
    plane.set_key("quell-control", &off, "Inactive").await;

    // The roles by which it is seen whether policies count.
    let open = json!([{ "Effect": "Deny", "Action": "*", "Resource": "*" }]);
    plane.account.policy("role/quell-control-open", "denied", &open).await.expect("written");
    plane.is_unknown(of_sessions.clone(), "quell-control-open").await;
    plane.account.admin("DeleteRolePolicy", &[("RoleName", "quell-control-open"), ("PolicyName", "denied")]).await.expect("gone");
    plane.is_dead(of_sessions.clone()).await;
    let shut = [("RoleName", "quell-control-shut"), ("PolicyName", "AWSRevokeOlderSessions")];
    plane.account.admin("DeleteRolePolicy", &shut).await.expect("gone");
    plane.is_unknown(of_sessions, "does not go by when a session was issued").await;
    assert!(!plane.connector.check().await.privileges.missing.is_empty());
}

/// Somebody narrows the policy that denies sessions, or it stood there before.
#[tokio::test]
async fn a_policy_that_is_narrower_or_older_denies_nothing_that_is_meant() {
    let plane = Plane::start().await;
    let session = plane.account.assume(&plane.leaked, "deploy").await.expect("assumed");
    let of_age = |action: &str, than: &str| {
        json!([{ "Effect": "Deny", "Action": action, "Resource": "*",
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": than } } }])
    };
    // One of an incident of before.
    plane.account.policy("role/deploy", "AWSRevokeOlderSessions", &of_age("*", "2020-01-01T00:00:00Z")).await.expect("written");
    let target = sessions("role/deploy");
    let (before, _) = plane.connector.read(&target).await.expect("read");
    let asked = ProbeRequest { before: Some(before), ..about(target.clone(), "role/deploy") };
    plane.is_unknown(asked, "only what was issued before 2020").await;
    plane.is_unknown(about(target.clone(), "role/deploy"), "nobody read which sessions").await;
    assert!(plane.serves(&session).await);

    let (outcome, asked) = plane.act_held(Action::TerminateSessions, &target).await;
    done(outcome);
    plane.is_dead(asked.clone()).await;
    plane.account.policy("role/deploy", "AWSRevokeOlderSessions", &of_age("s3:*", "2999-01-01T00:00:00Z")).await.expect("written");
    assert!(plane.serves(&session).await, "the trap: it is served again");
    plane.is_unknown(asked, "no policy denies").await;
    let none = policy(&json!([]));
    assert!(none.contains("Statement"));
}

/// A plane that does not say who it is: nothing that it says is a proof, and nobody's
/// secret is sent to it.
#[tokio::test]
async fn over_a_channel_that_proves_nobody_nothing_is_proved() {
    let plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    let other = quell_lab::ca::Ca::new("another authority").expect("made");
    let wrong_ca = plane.connector(|c| {
        if let Reach::Tls { ca_pem, .. } = &mut c.reach {
            *ca_pem = other.pem().to_owned();
        }
    });
    unknown(&wrong_ca, plane.with_leaked(), "").await;
    assert!(!wrong_ca.check().await.reachable);

    // Clear, to the very server: everything is answered, and nothing of it is a proof.
    let port = plane.account.clear_port();
    let clear = plane.connector(|c| c.reach = Reach::Clear { host: "localhost".into(), port, address: Some([127, 0, 0, 1].into()) });
    let (proved, round) = judged(&clear, plane.with_leaked(), None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(round.iter().any(|o| matches!(o.answer, Answer::Refused { .. })), "it was answered: {round:#?}");
    assert!(proved.reason.contains("does not prove who answer"), "{}", proved.reason);
}

/// A page that is not of the call that was made, or is no XML, is no answer.
#[tokio::test]
async fn another_calls_answer_is_none() {
    let plane = Plane::start().await;
    for (status, body) in [
        (200, "<html>welcome</html>"),
        (200, "<ListUsersResponse><ListUsersResult/></ListUsersResponse>"),
        (200, "{}"),
        (200, EVERYTHING),
        (403, "<html><Code>InvalidClientTokenId</Code></html>"),
        (403, "<ErrorResponse><Error><Message>no code</Message></Error></ErrorResponse>"),
        (302, REFUSED),
        (503, REFUSED),
    ] {
        let (port, _run) = parrot(status, body).await;
        let clear = plane.connector(|c| c.reach = Reach::Clear { host: "localhost".into(), port, address: Some([127, 0, 0, 1].into()) });
        let (_, round) = judged(&clear, plane.about_leaked(), None).await;
        assert!(round.iter().all(|o| matches!(o.answer, Answer::Inconclusive { .. })), "{status} {body}: {round:#?}");
        let outcome = act(&clear, attempt(Action::SuspendIdentity, &user("ci"))).await;
        assert!(!matches!(outcome, quell_engine::port::Outcome::Done { .. }), "{status} {body}: {outcome:?}");
    }
}

/// Whatever is asked for stands in it, and it is the answer of no call.
const EVERYTHING: &str = "<WelcomeResponse><UserName>ci</UserName><UserId>AIDA1</UserId><Arn>arn:aws:iam::1:user/ci</Arn><IsTruncated>false</IsTruncated><AccessKeyMetadata/><PolicyDocument>{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}]}</PolicyDocument></WelcomeResponse>";

const REFUSED: &str =
    "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>";

/// Answers everything alike, in the clear.
async fn parrot(status: u16, body: &str) -> (u16, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let answer = String::from_utf8(quell_lab::relay::answer(status, body)).expect("text");
    let run = tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut some = [0; 65536];
                let _ = near.read(&mut some).await;
                let _ = near.write_all(answer.as_bytes()).await;
                let _ = near.shutdown().await;
            });
        }
    });
    (port, run)
}
