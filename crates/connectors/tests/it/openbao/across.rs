//! From a leaked secret-id on one plane to the open sessions on another, each cut on
//! its own plane and in the order that leaves nothing behind.

use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Connector, Identified};

use super::plane::*;
use crate::plane as pg;

#[tokio::test]
async fn the_sessions_behind_a_lease_are_ended_there_before_the_lease_is_revoked_here() {
    let database = pg::Plane::start().await;
    let vault = Plane::with(|c| c.planes = [("database".to_owned(), "pg-main".to_owned())].into()).await;
    let admit = ["SELECT quell.admit('{{name}}')"];
    vault.estate.connect(&vault.server, &database.server, "billing", &admit).await.expect("the engine speaks to it");
    let token = vault.intruder().await;
    let lease = token.lease(&vault.server).await.expect("given");
    let open = database.server.connect(&lease.username, lease.password.reveal(), "billing").await.expect("the login works");

    // From the leaked value to the login on the other plane, before anything is cut.
    let Ok(Identified::Match { credential: leaked, identity: whose, .. }) = vault.connector.identify(&vault.leaked()).await else {
        panic!("the leaked value finds its identity")
    };
    assert_eq!((leaked.as_str(), whose.as_str()), (vault.leaked_native().as_str(), CI));
    let reach = vault.enumerate(&whose).await;
    let there = &reach.elsewhere[0];
    assert_eq!((there.plane.as_str(), there.kind), (database.connector.name(), TargetKind::Identity));
    let sessions = database.connector.enumerate(&there.native).await.expect("it was admitted when it was made");
    let sessions: Vec<String> = sessions.of(TargetKind::Session).map(|s| s.native.clone()).collect();
    assert_eq!(sessions.len(), 1, "the open session is found by its name, which it still has");

    // What mints before what was minted; there the lock before the sessions; then here the lease.
    vault.do_it(Action::SuspendIdentity, &identity(&whose)).await;
    vault.do_it(Action::RevokeCredential, &credential(&leaked)).await;
    done(database.act(Action::SuspendIdentity, &pg::identity(&there.native)).await);
    done(database.act(Action::TerminateSessions, &pg::identity(&there.native)).await);
    vault.do_it(Action::RevokeCredential, &credential(&there.from)).await;
    vault.do_it(Action::TerminateSessions, &identity(&whose)).await;

    assert!(open.query_one("SELECT 1", &[]).await.is_err(), "the session did not outlive its login");
    for dead in [credential(&leaked), credential(&there.from), session(&token.accessor)] {
        let (liveness, reason) = vault.liveness(&dead).await;
        assert_eq!(liveness, Liveness::Dead, "{}: {reason}", dead.native.shown());
    }
    let session = pg::target(TargetKind::Session, &sessions[0], &there.native);
    assert_eq!(pg::liveness(&database.connector, pg::about(session, &there.native)).await.0, Liveness::Dead);
    let (liveness, reason) = pg::liveness(&database.connector, pg::about(pg::credential(&there.native), &there.native)).await;
    assert_eq!(liveness, Liveness::Dead, "and the login is dropped, with no session left: {reason}");
}
