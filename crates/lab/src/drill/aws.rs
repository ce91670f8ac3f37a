//! AWS: a user for each course, in one account of the lab.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use anyhow::Result;
use quell_connectors::aws::{Aws, AwsConfig, Reach};
use quell_core::{action::Action, proof::Liveness, secret::Secret, target::TargetKind};
use quell_engine::port::Connector;

use super::{
    attempt::{RealClock, attempt, on},
    course::{Ground, Intruder, Subject},
};
use crate::aws::{Account, Keys, Kind};

const PLANE: &str = "aws-drill";
const MAY: &[&str] = &["iam:ListAccountAliases", "sts:*"];

/// A configuration for an account of the lab, which is made ready for it.
///
/// # Errors
///
/// When the account refuses what an administrator may do.
pub async fn made_ready(account: &Account, name: &str) -> Result<AwsConfig> {
    let reach = Reach::Tls {
        host: "localhost".to_owned(),
        port: account.port(),
        address: Some(Ipv4Addr::LOCALHOST.into()),
        ca_pem: account.ca().pem().to_owned(),
    };
    let nothing = || Secret::new("to be made");
    let mut config = AwsConfig::new(name, reach, nothing(), nothing());
    // A server on this machine goes by a change at once.
    config.settle_ms = 250;
    for call in quell_connectors::aws::bootstrap_calls(&config, &account.number().await?) {
        let parameters: Vec<(&str, &str)> = call.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        account.admin(call.action, &parameters).await?;
    }
    let (own, control) = (account.key(&config.username).await?, account.key(&config.control.identity).await?);
    let off = account.key(&config.control.identity).await?;
    let inactive = [("UserName", config.control.identity.as_str()), ("AccessKeyId", off.id.as_str()), ("Status", "Inactive")];
    account.admin("UpdateAccessKey", &inactive).await?;
    config.secret = Secret::new(own.in_one());
    config.control.secret = Secret::new(control.in_one());
    Ok(config)
}

/// An account under Quell.
pub struct Users {
    account: Arc<Account>,
    connector: Aws,
}

impl Users {
    /// # Errors
    ///
    /// When no server is installed or it does not come up.
    pub async fn start() -> Result<Self> {
        let account = Account::start(Kind::Faithful).await?;
        let config = made_ready(&account, PLANE).await?;
        Ok(Self { account: Arc::new(account), connector: Aws::new(config, Arc::new(RealClock))? })
    }

    fn held(&self, way: Way) -> Box<dyn Intruder> {
        Box::new(Held { account: self.account.clone(), way })
    }
}

#[async_trait::async_trait]
impl Ground for Users {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn version(&self) -> &str {
        self.account.version()
    }

    fn subjects(&self, action: Action) -> &'static [&'static str] {
        match action {
            Action::SuspendIdentity | Action::Reinstate | Action::Restore => &["a user"],
            Action::TerminateSessions => &["sessions of a user", "sessions of a role"],
            Action::RevokeCredential => &["an access key", "a login profile"],
            Action::RestrictAccess => &["what a user may do"],
            _ => &[],
        }
    }

    async fn subject(&self, action: Action, what: &'static str) -> Result<Subject> {
        let name = format!("{}-{}", action.name(), what.replace(' ', "-"));
        let native = format!("user/{name}");
        let keys = self.account.user(&name, MAY).await?;
        let identity = on(PLANE, TargetKind::Identity, &native, &native);
        let old = on(PLANE, TargetKind::Credential, &keys.id, &native);
        let whole = Subject {
            what,
            native: native.clone(),
            identity: identity.clone(),
            target: identity.clone(),
            old: old.clone(),
            secret: Some(Secret::new(keys.in_one())),
            new: Some(on(PLANE, TargetKind::Credential, &format!("{native}#access_key:q7f3k"), &native)),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: self.held(Way::Keys(keys.clone())),
        };
        let sessions = |native: &str| on(PLANE, TargetKind::Session, &format!("{native}#sessions"), native);
        Ok(match (action, what) {
            (Action::RevokeCredential, "an access key") => Subject { target: old, ..whole },
            (Action::RevokeCredential, _) => {
                let password = crate::secret::Secret::generate()?;
                self.account.admin("CreateLoginProfile", &[("UserName", &name), ("Password", password.reveal())]).await?;
                let old = on(PLANE, TargetKind::Credential, &format!("{native}#password"), &native);
                // Nobody signs in to a console here, so nobody tells that it is alive.
                let before = Liveness::Unknown;
                Subject { target: old.clone(), old, secret: None, before, intruder: self.held(Way::Console(name)), ..whole }
            }
            (Action::TerminateSessions, "sessions of a user") => {
                let old = sessions(&native);
                let intruder = self.held(Way::Keys(self.account.session(&keys).await?));
                // AWS lists none, so nobody tells which are alive.
                Subject { target: old.clone(), old, secret: None, before: Liveness::Unknown, intruder, ..whole }
            }
            (Action::TerminateSessions, _) => {
                self.account.role(&name, &native, MAY).await?;
                let intruder = self.held(Way::Keys(self.account.assume(&keys, &name).await?));
                let native = format!("role/{name}");
                let (identity, old) = (on(PLANE, TargetKind::Identity, &native, &native), sessions(&native));
                Subject { native, identity, target: old.clone(), old, secret: None, before: Liveness::Unknown, intruder, ..whole }
            }
            (Action::RestrictAccess, _) => {
                let old = on(PLANE, TargetKind::Entitlement, &format!("{native}#permissions"), &native);
                Subject { old, ..whole }
            }
            (Action::Reinstate | Action::Restore, _) => Subject { first: vec![attempt(Action::SuspendIdentity, &identity)], ..whole },
            _ => whole,
        })
    }
}

/// What the intruder holds.
enum Way {
    Keys(Keys),
    /// The password of a user's login profile. There is no console to sign in to, so this
    /// is whether IAM has one.
    Console(String),
}

struct Held {
    account: Arc<Account>,
    way: Way,
}

#[async_trait::async_trait]
impl Intruder for Held {
    async fn is_in(&mut self) -> Result<bool> {
        match &self.way {
            Way::Keys(keys) => self.account.serves(keys).await,
            Way::Console(user) => Ok(self.account.admin("GetLoginProfile", &[("UserName", user)]).await.is_ok()),
        }
    }
}
