//! What the server lists, and what is said of it.

use quell_core::{action::Action, signal::CredentialKind, target::TargetKind};
use quell_engine::port::{Connector, PlaneError};

use super::company::*;

#[tokio::test]
async fn an_entry_is_listed_with_its_password_its_connections_and_its_groups() {
    let plane = Plane::start().await;
    let mara = plane.company.mara.dn.as_str();
    let intruder = plane.intruder().await;
    let listed = plane.connector.enumerate(mara).await.expect("in scope");
    assert!(listed.at.is_some() && !listed.truncated);
    let one = |kind| listed.of(kind).next().unwrap_or_else(|| panic!("no {kind:?}"));
    let identity = one(TargetKind::Identity);
    assert_eq!((identity.native.as_str(), identity.facts["uid"].as_str(), identity.facts["can_login"].as_str()), (mara, "mara", "true"));
    assert!(identity.facts["object_classes"].contains("inetOrgPerson") && identity.facts["entry_uuid"].len() == 36);
    let password = one(TargetKind::Credential);
    assert_eq!((password.native.clone(), password.credential_kind), (format!("{mara}#password"), Some(CredentialKind::Password)));
    let session = one(TargetKind::Session);
    assert_eq!(session.facts["client_addr"], intruder.peer());
    assert!(session.started_at.is_some() && session.is_to_be_cut());
    let groups: Vec<&str> = listed.of(TargetKind::Entitlement).map(|f| f.facts["group"].as_str()).collect();
    assert_eq!(groups, [plane.company.finance.as_str(), plane.company.approvers.as_str()]);
    assert!(listed.of(TargetKind::Entitlement).all(|f| !f.is_delegation()), "what she may do is no way in");

    let billing = plane.connector.enumerate(&plane.company.billing.dn).await.expect("in scope");
    let facts = &billing.of(TargetKind::Identity).next().expect("a service account").facts;
    assert!(facts["object_classes"].contains("applicationProcess"));
}

#[tokio::test]
async fn what_is_locked_and_cut_is_listed_so() {
    let plane = Plane::start().await;
    let _intruder = plane.intruder().await;
    plane.contain().await;
    done(plane.act(Action::RequireStepUp, &plane.mara()).await);
    let listed = plane.connector.enumerate(&plane.company.mara.dn).await.expect("in scope");
    let facts = &listed.of(TargetKind::Identity).next().expect("it is there").facts;
    for (fact, value) in [("locked", "true"), ("can_login", "false"), ("must_change", "true"), ("cut", "everything"), ("passwords", "1")] {
        assert_eq!(facts[fact], value, "{fact}");
    }
    assert!(listed.of(TargetKind::Session).all(|s| s.facts["cut"] == "true"));
    assert_eq!(listed.of(TargetKind::Session).filter(|s| s.is_ours()).count(), 1, "the witness");
}

#[tokio::test]
async fn the_inventory_is_the_scope_and_nothing_else() {
    let plane = Plane::start().await;
    let listed = plane.connector.inventory().await.expect("listed");
    let mut names: Vec<&str> = listed.of(TargetKind::Identity).map(|f| f.native.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, [plane.company.billing.dn.as_str(), plane.company.jonas.dn.as_str(), plane.company.mara.dn.as_str()]);
    assert_eq!(listed.of(TargetKind::Credential).count(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_empty_and_what_is_not_in_scope_is_said() {
    let plane = Plane::start().await;
    let nobody = plane.connector.enumerate(&format!("uid=nobody,{}", plane.company.people)).await.expect("asked");
    assert!(nobody.found.is_empty());
    for dn in [&plane.config.control.identity, &plane.company.policy] {
        let said = plane.connector.enumerate(dn).await;
        assert!(matches!(&said, Err(PlaneError::NotPermitted { why, .. }) if why.contains("--scope")), "{dn}: {said:?}");
    }
}
