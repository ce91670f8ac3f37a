//! A real OpenBao with its estate, bootstrapped, and a connector to it.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use quell_connectors::openbao::{AuditLog, CONTROL_POLICY, Login, OpenBao, OpenBaoConfig, Reach, policy_text};
use quell_core::{
    action::Action,
    proof::{Liveness, Observation, Proved},
    secret::Secret,
    target::{Enumeration, Found, Target, TargetKind},
    time::Timestamp,
};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};
use quell_lab::{
    openbao::{Estate, OpenBao as Server, Options},
    postgres::Postgres,
};
use serde_json::json;

use crate::any_plane;
pub use crate::any_plane::{
    Asked, RealClock, attempt, cleared, done, keeps_to_the_catalogue, line, new_secret, now, on, read_and_done, strangers, swallow,
    takes_no_other_clearance, with_secret,
};

/// The AppRole that leaks.
pub const CI: &str = "approle:ci";

/// What the scope of the tests gives access to again.
pub const SCOPE: [&str; 5] = ["approle:ci", "userpass:alice", "kv:secret/billing", "policy:ci", "pki:pki"];

/// A server with the estate under Quell.
pub struct Plane {
    pub server: Server,
    pub estate: Estate,
    pub config: OpenBaoConfig,
    pub connector: Arc<OpenBao>,
}

impl Plane {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut OpenBaoConfig)) -> Self {
        let server = Server::start(Options::default()).await.expect("a real OpenBao is installed");
        let estate = Estate::make(&server).await.expect("the estate is made");
        let mut config = config(&server);
        change(&mut config);
        bootstrap(&server, &config).await;
        let connector = OpenBao::new(config.clone(), Arc::new(RealClock)).expect("the configuration is good");
        Self { server, estate, config, connector: Arc::new(connector) }
    }

    /// With a real PostgreSQL behind the database engine.
    pub async fn with_postgres() -> (Self, Postgres, quell_lab::estate::Estate) {
        let postgres = Postgres::start(quell_lab::postgres::Options::default()).await.expect("a real PostgreSQL is installed");
        let billing = quell_lab::estate::Estate::billing(&postgres).await.expect("the estate is made");
        let plane = Self::with(|c| c.planes = [("database/pg-main".to_owned(), "pg-main".to_owned())].into()).await;
        plane.estate.connect(&plane.server, &postgres, "billing", &[]).await.expect("the engine speaks to it");
        (plane, postgres, billing)
    }

    /// Another connector to the same server, with something changed.
    pub fn connector(&self, change: impl FnOnce(&mut OpenBaoConfig)) -> OpenBao {
        let mut config = self.config.clone();
        change(&mut config);
        OpenBao::new(config, Arc::new(RealClock)).expect("the configuration is good")
    }

    /// The secret-id that leaked.
    pub fn leaked(&self) -> Secret {
        secret(&self.estate.secret_id)
    }

    /// The native id of its credential.
    pub fn leaked_native(&self) -> String {
        format!("{CI}#secret_id:{}", self.estate.secret_id_accessor)
    }

    /// A token of the intruder's: in with the leaked secret-id.
    pub async fn intruder(&self) -> quell_lab::openbao::Token {
        self.estate.login(&self.server, &self.estate.secret_id).await.expect("the leaked secret-id works")
    }

    pub async fn act(&self, action: Action, target: &Target) -> Outcome {
        act(&self.connector, attempt(action, target)).await
    }

    /// An action that must be done; answers what it changed.
    pub async fn do_it(&self, action: Action, target: &Target) -> BTreeMap<String, (Option<String>, Option<String>)> {
        done(self.act(action, target).await)
    }

    pub async fn enumerate(&self, identity: &str) -> Enumeration {
        self.connector.enumerate(identity).await.expect("the server answers")
    }

    /// What one round about `target` proves, without any secret and with no act before.
    pub async fn liveness(&self, target: &Target) -> (Liveness, String) {
        let (proved, _) = judged(&self.connector, about(target.clone())).await;
        (proved.liveness, proved.reason)
    }

    pub async fn write(&self, path: &str, body: serde_json::Value) -> serde_json::Value {
        self.server.write_to(path, body).await.expect("root may")
    }
}

/// Quell's policy, its AppRole and the control, as the script makes them; that it is
/// the same is another test's.
pub async fn bootstrap(server: &Server, config: &OpenBaoConfig) {
    let scope = SCOPE.map(str::to_owned);
    let policy = policy_text(config, &scope).expect("good names");
    let write = async |path: &str, body: serde_json::Value| server.write_to(path, body).await.expect("root may");
    write("sys/policies/acl/quell", json!({ "policy": policy })).await;
    write("sys/policies/acl/quell-control", json!({ "policy": CONTROL_POLICY })).await;
    let Login::AppRole { role, secret_id } = &config.login else { panic!("the tests log in by AppRole") };
    for (role, policy, secret) in [(role, "quell", secret_id), (&config.control.role, "quell-control", &config.control.secret_id)] {
        let settings = json!({"token_policies": policy, "token_no_default_policy": true, "token_type": "service", "token_ttl": "15m"});
        write(&format!("auth/approle/role/{role}"), settings).await;
        write(&format!("auth/approle/role/{role}/role-id"), json!({ "role_id": role })).await;
        write(&format!("auth/approle/role/{role}/custom-secret-id"), json!({ "secret_id": secret.expose() })).await;
    }
}

/// The usual configuration: TLS with the server's authority, name `localhost`.
pub fn config(server: &Server) -> OpenBaoConfig {
    let login = Login::AppRole { role: "quell".to_owned(), secret_id: new_secret() };
    let mut config = OpenBaoConfig::new("bao-main", reach(server, server.port()), login, new_secret());
    config.audit = Some(AuditLog { file: server.audit_log(), device: quell_lab::openbao::AUDIT_DEVICE.to_owned() });
    config
}

pub fn reach(server: &Server, port: u16) -> Reach {
    Reach::Tls { host: "localhost".to_owned(), port, address: Some(Ipv4Addr::LOCALHOST.into()), ca_pem: server.ca().pem().to_owned() }
}

pub fn secret(of: &quell_lab::secret::Secret) -> Secret {
    Secret::new(of.reveal())
}

pub fn target(kind: TargetKind, native: &str, identity: &str) -> Target {
    on("bao-main", kind, native, identity)
}

pub fn identity(native: &str) -> Target {
    target(TargetKind::Identity, native, native)
}

pub fn credential(native: &str) -> Target {
    target(TargetKind::Credential, native, CI)
}

pub fn session(accessor: &str) -> Target {
    target(TargetKind::Session, &format!("token:{accessor}"), CI)
}

pub fn entitlement(native: &str) -> Target {
    target(TargetKind::Entitlement, native, CI)
}

pub async fn act(connector: &OpenBao, attempt: Attempt) -> Outcome {
    any_plane::act(connector, attempt).await
}

/// What a round asks, without any secret.
pub fn about(target: Target) -> ProbeRequest {
    any_plane::about(target, CI)
}

pub async fn judged(connector: &OpenBao, request: ProbeRequest) -> (Proved, Vec<Observation>) {
    judged_after(connector, request, None).await
}

pub async fn judged_after(connector: &OpenBao, request: ProbeRequest, acted_at: Option<Timestamp>) -> (Proved, Vec<Observation>) {
    any_plane::judged(connector, request, acted_at).await
}

pub fn natives(all: &Enumeration, kind: TargetKind) -> Vec<String> {
    all.of(kind).map(|f| f.native.clone()).collect()
}

pub fn found<'a>(all: &'a Enumeration, native: &str) -> &'a Found {
    all.found.iter().find(|f| f.native == native).unwrap_or_else(|| panic!("`{native}` is in {:#?}", all.found))
}

/// Looks until it holds; a real server takes its time.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("in 30 s it did not come to this: {what}");
}
