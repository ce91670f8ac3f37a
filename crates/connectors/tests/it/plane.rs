//! A real PostgreSQL with the billing estate, bootstrapped, and a connector to it.

use std::{collections::BTreeMap, sync::Arc};

use quell_connectors::postgresql::{PostgreSql, PostgresConfig, Reach, bootstrap_sql};
use quell_core::{
    action::Action,
    proof::{Liveness, Observation, Proved},
    secret::Secret,
    target::{Reading, Target, TargetKind},
    time::Timestamp,
};
use quell_engine::port::{Connector, Outcome, ProbeRequest};
use quell_lab::{
    estate::Estate,
    postgres::{Options, Postgres},
};
use tokio_postgres::Client;

pub use crate::any_plane::*;

/// What the connector can do.
pub const ACTIONS: [Action; 8] = [
    Action::SuspendIdentity,
    Action::TerminateSessions,
    Action::RotateCredential,
    Action::RemoveEntitlement,
    Action::ReissueCredential,
    Action::RetireIdentity,
    Action::Reinstate,
    Action::Restore,
];

/// A server with the billing estate under Quell.
pub struct Plane {
    pub server: Postgres,
    pub estate: Estate,
    pub config: PostgresConfig,
    pub connector: PostgreSql,
    /// A superuser in the billing database, over the private socket.
    pub admin: Client,
}

pub const APP: &str = "billing_app";

impl Plane {
    pub async fn start() -> Self {
        Self::with(Options::default(), |_| {}).await
    }

    pub async fn with(options: Options, change: impl FnOnce(&mut PostgresConfig)) -> Self {
        let server = Postgres::start(options).await.expect("a real PostgreSQL is installed");
        let estate = Estate::billing(&server).await.expect("the estate is made");
        let mut config = config(&server, server.port());
        change(&mut config);
        let admin = server.connect_unix_superuser("billing").await.expect("the lab is let in");
        let script = bootstrap_sql(&config, &[APP.to_owned()]).expect("the names are good");
        admin.batch_execute(&script).await.expect("the bootstrap runs");
        let connector = PostgreSql::new(config.clone(), Arc::new(RealClock)).expect("the configuration is good");
        Self { server, estate, config, connector, admin }
    }

    /// Another connector to the same server, with something changed.
    pub fn connector(&self, change: impl FnOnce(&mut PostgresConfig)) -> PostgreSql {
        let mut config = self.config.clone();
        change(&mut config);
        PostgreSql::new(config, Arc::new(RealClock)).expect("the configuration is good")
    }

    pub fn leaked(&self) -> Secret {
        Secret::new(self.estate.app.password.reveal())
    }

    /// A session of the intruder's: in with the leaked password.
    pub async fn intruder(&self) -> Client {
        self.server.connect(APP, self.estate.app.password.reveal(), "billing").await.expect("the leaked password works")
    }

    pub async fn sql(&self, text: &str) {
        self.admin.batch_execute(text).await.expect("the superuser may");
    }

    pub async fn act(&self, action: Action, target: &Target) -> Outcome {
        act(&self.connector, attempt(action, target)).await
    }

    /// Locked, committed, killed: the contained state.
    pub async fn contain(&self) -> (Reading, BTreeMap<String, Secret>) {
        let before = self.connector.read(&credential(APP)).await.expect("it is in scope");
        done(self.act(Action::SuspendIdentity, &identity(APP)).await);
        done(self.act(Action::TerminateSessions, &identity(APP)).await);
        before
    }

    /// One round about the credential of `APP`, judged with the given settle time.
    pub async fn judged(&self, request: ProbeRequest, acted_at: Option<Timestamp>) -> (Proved, Vec<Observation>) {
        judged(&self.connector, request, acted_at).await
    }
}

/// Settles, probes and answers the liveness of one round.
pub async fn liveness(connector: &PostgreSql, request: ProbeRequest) -> (Liveness, String) {
    let (proved, _) = judged(connector, request, None).await;
    (proved.liveness, proved.reason)
}

/// The usual configuration: TLS with the server's authority, name `localhost`.
pub fn config(server: &Postgres, port: u16) -> PostgresConfig {
    let reach = Reach::Tls {
        host: "localhost".to_owned(),
        port,
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        ca_pem: server.ca_pem().to_owned(),
    };
    PostgresConfig::new("pg-main", reach, "billing", new_secret(), new_secret())
}

pub fn target(kind: TargetKind, native: &str, identity: &str) -> Target {
    on("pg-main", kind, native, identity)
}

pub fn identity(role: &str) -> Target {
    target(TargetKind::Identity, role, role)
}

pub fn credential(role: &str) -> Target {
    target(TargetKind::Credential, &format!("{role}#password"), role)
}

pub fn session(native: &str) -> Target {
    target(TargetKind::Session, native, APP)
}

pub fn entitlement(native: &str) -> Target {
    target(TargetKind::Entitlement, native, APP)
}

pub fn about_app() -> ProbeRequest {
    about(credential(APP), APP)
}
