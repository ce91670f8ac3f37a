//! OpenSSH: an account for each course, on one host.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result};
use quell_connectors::openssh::{OpenSsh, OpenSshConfig, bootstrap_script};
use quell_core::{
    action::Action,
    proof::Liveness,
    secret::Secret,
    target::{Target, TargetKind},
};
use quell_engine::port::Connector;

use super::{
    attempt::{RealClock, attempt, on},
    course::{Ground, Intruder, Subject},
};
use crate::openssh::{Client, KeyPair, Login, Sshd};

const PLANE: &str = "ssh-drill";
/// One for each course.
const ACCOUNTS: [&str; 7] = ["suspended", "connected", "keyed", "certified", "named", "reinstated", "restored"];

/// A host under Quell.
pub struct Host {
    server: Arc<Sshd>,
    connector: OpenSsh,
    version: String,
}

impl Host {
    /// # Errors
    ///
    /// When no server is installed or it does not come up.
    pub async fn start() -> Result<Self> {
        let server = Sshd::start_with(&ACCOUNTS).await?;
        let (own, control) = (KeyPair::generate("quell")?, KeyPair::generate("quell-control")?);
        let mut config = OpenSshConfig::new(
            PLANE,
            "localhost",
            server.port(),
            server.host_key(),
            Secret::new(own.private()),
            Secret::new(control.private()),
        );
        config.address = Some(Ipv4Addr::LOCALHOST.into());
        let script = bootstrap_script(&config, &ACCOUNTS.map(str::to_owned))?;
        server.bootstrap(&script)?;
        // `OpenSSH_9.2p1`
        let version = server.version().replace('_', " ");
        Ok(Self { server: Arc::new(server), connector: OpenSsh::new(config, Arc::new(RealClock))?, version })
    }

    /// A key in the lines of an account.
    fn key_of(&self, account: &str) -> Result<KeyPair> {
        let key = KeyPair::generate(account)?;
        self.server.append(&format!("etc/keys/{account}"), key.public())?;
        Ok(key)
    }

    /// A key with a certificate for the account, which the authority recorded.
    fn certified(&self, account: &str, serial: u64) -> Result<(KeyPair, String)> {
        let key = KeyPair::generate(account)?;
        let certificate = self.server.certify(&key, &format!("{account}@corp"), account, serial, "-1m:+1h")?;
        self.server.record(&certificate)?;
        Ok((key, certificate))
    }

    fn held(&self, account: &str, way: Way) -> Box<dyn Intruder> {
        Box::new(Held { server: self.server.clone(), account: account.to_owned(), way })
    }
}

fn credential(account: &str, what: &str) -> Target {
    on(PLANE, TargetKind::Credential, &format!("{account}#{what}"), account)
}

#[async_trait::async_trait]
impl Ground for Host {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn subjects(&self, action: Action) -> &'static [&'static str] {
        match action {
            Action::SuspendIdentity | Action::Reinstate | Action::Restore => &["an account"],
            Action::TerminateSessions => &["a connection"],
            Action::RevokeCredential => &["a key", "a certificate"],
            Action::RemoveEntitlement => &["a principal"],
            _ => &[],
        }
    }

    async fn subject(&self, action: Action, what: &'static str) -> Result<Subject> {
        let account = match (action, what) {
            (Action::SuspendIdentity, _) => "suspended",
            (Action::TerminateSessions, _) => "connected",
            (Action::RevokeCredential, "a key") => "keyed",
            (Action::RevokeCredential, _) => "certified",
            (Action::RemoveEntitlement, _) => "named",
            (Action::Reinstate, _) => "reinstated",
            _ => "restored",
        };
        let identity = on(PLANE, TargetKind::Identity, account, account);
        let key = self.key_of(account)?;
        let old = credential(account, &format!("ssh_key:{}", key.fingerprint()?));
        let whole = Subject {
            what,
            native: account.to_owned(),
            identity: identity.clone(),
            target: identity.clone(),
            old: old.clone(),
            secret: Some(Secret::new(key.private())),
            new: Some(credential(account, "ssh_key:q7f3k")),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: self.held(account, Way::Key { key: key.clone(), certificate: None }),
        };
        Ok(match action {
            Action::RevokeCredential if what == "a key" => Subject { target: old, ..whole },
            Action::RevokeCredential => {
                let (key, certificate) = self.certified(account, 1001)?;
                let names = format!("certificate:1001:{}:{}", key.fingerprint()?, self.server.authority().fingerprint()?);
                let old = credential(account, &names);
                let intruder = self.held(account, Way::Key { key, certificate: Some(certificate) });
                Subject { target: old.clone(), old, secret: None, intruder, ..whole }
            }
            Action::TerminateSessions => {
                let client = self.server.log_in(account, &key, None).await.and_then(Login::is_in)?;
                let listed = self.connector.enumerate(account).await?;
                let session = listed.of(TargetKind::Session).next().context("its connection is not listed")?;
                let session = on(PLANE, TargetKind::Session, &session.native, account);
                let intruder = self.held(account, Way::Connection(client));
                Subject { target: session.clone(), old: session, secret: None, intruder, ..whole }
            }
            Action::RemoveEntitlement => {
                // A serial of its own: the other one is in the list by then.
                let (key, certificate) = self.certified(account, 1002)?;
                let seat = on(PLANE, TargetKind::Entitlement, &format!("principal:{account}>{account}"), account);
                let intruder = self.held(account, Way::Key { key, certificate: Some(certificate) });
                Subject { target: seat.clone(), old: seat, secret: None, intruder, ..whole }
            }
            Action::Reinstate | Action::Restore => Subject { first: vec![attempt(Action::SuspendIdentity, &identity)], ..whole },
            _ => whole,
        })
    }
}

/// What the intruder holds.
enum Way {
    Key { key: KeyPair, certificate: Option<String> },
    Connection(Client),
}

struct Held {
    server: Arc<Sshd>,
    account: String,
    way: Way,
}

#[async_trait::async_trait]
impl Intruder for Held {
    async fn is_in(&mut self) -> Result<bool> {
        match &mut self.way {
            Way::Key { key, certificate } => Ok(self.server.log_in(&self.account, key, certificate.as_deref()).await?.was_taken()),
            Way::Connection(client) => client.is_served().await,
        }
    }
}
