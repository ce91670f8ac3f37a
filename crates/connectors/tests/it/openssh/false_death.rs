//! What must never be called a death.

use quell_core::{
    action::Action,
    proof::{Liveness, ProbeClass},
};
use quell_engine::port::Connector;
use quell_lab::openssh::KeyPair;

use super::plane::*;

/// Measured: without the list sshd refuses every key, so a refusal says nothing.
#[tokio::test]
async fn a_missing_or_unreadable_list_locks_everybody_out_and_proves_nothing() {
    let plane = Plane::start().await;
    done(plane.act(Action::SuspendIdentity, &account("deploy")).await);
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    let (list, away) = (plane.server.etc("krl"), plane.server.etc("krl.away"));
    for (break_it, word) in [("missing", "is missing"), ("unreadable", "is unreadable"), ("garbage", "is unreadable"), ("text", "is other")]
    {
        std::fs::rename(&list, &away).expect("moved");
        match break_it {
            "unreadable" => {
                std::fs::write(&list, std::fs::read(&away).expect("read")).expect("written");
                std::fs::set_permissions(&list, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("closed");
            }
            "garbage" => std::fs::write(&list, b"SSHKRL\n\0 and then nothing").expect("written"),
            "text" => std::fs::write(&list, "not a key\n").expect("written"),
            _ => {}
        }
        if break_it != "text" {
            assert!(!plane.lets_in("backup", &plane.bystander, None).await, "the trap: {break_it} locks everybody out");
        }
        for request in [plane.about_leaked(), plane.about_alice(), about(key("backup", &plane.bystander), "backup")] {
            let (proved, round) = judged(&plane.connector, request, None).await;
            assert_ne!(proved.liveness, Liveness::Dead, "{break_it}: {round:#?}");
        }
        // Quell's own way in is not bound by the list, so somebody can say what it is.
        let check = plane.connector.check().await;
        assert!(check.reachable, "{break_it}: {check:?}");
        assert!(check.warnings.iter().any(|w| w.contains(word)), "{break_it}: {:?}", check.warnings);
        assert!(check.privileges.missing.iter().any(|m| m.contains("list of refused keys")), "{break_it}: {:?}", check.privileges.missing);
        let outcome = plane.act(Action::RevokeCredential, &key("deploy", &plane.rightful)).await;
        assert!(matches!(outcome, quell_engine::port::Outcome::Refused { .. }), "{break_it}: {outcome:?}");
        let _ = std::fs::remove_file(&list);
        std::fs::rename(&away, &list).expect("moved back");
    }
    plane.is_dead(plane.about_leaked()).await;
    assert!(plane.connector.check().await.control_alive);
}

/// The control is refused in the same round: whatever else is refused says nothing.
#[tokio::test]
async fn nothing_is_dead_where_the_control_is_not_alive() {
    let plane = Plane::start().await;
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    let keys = plane.file("etc/keys/quell-control");
    let refused = keys.lines().nth(1).expect("two keys").to_owned();
    plane.write("etc/keys/quell-control", &format!("{refused}\n"));
    unknown(&plane.connector, plane.about_leaked(), "control was not alive").await;
    plane.write("etc/keys/quell-control", &keys);
    plane.is_dead(plane.about_leaked()).await;
}

/// sshd reads its settings when it starts: a file that says "refused" is not a refusal.
#[tokio::test]
async fn an_sshd_that_does_not_go_by_its_files_is_found_out() {
    let plane = Plane::start().await;
    let drop_in = plane.file("conf.d/10-quell.conf");
    // It is told to take no list, and the file is put back without telling it.
    plane.write(
        "conf.d/10-quell.conf",
        &drop_in.replace(
            &format!("RevokedKeys {}/krl", plane.server.etc("").display().to_string().trim_end_matches('/')),
            "RevokedKeys /dev/null",
        ),
    );
    plane.server.reload().expect("reloaded");
    plane.write("conf.d/10-quell.conf", &drop_in);
    let target = plane.of_certificate("alice", 1001);
    done(plane.act(Action::RevokeCredential, &target).await);
    assert!(plane.lets_in("alice", &plane.alice, Some(&plane.certificate)).await, "the trap: it goes by the settings that it read");
    plane.is_live(plane.about_alice()).await;
    // Where nobody has the certificate to ask with, the key that must be refused tells.
    std::fs::remove_file(plane.server.etc("issued")).expect("removed");
    let (proved, round) = plane.settled(plane.about_alice()).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(proved.reason.contains("was not seen to go by its list"), "{}", proved.reason);
    assert!(!plane.connector.check().await.privileges.missing.is_empty());
}

/// A line for other addresses, and one for what a key signed: refused here, let in there.
#[tokio::test]
async fn a_refusal_that_no_file_explains_is_no_death() {
    let plane = Plane::start().await;
    let authority = KeyPair::generate("another authority").expect("made");
    plane.write(
        "etc/keys/deploy",
        &format!(
            "from=\"192.0.2.1\" {}\ncert-authority {}\nexpiry-time=\"20200101\" {}\n",
            plane.leaked.public(),
            authority.public(),
            plane.rightful.public()
        ),
    );
    for one in [&plane.leaked, &authority, &plane.rightful] {
        assert!(!plane.lets_in("deploy", one, None).await);
        let (proved, round) = judged(&plane.connector, about(key("deploy", one), "deploy"), None).await;
        assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    }
    // What the line's authority certified is let in, whatever the principals say.
    done(plane.act(Action::RevokeCredential, &key("deploy", &authority)).await);
    plane.is_dead(about(key("deploy", &authority), "deploy")).await;
}

#[tokio::test]
async fn settings_that_are_not_the_bootstraps_are_named_and_prove_nothing() {
    let plane = Plane::start().await;
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    let drop_in = plane.file("conf.d/10-quell.conf");
    plane.write("conf.d/10-quell.conf", &drop_in.replace("AuthorizedKeysFile", "AuthorizedKeysFile /nowhere/%u"));
    let (proved, _) = judged(&plane.connector, plane.about_leaked(), None).await;
    assert_ne!(proved.liveness, Liveness::Dead);
    for outcome in [
        plane.act(Action::SuspendIdentity, &account("deploy")).await,
        plane.act(Action::RevokeCredential, &key("deploy", &plane.rightful)).await,
    ] {
        assert!(
            matches!(&outcome, quell_engine::port::Outcome::Refused { reason } if reason.contains("AuthorizedKeysFile")),
            "{outcome:?}"
        );
    }
    let check = plane.connector.check().await;
    assert!(check.warnings.iter().any(|w| w.contains("`AuthorizedKeysFile` for `alice`")), "{:?}", check.warnings);
}

/// Another host behind the name answers everything, and is believed nothing.
#[tokio::test]
async fn another_host_behind_the_name_proves_nothing_and_gets_nothing() {
    let mut plane = Plane::start().await;
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    plane.server.present(&KeyPair::generate("another host").expect("made")).expect("presented");
    for request in [plane.about_leaked(), plane.about_alice(), about(account("deploy"), "deploy")] {
        unknown(&plane.connector, request, "another host key").await;
    }
    let outcome = plane.act(Action::SuspendIdentity, &account("backup")).await;
    assert!(matches!(outcome, quell_engine::port::Outcome::Throttled { .. }), "nothing was sent: {outcome:?}");
    assert!(!plane.connector.check().await.reachable);
}

#[tokio::test]
async fn a_listing_without_our_own_connection_tells_of_no_end() {
    let plane = Plane::start().await;
    let mut intruder = plane.intruder().await;
    let sessions = plane.sessions("deploy").await;
    // sshd's main process is named wrongly: nobody knows whose children are meant.
    let pid = plane.file("sshd.pid");
    for (wrong, word) in [("", "main process was not found"), ("1\n", "")] {
        plane.write("sshd.pid", wrong);
        let (proved, round) = judged(&plane.connector, about(sessions[0].clone(), "deploy"), None).await;
        assert_ne!(proved.liveness, Liveness::Dead, "{wrong:?}: {round:#?}");
        assert!(proved.reason.contains(word), "{}", proved.reason);
    }
    plane.write("sshd.pid", &pid);
    let (_, round) = judged(&plane.connector, about(sessions[0].clone(), "deploy"), None).await;
    assert_eq!(round[0].class, ProbeClass::Listing);
    assert!(intruder.is_served().await.expect("asked"));
    // A number that is used again is another connection.
    let other =
        on(PLANE, quell_core::target::TargetKind::Session, &sessions[0].native.value().expect("named").replace('@', "@9"), "deploy");
    assert!(done(plane.act(Action::TerminateSessions, &other).await).is_empty());
    assert!(intruder.is_served().await.expect("asked"), "only the one that was meant is ended");
}
