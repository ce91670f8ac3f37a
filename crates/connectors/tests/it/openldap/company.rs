//! A real slapd with a company in it, bootstrapped, and a connector to it.

use std::sync::Arc;

use quell_connectors::openldap::{OpenLdap, OpenLdapConfig, Reach, bootstrap_ldif};
use quell_core::{
    action::Action,
    proof::{Liveness, Observation, ProbeClass, Proved, judge},
    secret::Secret,
    target::{Found, Target, TargetKind},
};
use quell_engine::port::{Connector, Outcome, ProbeRequest};
use quell_lab::openldap::{Change, Client, Company, Options, SUFFIX, Slapd};

pub use crate::any_plane::*;

/// What the connector can do.
pub const ACTIONS: [Action; 6] = [
    Action::SuspendIdentity,
    Action::TerminateSessions,
    Action::RotateCredential,
    Action::RemoveEntitlement,
    Action::Reinstate,
    Action::Restore,
];

/// A server with the company under Quell.
pub struct Plane {
    pub server: Slapd,
    pub company: Company,
    pub config: OpenLdapConfig,
    pub connector: OpenLdap,
}

impl Plane {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let server = Slapd::start(options).await.expect("a real slapd is installed");
        let company = Company::on(&server).await.expect("the company is made");
        let config = config(&server);
        let script = bootstrap_ldif(&config, &scope(&company)).expect("the names are good");
        server.ldapmodify(&script, &[]).expect("the bootstrap runs");
        let connector = OpenLdap::new(config.clone(), Arc::new(RealClock)).expect("the configuration is good");
        Self { server, company, config, connector }
    }

    /// Another connector to the same server, with something changed.
    pub fn connector(&self, change: impl FnOnce(&mut OpenLdapConfig)) -> OpenLdap {
        let mut config = self.config.clone();
        change(&mut config);
        OpenLdap::new(config, Arc::new(RealClock)).expect("the configuration is good")
    }

    pub fn leaked(&self) -> Secret {
        Secret::new(self.company.mara.password.reveal())
    }

    /// A session of the intruder's: bound with the leaked password.
    pub async fn intruder(&self) -> Client {
        self.server.bind(&self.company.mara.dn, self.company.mara.password.reveal()).await.expect("the leaked password works")
    }

    pub async fn as_root(&self, dn: &str, changes: Vec<Change>) {
        let answer = self.server.admin().await.expect("root is let in").modify(dn, changes).await.expect("answered");
        assert_eq!(answer.code, 0, "{answer:?}");
    }

    /// One attribute as the root of the directory sees it.
    pub async fn stored(&self, dn: &str, attribute: &str) -> Vec<String> {
        let mut admin = self.server.admin().await.expect("root is let in");
        let entry = admin.read(dn, &[attribute]).await.expect("answered").expect("it is there");
        let mut values = entry.attributes.into_values().next().unwrap_or_default();
        values.sort();
        values
    }

    pub async fn act(&self, action: Action, target: &Target) -> Outcome {
        act(&self.connector, attempt(action, target)).await
    }

    /// Replaced by a throw-away, cut and locked, sessions cut: the contained state.
    pub async fn contain(&self) -> Secret {
        let throw_away = new_secret();
        done(act(&self.connector, with_secret(Action::RotateCredential, &self.credential(), &throw_away)).await);
        done(self.act(Action::SuspendIdentity, &self.mara()).await);
        done(self.act(Action::TerminateSessions, &self.mara()).await);
        throw_away
    }

    pub fn mara(&self) -> Target {
        identity(&self.company.mara.dn)
    }

    pub fn credential(&self) -> Target {
        credential(&self.company.mara.dn)
    }

    /// What a round asks about Mara's password, without any secret.
    pub fn about_mara(&self) -> ProbeRequest {
        about(self.credential(), &self.company.mara.dn)
    }

    /// Everything a round may use.
    pub fn everything(&self) -> ProbeRequest {
        ProbeRequest { leaked: Some(self.leaked()), leaked_was_right: true, ..self.about_mara() }
    }

    pub async fn sessions(&self) -> Vec<Found> {
        let all = self.connector.enumerate(&self.company.mara.dn).await.expect("it is in scope");
        all.of(TargetKind::Session).filter(|f| !f.is_ours()).cloned().collect()
    }

    /// The one session that is not Quell's own.
    pub async fn session(&self) -> Target {
        let all = self.sessions().await;
        assert_eq!(all.len(), 1, "{all:?}");
        session(&all[0].native, &self.company.mara.dn)
    }

    pub fn about_session(&self, session: &Target) -> ProbeRequest {
        about(session.clone(), &self.company.mara.dn)
    }

    pub async fn judged(&self, request: ProbeRequest) -> (Proved, Vec<Observation>) {
        judged(&self.connector, request, None).await
    }

    pub async fn liveness(&self, request: ProbeRequest) -> Liveness {
        self.judged(request).await.0.liveness
    }

    /// The round is UNKNOWN, and its reason holds `word`.
    pub async fn unknown(&self, request: ProbeRequest, word: &str) {
        unknown(&self.connector, request, word).await;
    }
}

pub fn of(round: &[Observation], class: ProbeClass) -> &Observation {
    round.iter().find(|o| o.class == class).unwrap_or_else(|| panic!("no {class:?} in {round:#?}"))
}

/// What one observation proves by itself.
pub fn alone(seen: &Observation) -> Liveness {
    judge(seen, None, 250).liveness
}

pub fn scope(company: &Company) -> Vec<String> {
    vec![company.people.clone(), company.services.clone()]
}

/// The usual configuration: LDAPS with the server's authority, name `localhost`.
pub fn config(server: &Slapd) -> OpenLdapConfig {
    OpenLdapConfig::new("ldap-main", tls(server, server.tls_port()), SUFFIX, new_secret(), new_secret())
}

pub fn tls(server: &Slapd, port: u16) -> Reach {
    Reach::Tls {
        host: "localhost".to_owned(),
        port,
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        ca_pem: server.ca_pem().to_owned(),
        start_tls: false,
    }
}

pub fn identity(dn: &str) -> Target {
    target(TargetKind::Identity, dn, dn)
}

pub fn credential(dn: &str) -> Target {
    target(TargetKind::Credential, &format!("{dn}#password"), dn)
}

pub fn session(native: &str, dn: &str) -> Target {
    target(TargetKind::Session, native, dn)
}

pub fn membership(dn: &str, group: &str) -> Target {
    target(TargetKind::Entitlement, &format!("member:{dn}>{group}"), dn)
}

pub fn target(kind: TargetKind, native: &str, dn: &str) -> Target {
    on("ldap-main", kind, native, dn)
}

pub fn refused(outcome: &Outcome, word: &str) {
    assert!(matches!(outcome, Outcome::Refused { reason } if reason.contains(word)), "wanted `{word}`: {outcome:?}");
}
