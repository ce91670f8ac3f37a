//! PostgreSQL: a role for each course, in the billing database.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result, bail};
use quell_connectors::postgresql::{PostgreSql, PostgresConfig, Reach, bootstrap_sql};
use quell_core::{
    action::Action,
    proof::Liveness,
    secret::Secret,
    target::{Target, TargetKind},
};
use quell_engine::port::{Attempt, Connector, Outcome};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    attempt::{RealClock, attempt, cleared, new_secret, on},
    course::{Ground, Intruder, Subject},
};
use crate::{
    dial,
    estate::Estate,
    postgres::{Options, Postgres},
    secret::Secret as Generated,
};

const PLANE: &str = "pg-drill";

/// A server with the billing estate under Quell.
pub struct Roles {
    server: Postgres,
    connector: PostgreSql,
    version: String,
    admin: Client,
}

impl Roles {
    /// # Errors
    ///
    /// When no server is installed or it does not come up.
    pub async fn start() -> Result<Self> {
        let server = Postgres::start(Options::default()).await?;
        Estate::billing(&server).await?;
        let reach = Reach::Tls {
            host: "localhost".to_owned(),
            port: server.port(),
            address: Some(Ipv4Addr::LOCALHOST.into()),
            ca_pem: server.ca_pem().to_owned(),
        };
        let config = PostgresConfig::new(PLANE, reach, "billing", new_secret()?, new_secret()?);
        let admin = server.connect_unix_superuser("billing").await?;
        admin.batch_execute(&bootstrap_sql(&config, &["billing_app".to_owned()])?).await.context("run the bootstrap")?;
        let version: String = admin.query_one("SHOW server_version", &[]).await?.get(0);
        let version = format!("PostgreSQL {}", version.split(' ').next().unwrap_or_default());
        Ok(Self { connector: PostgreSql::new(config, Arc::new(RealClock))?, server, version, admin })
    }

    fn login(&self, role: &str, password: &str) -> Login {
        Login { config: self.server.config(role, password, "billing"), tls: self.server.tls().clone() }
    }

    /// The one session of the role.
    async fn session(&self, role: &str) -> Result<Target> {
        let listed = self.connector.enumerate(role).await?;
        let session = listed.of(TargetKind::Session).next().context("its session is not listed")?;
        Ok(on(PLANE, TargetKind::Session, &session.native, role))
    }

    /// Makes the twin of a role; answers the attempt's secret.
    async fn twin(&self, role: &str, twin: &str) -> Result<Secret> {
        let secret = new_secret()?;
        let reissue = Attempt {
            new_secret: Some(secret.clone()),
            parameters: twin_named(twin),
            ..attempt(Action::ReissueCredential, &identity(role))
        };
        match self.connector.act(cleared(&reissue)?, &reissue).await {
            Outcome::Done { .. } => Ok(secret),
            other => bail!("the twin was not made: {other:?}"),
        }
    }
}

fn identity(role: &str) -> Target {
    on(PLANE, TargetKind::Identity, role, role)
}

fn credential(role: &str, generation: &str) -> Target {
    on(PLANE, TargetKind::Credential, &format!("{role}#password{generation}"), role)
}

fn twin_named(twin: &str) -> BTreeMap<String, String> {
    [("twin".to_owned(), twin.to_owned())].into()
}

#[async_trait::async_trait]
impl Ground for Roles {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn subjects(&self, action: Action) -> &'static [&'static str] {
        match action {
            Action::SuspendIdentity | Action::ReissueCredential | Action::Reinstate | Action::Restore => &["a role"],
            Action::RotateCredential => &["a password"],
            Action::TerminateSessions => &["a session"],
            Action::RemoveEntitlement => &["a membership"],
            Action::RetireIdentity => &["a twin"],
            _ => &[],
        }
    }

    async fn subject(&self, action: Action, what: &'static str) -> Result<Subject> {
        let role = format!("drill_{}", action.name());
        let password = Generated::generate()?;
        let verifier = password.verifier();
        self.admin
            .batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD '{verifier}' IN ROLE app_rw; SELECT quell.admit('{role}')"))
            .await
            .context("make the role")?;
        let role = role.as_str();
        let login = self.login(role, password.reveal());
        let whole = Subject {
            what,
            native: role.to_owned(),
            identity: identity(role),
            target: identity(role),
            old: credential(role, ""),
            secret: Some(Secret::new(password.reveal())),
            new: Some(credential(role, ":q7f3k")),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: Box::new(login.clone()),
        };
        Ok(match action {
            Action::RotateCredential => Subject { target: credential(role, ""), ..whole },
            Action::TerminateSessions => {
                let held = Box::new(login.open("SELECT 1").await?);
                let session = self.session(role).await?;
                Subject { target: session.clone(), old: session, secret: None, intruder: held, ..whole }
            }
            Action::RemoveEntitlement => {
                let member = on(PLANE, TargetKind::Entitlement, &format!("member:{role}>app_rw"), role);
                let held = Box::new(login.open("SELECT count(*) FROM payments").await?);
                Subject { target: member.clone(), old: member, secret: None, intruder: held, ..whole }
            }
            Action::ReissueCredential => {
                let twin = format!("{role}_twin");
                Subject { new: Some(credential(&twin, "")), made: Some(identity(&twin)), parameters: twin_named(&twin), ..whole }
            }
            Action::RetireIdentity => {
                let twin = format!("{role}_twin");
                let secret = self.twin(role, &twin).await?;
                Subject {
                    identity: identity(&twin),
                    target: identity(&twin),
                    old: credential(&twin, ""),
                    intruder: Box::new(self.login(&twin, secret.expose())),
                    secret: Some(secret),
                    native: twin,
                    ..whole
                }
            }
            Action::Reinstate => Subject { first: vec![attempt(Action::SuspendIdentity, &identity(role))], ..whole },
            Action::Restore => {
                let rotate = attempt(Action::RotateCredential, &credential(role, ""));
                let rotate = Attempt { new_secret: Some(new_secret()?), ..rotate };
                Subject { first: vec![rotate, attempt(Action::SuspendIdentity, &identity(role))], ..whole }
            }
            _ => whole,
        })
    }

    async fn revive(&self, subject: &Subject) -> Result<()> {
        let Some(secret) = &subject.secret else { return Ok(()) };
        let verifier = Generated::known(secret.expose()).verifier();
        let statement = format!("ALTER ROLE {} LOGIN PASSWORD '{verifier}'", subject.native);
        self.admin.batch_execute(&statement).await.context("let the old password in again")
    }
}

/// Logs in anew each time.
#[derive(Clone)]
struct Login {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Login {
    async fn open(&self, question: &'static str) -> Result<Session> {
        Ok(Session { client: dial::dial(&self.config, &self.tls).await?, question })
    }
}

#[async_trait::async_trait]
impl Intruder for Login {
    async fn is_in(&mut self) -> Result<bool> {
        Ok(dial::dial(&self.config, &self.tls).await.is_ok())
    }
}

/// Stays connected, and asks the same each time.
struct Session {
    client: Client,
    question: &'static str,
}

#[async_trait::async_trait]
impl Intruder for Session {
    async fn is_in(&mut self) -> Result<bool> {
        Ok(self.client.query_one(self.question, &[]).await.is_ok())
    }
}
