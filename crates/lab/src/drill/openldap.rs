//! OpenLDAP: a person for each course, in the company's directory.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result, ensure};
use quell_connectors::openldap::{OpenLdap, OpenLdapConfig, Reach, bootstrap_ldif};
use quell_core::{
    action::Action,
    proof::Liveness,
    secret::Secret,
    target::{Target, TargetKind},
};
use quell_engine::port::{Attempt, Connector};

use super::{
    attempt::{RealClock, attempt, new_secret, on},
    course::{Ground, Intruder, Subject},
};
use crate::{
    openldap::{Client, Company, Options, SUFFIX, Slapd, add, ssha},
    secret::Secret as Generated,
};

const PLANE: &str = "ldap-drill";

/// A server with the company under Quell.
pub struct Directory {
    server: Arc<Slapd>,
    company: Company,
    connector: OpenLdap,
    version: String,
}

impl Directory {
    /// # Errors
    ///
    /// When no server is installed or it does not come up.
    pub async fn start() -> Result<Self> {
        let server = Slapd::start(Options::default()).await?;
        let company = Company::on(&server).await?;
        let reach = Reach::Tls {
            host: "localhost".to_owned(),
            port: server.tls_port(),
            address: Some(Ipv4Addr::LOCALHOST.into()),
            ca_pem: server.ca_pem().to_owned(),
            start_tls: false,
        };
        let config = OpenLdapConfig::new(PLANE, reach, SUFFIX, new_secret()?, new_secret()?);
        server.ldapmodify(&bootstrap_ldif(&config, std::slice::from_ref(&company.people))?, &[]).context("run the bootstrap")?;
        // `@(#) $OpenLDAP: slapd 2.5.13+dfsg-5 (..) $`
        let number = server.version().split("slapd ").nth(1).and_then(|rest| rest.split(['+', ' ']).next());
        let version = format!("OpenLDAP {}", number.context("slapd does not tell its version")?);
        Ok(Self { server: Arc::new(server), company, connector: OpenLdap::new(config, Arc::new(RealClock))?, version })
    }

    async fn person(&self, uid: &str) -> Result<(String, Generated)> {
        let (dn, password) = (format!("uid={uid},{}", self.company.people), Generated::generate()?);
        let stored = ssha(password.reveal());
        let entry = [
            ("objectClass", &["inetOrgPerson"][..]),
            ("uid", &[uid]),
            ("cn", &[uid]),
            ("sn", &[uid]),
            ("userPassword", &[stored.as_str()]),
        ];
        let mut admin = self.server.admin().await?;
        let made = admin.add(&dn, &entry).await?;
        ensure!(made.code == 0, "`{dn}` was not made: {} {}", made.code, made.text);
        let joined = admin.modify(&self.company.finance, vec![add("member", &[&dn])]).await?;
        ensure!(joined.code == 0, "`{dn}` was not put into the group: {} {}", joined.code, joined.text);
        Ok((dn, password))
    }

    fn held(&self, dn: &str, way: Way) -> Box<dyn Intruder> {
        Box::new(Held { server: self.server.clone(), dn: dn.to_owned(), way })
    }
}

fn credential(dn: &str, generation: &str) -> Target {
    on(PLANE, TargetKind::Credential, &format!("{dn}#password{generation}"), dn)
}

fn rotate(dn: &str) -> Result<Attempt> {
    Ok(Attempt { new_secret: Some(new_secret()?), ..attempt(Action::RotateCredential, &credential(dn, "")) })
}

#[async_trait::async_trait]
impl Ground for Directory {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn subjects(&self, action: Action) -> &'static [&'static str] {
        match action {
            Action::SuspendIdentity | Action::Reinstate | Action::Restore => &["an entry"],
            Action::RotateCredential => &["a password"],
            Action::TerminateSessions => &["a connection"],
            Action::RemoveEntitlement => &["a membership"],
            _ => &[],
        }
    }

    async fn subject(&self, action: Action, what: &'static str) -> Result<Subject> {
        let (dn, password) = self.person(&format!("drill-{}", action.name().replace('_', "-"))).await?;
        let dn = dn.as_str();
        let identity = on(PLANE, TargetKind::Identity, dn, dn);
        let whole = Subject {
            what,
            native: dn.to_owned(),
            identity: identity.clone(),
            target: identity.clone(),
            old: credential(dn, ""),
            secret: Some(Secret::new(password.reveal())),
            new: Some(credential(dn, ":q7f3k")),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: self.held(dn, Way::Password(password.clone())),
        };
        Ok(match action {
            Action::RotateCredential => Subject { target: credential(dn, ""), ..whole },
            Action::TerminateSessions => {
                let client = self.server.bind(dn, password.reveal()).await?;
                let listed = self.connector.enumerate(dn).await?;
                let session = listed.of(TargetKind::Session).find(|f| !f.is_ours()).context("its connection is not listed")?;
                let session = on(PLANE, TargetKind::Session, &session.native, dn);
                // Replacing the password opens the witness, without whom nobody could tell.
                Subject {
                    target: session.clone(),
                    old: session,
                    secret: None,
                    first: vec![rotate(dn)?],
                    intruder: self.held(dn, Way::Connection(client)),
                    ..whole
                }
            }
            Action::RemoveEntitlement => {
                let member = on(PLANE, TargetKind::Entitlement, &format!("member:{dn}>{}", self.company.finance), dn);
                let way = Way::Member { group: self.company.finance.clone() };
                Subject { target: member.clone(), old: member, secret: None, intruder: self.held(dn, way), ..whole }
            }
            Action::Reinstate | Action::Restore => {
                Subject { first: vec![rotate(dn)?, attempt(Action::SuspendIdentity, &identity)], ..whole }
            }
            _ => whole,
        })
    }
}

/// What the intruder holds.
enum Way {
    Password(Generated),
    Connection(Client),
    Member { group: String },
}

struct Held {
    server: Arc<Slapd>,
    dn: String,
    way: Way,
}

#[async_trait::async_trait]
impl Intruder for Held {
    async fn is_in(&mut self) -> Result<bool> {
        match &mut self.way {
            Way::Password(password) => {
                let code = self.server.connect().await?.bind(&self.dn, password.reveal()).await?.code;
                ensure!(matches!(code, 0 | 49), "a bind met {code}, which is neither yes nor no");
                Ok(code == 0)
            }
            Way::Connection(client) => Ok(client.read(&self.dn, &["cn"]).await?.is_ok()),
            Way::Member { group } => {
                let found = self.server.admin().await?.read(group, &["member"]).await?;
                let group = found.ok().context("the group is gone")?;
                Ok(group.attributes.values().flatten().any(|member| *member == self.dn))
            }
        }
    }
}
