//! Whose is a leaked value? Compared without one bind.

use quell_core::{secret::Secret, signal::CredentialKind};
use quell_engine::port::{Connector, Identified};
use quell_lab::openldap::{DATABASE, add, replace};

use super::company::*;

fn found(dn: &str) -> Identified {
    Identified::Match { credential: format!("{dn}#password"), kind: CredentialKind::Password, identity: dn.to_owned() }
}

#[tokio::test]
async fn a_leaked_value_finds_its_entry_without_a_bind() {
    let plane = Plane::start().await;
    let before = plane.server.log().unwrap().len();
    assert_eq!(plane.connector.identify(&plane.leaked()).await, Ok(found(&plane.company.mara.dn)));
    let padded = Secret::new(format!("  {}\n", plane.company.billing.password.reveal()));
    assert_eq!(plane.connector.identify(&padded).await, Ok(found(&plane.company.billing.dn)), "service accounts, too");
    assert_eq!(plane.connector.identify(&new_secret()).await, Ok(Identified::NoMatch { compared: 3 }));
    for nothing in ["", "\0", "*)(userPassword=*", "\u{202e}"] {
        assert!(matches!(plane.connector.identify(&Secret::new(nothing)).await, Ok(Identified::NoMatch { .. })), "{nothing:?}");
    }
    let log = plane.server.log().unwrap().split_off(before);
    for dn in [&plane.company.mara.dn, &plane.company.billing.dn] {
        assert!(!log.contains(&format!("BIND dn=\"{dn}\"")), "{log}");
        assert_eq!(plane.stored(dn, "pwdFailureTime").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn every_scheme_that_the_server_itself_makes_is_compared() {
    let plane = Plane::start().await;
    let dn = plane.company.mara.dn.clone();
    for scheme in ["{SSHA}", "{SHA}", "{SMD5}", "{MD5}", "{CLEARTEXT}", "{ARGON2}"] {
        plane.as_root("olcDatabase={-1}frontend,cn=config", vec![replace("olcPasswordHash", &[scheme])]).await;
        let secret = new_secret();
        plane.server.set_password(&dn, secret.expose()).expect("`ldappasswd` runs");
        plane.server.bind(&dn, secret.expose()).await.expect("it is the password");
        assert_eq!(plane.connector.identify(&secret).await, Ok(found(&dn)), "{:?}", plane.stored(&dn, "userPassword").await);
        assert!(matches!(plane.connector.identify(&new_secret()).await, Ok(Identified::NoMatch { .. })), "{scheme}");
    }
}

#[tokio::test]
async fn what_cannot_be_compared_is_not_called_no_match() {
    let plane = Plane::start().await;
    plane.as_root(&plane.company.jonas.dn, vec![replace("userPassword", &["{CRYPT}$6$abc$def"])]).await;
    let answer = plane.connector.identify(&new_secret()).await.expect("it answers");
    assert!(matches!(&answer, Identified::NotCompared { why } if why.contains("1 stored")), "{answer:?}");
    assert_eq!(plane.connector.identify(&plane.leaked()).await, Ok(found(&plane.company.mara.dn)), "a match is a match");
    let rule = format!("{{0}}to attrs=userPassword by dn.base=\"{}\" search by * break", plane.config.username);
    plane.as_root(DATABASE, vec![add("olcAccess", &[&rule])]).await;
    let answer = plane.connector.identify(&plane.leaked()).await.expect("it answers");
    assert!(matches!(&answer, Identified::NotCompared { why } if why.contains("not read")), "{answer:?}");
}

#[tokio::test]
async fn more_candidates_than_the_bound_are_not_compared() {
    let plane = Plane::start().await;
    let many: String = (0..201)
        .map(|n| {
            format!(
                "dn: uid=many-{n},{}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuserPassword: x{n}\n\n",
                plane.company.services
            )
        })
        .collect();
    plane.server.ldapmodify(&many, &["-a"]).expect("added");
    let answer = plane.connector.identify(&plane.leaked()).await.expect("it answers");
    assert!(matches!(&answer, Identified::NotCompared { why } if why.contains("200")), "{answer:?}");
}
