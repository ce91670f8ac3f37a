//! A server that says yes and does not: whatever is done there, nothing of it is called
//! dead.

use quell_core::{action::Action, proof::Liveness};
use quell_engine::port::Connector;
use quell_lab::aws::Kind;

use super::plane::*;

#[tokio::test]
async fn a_plane_that_takes_inactive_keys_and_reads_no_time_of_issue_never_ends_in_dead() {
    let plane = Plane::of(Kind::Careless).await;
    let session = plane.account.assume(&plane.leaked, "deploy").await.expect("assumed");
    let check = plane.connector.check().await;
    assert!(check.reachable && !check.control_alive, "{check:#?}");
    let said = check.warnings.join("; ");
    assert!(said.contains("does not go by the state of keys") && said.contains("quell-control-open"), "{said}");

    // The status code says that it is done; the key is let in.
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    assert!(plane.knows(&plane.leaked).await, "the lie");
    plane.is_live(plane.about_leaked()).await;
    plane.is_live(plane.with_leaked()).await;
    plane.is_unknown(about(user("ci"), "user/ci"), "does not go by the state of keys").await;

    // Of sessions it denies too many, and so it is not what was meant either.
    for identity in ["role/deploy", "user/ci"] {
        let (outcome, asked) = plane.act_held(Action::TerminateSessions, &sessions(identity)).await;
        done(outcome);
        let (proved, round) = plane.settled(asked).await;
        assert_ne!(proved.liveness, Liveness::Dead, "{identity}: {round:#?}");
    }
    assert!(!plane.serves(&session).await, "the denial of a moment hits it whenever it was issued");

    // It is gone at last, and even that is not called a death here: the control is not alive.
    done(plane.act(Action::RevokeCredential, &key(&plane.leaked, "user/ci")).await);
    for request in [plane.about_leaked(), plane.with_leaked()] {
        let (proved, round) = plane.settled(request).await;
        assert_ne!(proved.liveness, Liveness::Dead, "{round:#?}");
    }
    assert!(plane.connector.manifest().settle_ms > 0);
}
