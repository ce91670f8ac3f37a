//! What a round proves about a real server, before and after containment.

use quell_core::{
    action::Action,
    proof::{Answer, Channel, Liveness, ProbeClass, Strength},
    secret::Secret,
};
use quell_engine::port::{Connector, ProbeRequest};

use crate::plane::*;

#[tokio::test]
async fn a_leaked_password_is_live_before_and_refused_with_28000_after() {
    let plane = Plane::start().await;
    let ask = |plane: &Plane| ProbeRequest { leaked: Some(plane.leaked()), leaked_was_right: true, ..about_app() };
    let (proved, round) = plane.judged(ask(&plane), None).await;
    assert_eq!(proved.liveness, Liveness::Live, "{round:#?}");

    let _session = plane.intruder().await;
    plane.contain().await;
    let (proved, round) = plane.judged(ask(&plane), None).await;
    assert_eq!((proved.liveness, proved.strength), (Liveness::Dead, Some(Strength::Exercised)), "{round:#?}");
    let login = round.iter().find(|o| o.class == ProbeClass::Login).expect("a login was tried");
    assert_eq!(login.answer, Answer::Refused { code: "28000".to_owned() });
    assert_eq!(login.channel, Channel::TlsPinned);
    assert!(login.control.as_ref().is_some_and(|c| c.alive && c.class == ProbeClass::Login) && login.authoritative);
    let read = round.iter().find(|o| o.class == ProbeClass::Read).expect("the state was read");
    assert!(matches!(read.answer, Answer::Enforced { .. }), "{read:#?}");
    assert!(read.plane_clock.is_some_and(|c| (c.as_second() - now().as_second()).abs() < 60));
}
