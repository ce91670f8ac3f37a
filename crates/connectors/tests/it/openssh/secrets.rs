//! No private key in anything that Quell says, or that the host keeps.

use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Connector, ProbeRequest};

use super::plane::*;

#[tokio::test]
async fn a_whole_containment_leaves_no_private_key_anywhere() {
    let plane = Plane::start().await;
    let made = plane.connector.shaped(new_secret());
    let mut said = String::new();
    let mut note = |text: String| said.push_str(&text);
    note(format!("{:?} {:?}", plane.connector, plane.config));
    note(format!("{:?}", plane.connector.identify(&Secret::new(plane.leaked.private())).await));
    note(format!("{:?}", plane.connector.enumerate("deploy").await));
    note(format!("{:?}", plane.connector.read(&key("deploy", &plane.leaked)).await));
    for one in [
        attempt(Action::SuspendIdentity, &account("deploy")),
        attempt(Action::RevokeCredential, &key("deploy", &plane.leaked)),
        with_secret(Action::Reinstate, &account("deploy"), &made),
    ] {
        note(format!("{one:?} {:?}", act(&plane.connector, one.clone()).await));
    }
    let request = ProbeRequest {
        leaked: Some(Secret::new(plane.leaked.private())),
        leaked_was_right: true,
        own: Some(made.clone()),
        ..plane.about_leaked()
    };
    note(format!("{request:?} {:?}", plane.connector.probe(&request).await));
    note(format!("{:?}", plane.connector.check().await));
    // A library's own message must quote no key either.
    note(format!(
        "{:?}",
        quell_connectors::openssh::OpenSsh::new(
            quell_connectors::openssh::OpenSshConfig { secret: Secret::new(&plane.leaked.private()[..200]), ..plane.config.clone() },
            std::sync::Arc::new(RealClock),
        )
        .map(|_| ())
    ));
    let secrets = [plane.leaked.private(), plane.config.secret.expose(), plane.config.control.secret.expose(), made.expose()];
    let lines =
        || secrets.iter().flat_map(|s| s.lines()).filter(|l| !l.starts_with('-') && l.len() > 30 && !l.starts_with("b3BlbnNzaC1rZXktdjE"));
    for line in lines() {
        assert!(!said.contains(line), "a private key was said");
    }
    let mut stack = vec![plane.server.dir().to_owned()];
    let mut read = 0;
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(dir).expect("read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                stack.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                read += 1;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                assert!(lines().all(|line| !text.contains(line)), "a private key is in `{}`", path.display());
            }
        }
    }
    assert!(read > 10);
}
