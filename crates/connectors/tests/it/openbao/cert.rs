//! A certificate that its CA revoked works on wherever nobody looks.

use quell_core::target::TargetKind;
use quell_core::{
    action::Action,
    proof::{Answer, Liveness, ProbeClass},
};
use serde_json::json;

use super::plane::*;

#[tokio::test]
async fn a_revoked_certificate_is_dying_until_it_ends_and_dead_by_the_servers_clock() {
    let plane = Plane::start().await;
    let issue = async |ttl: &str| {
        let made = plane.write("pki/issue/svc", json!({"common_name": "svc.example", "ttl": ttl})).await;
        (made["data"]["serial_number"].as_str().expect("a serial").to_owned(), made["data"]["expiration"].as_i64().expect("an end"))
    };
    let (serial, ends) = issue("1h").await;
    let native = format!("cert:pki/{serial}");
    let cert = target(TargetKind::Credential, &native, "pki:pki");
    assert!(natives(&plane.enumerate("pki:pki").await, TargetKind::Credential).contains(&native));
    let (liveness, reason) = plane.liveness(&cert).await;
    assert_eq!(liveness, Liveness::Live, "{reason}");
    plane.do_it(Action::RevokeCredential, &cert).await;
    assert_eq!(plane.do_it(Action::RevokeCredential, &cert).await.len(), 0, "twice is once");
    let (proved, round) = judged(&plane.connector, about(cert)).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "the CA's word is no proof: {round:#?}");
    assert_eq!(proved.residual_until.map(|t| t.as_second()), Some(ends + 60), "until its end and a careless party's leeway");
    assert!(round.iter().any(|o| o.class == ProbeClass::Record && matches!(o.answer, Answer::Recorded { .. })));

    let unknown = target(TargetKind::Credential, "cert:pki/00:01:02", "pki:pki");
    assert!(format!("{:?}", plane.act(Action::RevokeCredential, &unknown).await).contains("no certificate"));
    assert_eq!(plane.liveness(&unknown).await.0, Liveness::Unknown);
}
