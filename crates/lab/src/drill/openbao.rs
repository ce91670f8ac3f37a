//! OpenBao: an AppRole for each course, and a real PostgreSQL behind its leases.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result, bail};
use quell_connectors::openbao::{AuditLog, CONTROL_POLICY, Login, OpenBao, OpenBaoConfig, Reach, policy_text};
use quell_core::{
    action::{Action, CATALOGUE},
    proof::Liveness,
    secret::Secret,
    target::{Target, TargetKind},
};
use quell_engine::port::Connector;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    attempt::{RealClock, attempt, new_secret, on},
    course::{Ground, Intruder, Subject},
};
use crate::{
    openbao::{AUDIT_DEVICE, Estate, Lease, OpenBao as Server, Options, Token},
    postgres::Postgres,
    secret::Secret as Generated,
};

const PLANE: &str = "bao-drill";
/// What the courses make beside their AppRoles.
const USER: &str = "drill";
const POLICY: &str = "drill";
const STORE: &str = "secret/drill";
const AUTHORITY: &str = "pki";
/// The identity that certificates belong to.
const AUTHORITY_ITSELF: &str = "pki:pki";
/// What nothing ends before its time.
const BATCH: &str = "batch tokens, by their issuer";
const CERTIFICATE: &str = "a certificate";
/// Every database login that the vault leased.
const LEASES: &str = "database/creds/ro";

/// A server with its estate under Quell.
pub struct Vault {
    server: Arc<Server>,
    estate: Estate,
    connector: OpenBao,
    version: String,
    /// Behind the database engine.
    postgres: Arc<Postgres>,
}

impl Vault {
    /// # Errors
    ///
    /// When a server is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        let (server, postgres) = tokio::try_join!(Server::start(Options::default()), Postgres::start(crate::postgres::Options::default()))?;
        crate::estate::Estate::billing(&postgres).await?;
        let estate = Estate::make(&server).await?;
        estate.connect(&server, &postgres, "billing", &[]).await?;
        let reach = Reach::Tls {
            host: "localhost".to_owned(),
            port: server.port(),
            address: Some(Ipv4Addr::LOCALHOST.into()),
            ca_pem: server.ca().pem().to_owned(),
        };
        let own = new_secret()?;
        let login = Login::AppRole { role: "quell".to_owned(), secret_id: own.clone() };
        let mut config = OpenBaoConfig::new(PLANE, reach, login, new_secret()?);
        config.audit = Some(AuditLog { file: server.audit_log(), device: AUDIT_DEVICE.to_owned() });
        bootstrap(&server, &config, &own).await.context("run the bootstrap")?;
        let health = server.admin(Method::GET, "sys/health", None).await?;
        let version = format!("OpenBao {}", health["version"].as_str().context("OpenBao does not tell its version")?);
        let connector = OpenBao::new(config, Arc::new(RealClock))?;
        Ok(Self { server: Arc::new(server), estate, connector, version, postgres: Arc::new(postgres) })
    }

    /// An AppRole with one secret-id, that somebody logged in with before.
    async fn approle(&self, name: &str, policy: &str, token_type: &str) -> Result<(Estate, Token)> {
        let role = format!("auth/approle/role/{name}");
        let settings = json!({"token_policies": policy, "token_ttl": "1h", "token_max_ttl": "1h", "token_type": token_type});
        self.server.write_to(&role, settings).await?;
        self.server.write_to(&format!("{role}/role-id"), json!({"role_id": name})).await?;
        let estate = Estate { role: name.to_owned(), role_id: name.to_owned(), ..self.estate.clone() };
        let (secret_id, secret_id_accessor) = estate.secret_id(&self.server, json!({})).await?;
        let estate = Estate { secret_id, secret_id_accessor, ..estate };
        let token = estate.login(&self.server, &estate.secret_id).await?;
        Ok((estate, token))
    }

    fn held(&self, way: Way) -> Box<dyn Intruder> {
        Box::new(Held { server: self.server.clone(), way })
    }
}

/// Quell's policy, its AppRole and the control, with what the courses give back in scope.
async fn bootstrap(server: &Server, config: &OpenBaoConfig, own: &Secret) -> Result<()> {
    let mut scope: Vec<String> = CATALOGUE.iter().map(|entry| format!("approle:{}", name(entry.action))).collect();
    scope.extend([format!("userpass:{USER}"), format!("policy:{POLICY}"), format!("kv:{STORE}"), format!("pki:{AUTHORITY}")]);
    server.write_to("sys/policies/acl/quell", json!({ "policy": policy_text(config, &scope)? })).await?;
    server.write_to("sys/policies/acl/quell-control", json!({ "policy": CONTROL_POLICY })).await?;
    for (role, policy, secret) in [("quell", "quell", own), (config.control.role.as_str(), "quell-control", &config.control.secret_id)] {
        let settings = json!({"token_policies": policy, "token_no_default_policy": true, "token_type": "service", "token_ttl": "15m"});
        server.write_to(&format!("auth/approle/role/{role}"), settings).await?;
        server.write_to(&format!("auth/approle/role/{role}/role-id"), json!({ "role_id": role })).await?;
        server.write_to(&format!("auth/approle/role/{role}/custom-secret-id"), json!({ "secret_id": secret.expose() })).await?;
    }
    Ok(())
}

/// The AppRole of a course.
fn name(action: Action) -> String {
    format!("drill-{}", action.name())
}

#[async_trait::async_trait]
impl Ground for Vault {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn subjects(&self, action: Action) -> &'static [&'static str] {
        match action {
            Action::SuspendIdentity | Action::Reinstate | Action::Restore => &["an AppRole"],
            Action::TerminateSessions => &["a token"],
            Action::RevokeCredential => &["a secret-id", "a KV version", "a lease", "leases of a path", BATCH, CERTIFICATE],
            Action::RotateCredential => &["a password"],
            Action::ChangePolicy => &["a policy"],
            _ => &[],
        }
    }

    async fn subject(&self, action: Action, what: &'static str) -> Result<Subject> {
        let reads = action == Action::ChangePolicy || what == BATCH;
        let policy = if reads { POLICY } else { "ci" };
        if reads {
            let text = "path \"secret/data/*\" {\n  capabilities = [\"read\"]\n}\n";
            self.server.write_to(&format!("sys/policies/acl/{POLICY}"), json!({ "policy": text })).await?;
        }
        // Batch tokens come from whatever secret-id is left, so their login has one of its own.
        let (role, token_type) = if what == BATCH { ("drill-batch".to_owned(), "batch") } else { (name(action), "service") };
        let (estate, token) = self.approle(&role, policy, token_type).await.context("make an AppRole")?;
        let native = format!("approle:{}", estate.role);
        let target = |kind: TargetKind, of: &str| -> Target { on(PLANE, kind, of, &native) };
        let secret_id = target(TargetKind::Credential, &format!("{native}#secret_id:{}", estate.secret_id_accessor));
        let whole = Subject {
            what,
            identity: target(TargetKind::Identity, &native),
            target: target(TargetKind::Identity, &native),
            old: secret_id.clone(),
            secret: Some(Secret::new(estate.secret_id.reveal())),
            new: Some(target(TargetKind::Credential, &format!("{native}#secret_id:q7f3k"))),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: self.held(Way::SecretId(estate)),
            native: native.clone(),
        };
        // One thing by itself, known by its name and not by a value.
        let one = |target: Target, way: Way| (target.clone(), target, self.held(way));
        let (target, old, intruder) = match (action, what) {
            (Action::Reinstate | Action::Restore, _) => {
                return Ok(Subject { first: vec![attempt(Action::SuspendIdentity, &whole.identity)], ..whole });
            }
            // Their issuer is cut, and they stand: nobody can list them, so before it nobody can tell.
            (Action::RevokeCredential, BATCH) => {
                let old = target(TargetKind::Credential, &format!("{native}#batch_tokens"));
                let intruder = self.held(Way::Token(token));
                return Ok(Subject { target: secret_id, old, secret: None, intruder, before: Liveness::Unknown, residual: true, ..whole });
            }
            (Action::RevokeCredential, CERTIFICATE) => {
                let issued = self.server.write_to("pki/issue/svc", json!({"common_name": "drill", "ttl": "1h"})).await?;
                let serial = issued["data"]["serial_number"].as_str().context("the CA gave no serial")?;
                let (cert, ca) =
                    (on(PLANE, TargetKind::Credential, &format!("cert:{AUTHORITY}/{serial}"), AUTHORITY_ITSELF), AUTHORITY_ITSELF);
                let intruder = self.held(Way::Certificate);
                let identity = on(PLANE, TargetKind::Identity, ca, ca);
                let one = Subject { target: cert.clone(), old: cert, secret: None, intruder, residual: true, ..whole };
                return Ok(Subject { identity, native: ca.to_owned(), ..one });
            }
            (Action::RevokeCredential, "a secret-id") => return Ok(Subject { target: secret_id, ..whole }),
            (Action::RotateCredential, _) => return self.user(what).await,
            (Action::TerminateSessions, _) => one(target(TargetKind::Session, &format!("token:{}", token.accessor)), Way::Token(token)),
            (Action::ChangePolicy, _) => one(target(TargetKind::Entitlement, &format!("policy:{POLICY}>secret/data/*")), Way::Token(token)),
            (Action::RevokeCredential, "a KV version") => {
                for password in ["the old one", "the next one"] {
                    self.server.write_to("secret/data/drill", json!({"data": {"password": password}})).await?;
                }
                one(on(PLANE, TargetKind::Credential, &format!("kv:{STORE}#version:1"), &format!("kv:{STORE}")), Way::FirstVersion)
            }
            (Action::RevokeCredential, "a lease" | "leases of a path") => {
                let lease = token.lease(&self.server).await?;
                let named = if what == "a lease" { format!("lease:{}", lease.id) } else { format!("leases:{LEASES}") };
                one(target(TargetKind::Credential, &named), Way::Lease(lease, self.postgres.clone()))
            }
            _ => return Ok(whole),
        };
        Ok(Subject { target, old, secret: None, intruder, ..whole })
    }
}

impl Vault {
    /// A user who logs in with a password.
    async fn user(&self, what: &'static str) -> Result<Subject> {
        let password = Generated::generate()?;
        let body = json!({"password": password.reveal(), "token_policies": "ci"});
        self.server.write_to(&format!("auth/userpass/users/{USER}"), body).await.context("make a user")?;
        let native = format!("userpass:{USER}");
        let credential = on(PLANE, TargetKind::Credential, &format!("{native}#password"), &native);
        Ok(Subject {
            what,
            identity: on(PLANE, TargetKind::Identity, &native, &native),
            target: credential.clone(),
            old: credential.clone(),
            secret: Some(Secret::new(password.reveal())),
            new: Some(credential),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: self.held(Way::Password(password)),
            native,
        })
    }
}

/// What the intruder holds.
enum Way {
    SecretId(Estate),
    Password(Generated),
    Token(Token),
    FirstVersion,
    /// Shown to a relying party that checks no list of revoked ones: it is taken until it ends.
    Certificate,
    Lease(Lease, Arc<Postgres>),
}

struct Held {
    server: Arc<Server>,
    way: Way,
}

#[async_trait::async_trait]
impl Intruder for Held {
    async fn is_in(&mut self) -> Result<bool> {
        let call = async |path: &str, token: Option<&str>, body: Option<Value>| {
            let method = if body.is_some() { Method::POST } else { Method::GET };
            match self.server.call(method, path, token, body).await?.0 {
                200 => Ok(true),
                400 | 403 | 404 => Ok(false),
                other => bail!("OpenBao answered {other}, which is neither yes nor no"),
            }
        };
        match &self.way {
            Way::SecretId(estate) => {
                let body = json!({"role_id": estate.role_id, "secret_id": estate.secret_id.reveal()});
                call("auth/approle/login", None, Some(body)).await
            }
            Way::Password(password) => {
                call(&format!("auth/userpass/login/{USER}"), None, Some(json!({"password": password.reveal()}))).await
            }
            Way::Token(token) => token.works(&self.server).await,
            // As somebody who may read everything there.
            Way::FirstVersion => call("secret/data/drill?version=1", Some(self.server.root().reveal()), None).await,
            Way::Certificate => Ok(true),
            Way::Lease(lease, postgres) => Ok(postgres.connect(&lease.username, lease.password.reveal(), "billing").await.is_ok()),
        }
    }
}
