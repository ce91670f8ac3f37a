//! What a company would have in its OpenBao: a person with an entity, the AppRole
//! `ci` that she owns, tokens of every kind, leases on a real PostgreSQL, secrets,
//! policies, a CA.
//!
//! What Quell needs for itself (policy, AppRole, control) is made by its connector's
//! bootstrap and not here.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::OpenBao;
use crate::{postgres::Postgres, secret::Secret};

/// A token as it was handed out.
#[derive(Clone, Debug)]
pub struct Token {
    pub token: Secret,
    /// Empty for a batch token.
    pub accessor: String,
    pub entity: String,
}

/// A database login that was leased.
#[derive(Clone, Debug)]
pub struct Lease {
    pub id: String,
    pub username: String,
    pub password: Secret,
}

/// The estate around the AppRole `ci`.
#[derive(Clone, Debug)]
pub struct Estate {
    /// The user `alice` of `userpass`, and her password.
    pub person: String,
    pub person_password: Secret,
    /// Her entity, which her login leads to.
    pub person_entity: String,
    /// The AppRole that she owns; its policy `ci` reads secrets and database logins,
    /// and makes child and orphan tokens.
    pub role: String,
    pub role_id: String,
    /// The one that leaks.
    pub secret_id: Secret,
    pub secret_id_accessor: String,
    /// Another AppRole and its secret-id: the one that must not notice.
    pub other_role: String,
    pub other_secret_id: Secret,
}

/// What `ci` may do.
const CI: &str = r#"
path "secret/data/*" { capabilities = ["read"] }
path "database/creds/ro" { capabilities = ["read"] }
path "auth/token/create" { capabilities = ["update"] }
path "auth/token/create-orphan" { capabilities = ["update", "sudo"] }
"#;

/// What `deploy` may do.
const DEPLOY: &str = r#"
path "secret/data/deploy" { capabilities = ["read"] }
"#;

impl Estate {
    /// Makes the estate on a fresh server.
    ///
    /// # Errors
    ///
    /// When the server refuses a call.
    pub async fn make(server: &OpenBao) -> Result<Self> {
        for (path, body) in [
            ("sys/auth/approle", json!({"type": "approle"})),
            ("sys/auth/userpass", json!({"type": "userpass"})),
            ("sys/mounts/secret", json!({"type": "kv", "options": {"version": "2"}})),
            ("sys/mounts/pki", json!({"type": "pki", "config": {"max_lease_ttl": "8760h"}})),
            ("sys/policies/acl/ci", json!({"policy": CI})),
            ("sys/policies/acl/deploy", json!({"policy": DEPLOY})),
            ("auth/approle/role/ci", json!({"token_policies": "ci", "token_ttl": "1h", "token_max_ttl": "4h"})),
            ("auth/approle/role/deploy", json!({"token_policies": "deploy", "token_ttl": "1h"})),
            ("pki/root/generate/internal", json!({"common_name": "lab", "ttl": "8000h", "key_type": "ec"})),
            ("pki/roles/svc", json!({"allow_any_name": true, "max_ttl": "72h", "key_type": "ec"})),
        ] {
            server.write_to(path, body).await.with_context(|| format!("make `{path}`"))?;
        }
        let person_password = Secret::generate()?;
        server.write_to("auth/userpass/users/alice", json!({"password": person_password.reveal(), "token_policies": "ci"})).await?;
        let mounts = server.admin(Method::GET, "sys/auth", None).await?;
        let userpass = &mounts["data"]["userpass/"]["accessor"];
        let entity = server.write_to("identity/entity", json!({"name": "alice", "metadata": {"mail": "alice@corp.example"}})).await?;
        let person_entity = text(&entity["data"]["id"])?;
        server
            .write_to("identity/entity-alias", json!({"name": "alice", "canonical_id": person_entity, "mount_accessor": userpass}))
            .await?;

        let role_id = text(&server.admin(Method::GET, "auth/approle/role/ci/role-id", None).await?["data"]["role_id"])?;
        let (secret_id, secret_id_accessor) = new_secret_id(server, "ci", json!({})).await?;
        let (other_secret_id, _) = new_secret_id(server, "deploy", json!({})).await?;
        server
            .write_to("secret/data/billing", json!({"data": {"username": "billing_app", "password": Secret::generate()?.reveal()}}))
            .await?;
        Ok(Self {
            person: "alice".to_owned(),
            person_password,
            person_entity,
            role: "ci".to_owned(),
            role_id,
            secret_id,
            secret_id_accessor,
            other_role: "deploy".to_owned(),
            other_secret_id,
        })
    }

    /// Lets `ci` take logins of the database `billing` on a real PostgreSQL, over TLS.
    /// The names of the logins stay readable in the audit log. `further` statements run
    /// after each login is made, as superuser: `SELECT quell.admit('{{name}}')` puts it
    /// under Quell.
    ///
    /// # Errors
    ///
    /// When either server refuses.
    pub async fn connect(&self, server: &OpenBao, postgres: &Postgres, database: &str, further: &[&str]) -> Result<()> {
        let admin = Secret::generate()?;
        let superuser = postgres.connect_unix_superuser("postgres").await?;
        let made = format!("CREATE ROLE bao_admin SUPERUSER LOGIN PASSWORD '{}'", admin.verifier());
        superuser.batch_execute(&made).await.context("make the login of OpenBao")?;
        // The server's account may not look into PostgreSQL's directory.
        server.write("postgres-ca.pem", postgres.ca_pem())?;
        let url = format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@localhost:{}/{database}?sslmode=verify-full&sslrootcert={}/postgres-ca.pem",
            postgres.port(),
            server.dir().display()
        );
        let mut create = vec!["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"];
        create.extend_from_slice(further);
        for (path, body) in [
            ("sys/mounts/database", json!({"type": "database", "config": {"audit_non_hmac_response_keys": ["username"]}})),
            (
                "database/config/pg-main",
                json!({"plugin_name": "postgresql-database-plugin", "allowed_roles": "ro", "connection_url": url,
                    "username": "bao_admin", "password": admin.reveal(), "password_authentication": "scram-sha-256"}),
            ),
            ("database/roles/ro", json!({"db_name": "pg-main", "creation_statements": create, "default_ttl": "1h", "max_ttl": "24h"})),
        ] {
            server.write_to(path, body).await.with_context(|| format!("make `{path}`"))?;
        }
        Ok(())
    }

    /// Another secret-id of the AppRole `ci`, with its accessor.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn secret_id(&self, server: &OpenBao, settings: Value) -> Result<(Secret, String)> {
        new_secret_id(server, &self.role, settings).await
    }

    /// Logs in as `ci` with a secret-id.
    ///
    /// # Errors
    ///
    /// When the login is refused.
    pub async fn login(&self, server: &OpenBao, secret_id: &Secret) -> Result<Token> {
        token(
            server
                .call(Method::POST, "auth/approle/login", None, Some(json!({"role_id": self.role_id, "secret_id": secret_id.reveal()})))
                .await?,
        )
    }

    /// Logs the person in.
    ///
    /// # Errors
    ///
    /// When the login is refused.
    pub async fn login_person(&self, server: &OpenBao) -> Result<Token> {
        let body = json!({"password": self.person_password.reveal()});
        token(server.call(Method::POST, "auth/userpass/login/alice", None, Some(body)).await?)
    }
}

impl Token {
    /// A token of this one's making: `create` or `create-orphan`, `service` or `batch`.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn make(&self, server: &OpenBao, how: &str, kind: &str) -> Result<Self> {
        let body = json!({"ttl": "30m", "type": kind});
        token(server.call(Method::POST, &format!("auth/token/{how}"), Some(self.token.reveal()), Some(body)).await?)
    }

    /// Takes a login of the database.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn lease(&self, server: &OpenBao) -> Result<Lease> {
        let (status, got) = server.call(Method::GET, "database/creds/ro", Some(self.token.reveal()), None).await?;
        anyhow::ensure!(status == 200, "no lease was given: {status} {}", got["errors"]);
        Ok(Lease {
            id: text(&got["lease_id"])?,
            username: text(&got["data"]["username"])?,
            password: Secret::known(text(&got["data"]["password"])?),
        })
    }

    /// Does the server still serve it? Asked by reading a secret, as an intruder would.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn works(&self, server: &OpenBao) -> Result<bool> {
        let (status, _) = server.call(Method::GET, "secret/data/billing", Some(self.token.reveal()), None).await?;
        Ok(status == 200)
    }
}

async fn new_secret_id(server: &OpenBao, role: &str, settings: Value) -> Result<(Secret, String)> {
    let made = server.write_to(&format!("auth/approle/role/{role}/secret-id"), settings).await?;
    Ok((Secret::known(text(&made["data"]["secret_id"])?), text(&made["data"]["secret_id_accessor"])?))
}

fn token((status, answer): super::Answer) -> Result<Token> {
    let auth = &answer["auth"];
    anyhow::ensure!(status == 200 && auth.is_object(), "no token was given: {status} {}", answer["errors"]);
    Ok(Token {
        token: Secret::known(text(&auth["client_token"])?),
        accessor: auth["accessor"].as_str().unwrap_or_default().to_owned(),
        entity: auth["entity_id"].as_str().unwrap_or_default().to_owned(),
    })
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("OpenBao answered without what was asked for")
}
