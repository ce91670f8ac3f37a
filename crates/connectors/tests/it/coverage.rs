//! A verb that no plane proves is not offered: manifests and the last drill are one.

use std::sync::Arc;

use quell_connectors::{
    aws::{self, Aws, AwsConfig},
    coverage::{last_proven, rows},
    oidc::{self, Oidc, OidcConfig},
    openbao::{self, OpenBao, OpenBaoConfig},
    openldap::{self, OpenLdap, OpenLdapConfig},
    openssh::{OpenSsh, OpenSshConfig},
    postgresql::{self, PostgreSql, PostgresConfig},
};
use quell_core::secret::Secret;
use quell_core::{coverage::gaps, manifest::Manifest, proof::Strength};
use quell_engine::port::Connector;
use quell_lab::{ca::Ca, openssh::KeyPair};

use crate::any_plane::{RealClock, new_secret};

/// Every kind of plane that there is a connector for; no server is asked.
fn manifests() -> Vec<Manifest> {
    let ca_pem = Ca::new("nobody's").expect("made").pem().to_owned();
    let (host, clock) = ("localhost".to_owned(), Arc::new(RealClock));
    let (a, b, c) = (host.clone(), host.clone(), ca_pem.clone());
    let reach = postgresql::Reach::Tls { host, port: 1, address: None, ca_pem: ca_pem.clone() };
    let postgres = PostgreSql::new(PostgresConfig::new("pg", reach, "billing", new_secret(), new_secret()), clock.clone()).expect("good");
    let reach = openbao::Reach::Tls { host: a, port: 1, address: None, ca_pem: ca_pem.clone() };
    let login = openbao::Login::AppRole { role: "quell".to_owned(), secret_id: new_secret() };
    let bao = OpenBao::new(OpenBaoConfig::new("bao", reach, login, new_secret()), clock.clone()).expect("good");
    let reach = openldap::Reach::Tls { host: b, port: 1, address: None, ca_pem, start_tls: false };
    let config = OpenLdapConfig::new("ldap", reach, "dc=corp,dc=example", new_secret(), new_secret());
    let ldap = OpenLdap::new(config, clock.clone()).expect("good");
    let [own, control] = ["own", "control"].map(|name| KeyPair::generate(name).expect("made"));
    let config = OpenSshConfig::new("ssh", "localhost", 1, own.public(), Secret::new(own.private()), Secret::new(control.public()));
    let ssh = OpenSsh::new(config, clock.clone()).expect("good");
    let reach = oidc::Reach::Tls { host: "localhost".to_owned(), port: 1, address: None, ca_pem: c };
    let config = OidcConfig { step_up_acr: Some("high".to_owned()), ..OidcConfig::new("oidc", reach, new_secret(), new_secret()) };
    let oidc = Oidc::new(config, clock.clone()).expect("good");
    let reach = aws::Reach::Clear { host: "localhost".to_owned(), port: 1, address: None };
    let [own, control] = ["AKIAIOSFODNN7EXAMPLE:own", "AKIAI44QH8DHBEXAMPLE:control"].map(Secret::new);
    let aws = Aws::new(AwsConfig::new("aws", reach, own, control), clock).expect("good");
    vec![
        postgres.manifest().clone(),
        bao.manifest().clone(),
        ldap.manifest().clone(),
        ssh.manifest().clone(),
        oidc.manifest().clone(),
        aws.manifest().clone(),
    ]
}

#[test]
fn every_action_that_is_offered_was_proved_and_every_other_is_not() {
    let manifests = manifests();
    let manifests: Vec<&Manifest> = manifests.iter().collect();
    let found: Vec<String> = gaps(&manifests, rows()).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "`make drill` proves what is offered, and what it cannot prove leaves the manifest: {found:#?}");
}

#[test]
fn the_page_of_the_drill_is_of_the_same_rows() {
    let page = include_str!("../../../../docs/coverage.md");
    for row in rows() {
        let day: String = row.proved_at.to_string().chars().take(10).collect();
        let line = |l: &&str| l.contains(&format!("| {} | `{}` | {} |", row.kind, row.action.name(), row.subject)) && l.contains(&day);
        assert!(page.lines().any(|l| line(&l)), "{row:?}");
        // A residual is no proof, so it is not what is told of the action.
        let proof = row.proved > Strength::Recorded;
        let told = last_proven(&row.kind, row.action).expect("every action that is offered was proved");
        assert!(told.proved > Strength::Recorded && (!proof || told.proved <= row.proved && told.proved_at <= row.proved_at), "{row:?}");
    }
    let proofs = page.lines().filter(|l| l.starts_with("| ") && l.contains(" | `")).count();
    assert_eq!(proofs, rows().len(), "a row that only the page has");
}
