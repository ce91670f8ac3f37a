//! Hostile names in every identifier that reaches the server.

use quell_connectors::openldap::bootstrap_ldif;
use quell_core::{action::Action, proof::Liveness, target::TargetKind};
use quell_engine::port::{Connector, ProbeRequest};
use quell_lab::openldap::DATABASE;

use super::company::*;

/// Values that an entry can be named by, and that break what quotes badly, with the
/// way to write them in a name.
const POSSIBLE: [(&str, &str); 12] = [
    ("o'neil", "o'neil"),
    ("say \"hi\"", "say \\22hi\\22"),
    ("a\" none by * write by dn.base=\"b", "a\\22 none by * write by dn.base\\3D\\22b"),
    ("*)(uid=*", "*)(uid\\3D*"),
    ("a,ou=people", "a\\2Cou\\3Dpeople"),
    ("back\\slash", "back\\5Cslash"),
    ("a>b%3E#password", "a\\3Eb%3E\\23password"),
    ("!not#this+that;<x>", "!not\\23this\\2Bthat\\3B\\3Cx\\3E"),
    (" spaces ", "\\20spaces\\20"),
    ("\u{202e}ann\u{feff}", "\u{202e}ann\u{feff}"),
    ("Jürgen Öst", "Jürgen Öst"),
    ("{0}to * by * write", "{0}to * by * write"),
];

#[tokio::test]
async fn entries_with_hostile_names_are_contained_like_any_other() {
    let plane = Plane::start().await;
    let rules = plane.stored(DATABASE, "olcAccess").await;
    for (value, written) in POSSIBLE {
        let password = new_secret();
        let dn = format!("cn={written},{}", plane.company.people);
        let mut admin = plane.server.admin().await.unwrap();
        let attributes = [
            ("objectClass", &["applicationProcess", "simpleSecurityObject"][..]),
            ("cn", &[value]),
            ("userPassword", &[password.expose()]),
        ];
        assert_eq!(admin.add(&dn, &attributes).await.unwrap().code, 0, "{value:?}");
        let group = format!("cn={written},{}", plane.company.groups);
        let members = [("objectClass", &["groupOfNames"][..]), ("member", &[dn.as_str(), plane.company.jonas.dn.as_str()])];
        assert_eq!(admin.add(&group, &members).await.unwrap().code, 0, "{value:?}");
        let mut intruder = plane.server.bind(&dn, password.expose()).await.expect("it binds");

        let (throw_away, secret) = (new_secret(), new_secret());
        done(act(&plane.connector, with_secret(Action::RotateCredential, &credential(&dn), &throw_away)).await);
        let listed = plane.connector.enumerate(&dn).await.expect("it is in scope");
        let of = |kind| listed.of(kind).filter(|f| !f.is_ours()).map(|f| f.native.clone()).collect::<Vec<_>>();
        let (sessions, memberships) = (of(TargetKind::Session), of(TargetKind::Entitlement));
        assert_eq!((sessions.len(), memberships.len()), (1, 1), "{value:?}: {listed:#?}");
        done(act(&plane.connector, attempt(Action::SuspendIdentity, &identity(&dn))).await);
        done(act(&plane.connector, attempt(Action::TerminateSessions, &session(&sessions[0], &dn))).await);
        done(act(&plane.connector, attempt(Action::RemoveEntitlement, &target(TargetKind::Entitlement, &memberships[0], &dn))).await);
        assert_ne!(intruder.read(&dn, &["cn"]).await.unwrap().expect_err("cut").code, 0, "{value:?}");
        let ask = || ProbeRequest { throw_away: Some(throw_away.clone()), ..about(credential(&dn), &dn) };
        for request in [ask(), about(session(&sessions[0], &dn), &dn), about(target(TargetKind::Entitlement, &memberships[0], &dn), &dn)] {
            let (proved, round) = plane.judged(request).await;
            assert_eq!(proved.liveness, Liveness::Dead, "{value:?}: {round:#?}");
        }
        let found = plane.connector.identify(&throw_away).await.expect("compared");
        assert!(format!("{found:?}").contains("Match"), "{value:?}: {found:?}");
        done(act(&plane.connector, with_secret(Action::Reinstate, &identity(&dn), &secret)).await);
        plane.server.bind(&dn, secret.expose()).await.expect("given back");
        assert_ne!(intruder.read(&dn, &["cn"]).await.unwrap().expect_err("still cut").code, 0, "{value:?}");
        intruder.close().await.unwrap();
        while plane.connector.enumerate(&dn).await.unwrap().of(TargetKind::Session).any(|s| s.facts.contains_key("cut") && !s.is_ours()) {}
        done(act(&plane.connector, with_secret(Action::Reinstate, &identity(&dn), &secret)).await);
    }
    let left: Vec<String> = plane.stored(DATABASE, "olcAccess").await.into_iter().filter(|r| !r.contains("none by * break")).collect();
    assert_eq!(left.len(), rules.len(), "nobody's rule went or came");
    plane.server.bind(&plane.company.jonas.dn, plane.company.jonas.password.reveal()).await.expect("others are untouched");
}

#[tokio::test]
async fn names_that_no_entry_has_reach_nothing() {
    let plane = Plane::start().await;
    let rules = plane.stored(DATABASE, "olcAccess").await;
    let long = format!("uid={},{}", "x".repeat(10_000), plane.company.people);
    let impossible = ["", "a\0b", "uid=a\0b,dc=corp,dc=test", "'; DROP", "*", "(uid=*)", "\u{202e}", "uid=", ",,,", long.as_str()];
    let possible = POSSIBLE.map(|(_, written)| format!("uid={written},{}", plane.company.people));
    for name in impossible.into_iter().chain(possible.iter().map(String::as_str)) {
        for (kind, native) in [
            (TargetKind::Identity, name.to_owned()),
            (TargetKind::Credential, format!("{name}#password")),
            (TargetKind::Session, format!("conn:7@20261124083925Z>{name}")),
            (TargetKind::Session, format!("conn:{name}@{name}>{name}")),
            (TargetKind::Entitlement, format!("member:{name}>{name}")),
        ] {
            let target = target(kind, &native, name);
            for action in ACTIONS {
                let mut attempt = with_secret(action, &target, &new_secret());
                attempt.marker = name.to_owned();
                changes_nothing(&plane.connector, attempt).await;
            }
            assert_ne!(plane.liveness(about(target.clone(), name)).await, Liveness::Live);
            let _ = plane.connector.read(&target).await;
        }
        assert!(plane.connector.enumerate(name).await.map_or(true, |e| e.found.is_empty()));
        assert!(plane.connector.protected(name).is_none());
    }
    assert_eq!(plane.stored(DATABASE, "olcAccess").await, rules);
    let intact = plane.intruder().await.read(&plane.company.jonas.dn, &["cn"]).await.unwrap();
    intact.expect("nobody was touched");
}

#[tokio::test]
async fn a_configuration_with_hostile_names_makes_no_other_rules() {
    let plane = Plane::start().await;
    for value in ["a\\22 none by * write", "a\\0Adn: cn=config", "x\\2Cy"] {
        let mut config = plane.config.clone();
        config.username = format!("cn={value},ou=quell,dc=corp,dc=test");
        let script = bootstrap_ldif(&config, &scope(&plane.company)).expect("a possible name");
        for line in script.lines() {
            let (name, _) = line.split_once(':').unwrap_or((line, ""));
            let known = ["", "dn", "changetype", "objectClass", "userPassword", "member", "add", "delete", "olcAccess", "olcDatabase", "-"];
            assert!(line.starts_with('#') || known.contains(&name), "{line}");
            // The quote stays an escape, so what follows it stays inside the name.
            assert!(!line.contains("\" none by * write"), "{line}");
        }
    }
    for scope in ["ou=a\" by * write,dc=corp,dc=test", "ou=a\0,dc=corp,dc=test", "ou=a\nolcAccess: {0}to * by * write,dc=corp,dc=test"] {
        match bootstrap_ldif(&plane.config, &[scope.to_owned()]) {
            Err(_) => {}
            Ok(script) => assert!(!script.lines().any(|l| l.starts_with("olcAccess: {0}to * by * write")), "{script}"),
        }
    }
}
