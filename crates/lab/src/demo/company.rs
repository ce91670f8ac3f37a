//! A small company on three real servers, with Quell bootstrapped on each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::desk::{Desk, text, write};
use crate::{
    estate::{Estate, Login},
    openbao::{Estate as Vault, Lease, OpenBao},
    openldap::{self, Company as People, SUFFIX, Slapd},
    postgres::{Options as Database, Postgres},
    private,
    secret::Secret,
};

/// Everything that runs for the demo.
pub struct Company {
    pub work: tempfile::TempDir,
    pub database: Postgres,
    pub vault: OpenBao,
    pub directory: Slapd,
    pub billing: Estate,
    pub secrets: Vault,
    pub people: People,
    /// The identity whose plane lies.
    pub export: Login,
    /// What the billing job reads its password from the vault with.
    pub job: (String, Secret),
    pub desk: Desk,
    /// Where the owner gets her new password.
    pub handed: PathBuf,
}

/// How much of the company Quell may touch, and how much of it at once.
pub struct Reach {
    /// The lines of `[automation]`.
    pub automation: &'static str,
    /// AppRoles beside `ci`.
    pub approles: Vec<String>,
    /// The service accounts of the directory, too.
    pub services: bool,
}

impl Reach {
    /// What the demo's incident needs.
    #[must_use]
    pub fn of_the_demo() -> Self {
        Self { automation: "watch_every = \"2s\"", approles: Vec::new(), services: false }
    }
}

/// What the intruder took before anybody noticed.
pub struct Stolen {
    /// A login that the vault leased.
    pub lease: Lease,
    /// The billing job's password, read from the vault.
    pub billing: Login,
}

impl Company {
    /// Starts the servers, makes what a company has, and puts each plane under Quell.
    ///
    /// # Errors
    ///
    /// When a server does not start or refuses something.
    pub async fn open(quell: &Path, out: &Path, began: Instant, reach: &Reach) -> Result<Self> {
        let tell = |line: &str| println!("{:6.1} s  {line}", began.elapsed().as_secs_f32());
        tell("PostgreSQL, OpenBao and OpenLDAP start on 127.0.0.1, each with a certificate authority of this run");
        let (database, vault, directory) = tokio::try_join!(
            Postgres::start(Database::default()),
            OpenBao::start(crate::openbao::Options::default()),
            Slapd::start(openldap::Options::default())
        )?;
        let billing = Estate::billing(&database).await?;
        let export = Login { user: "export_job".to_owned(), password: Secret::generate()? };
        let admin = database.connect_unix_superuser("billing").await?;
        admin.batch_execute(&format!("CREATE ROLE export_job LOGIN PASSWORD '{}' IN ROLE app_rw", export.password.verifier())).await?;
        let secrets = Vault::make(&vault).await?;
        let people = People::on(&directory).await?;
        let job = furnish(&vault, &directory, &people, &billing).await?;

        let work = tempfile::tempdir()?;
        let dir = work.path().to_owned();
        let handed = dir.join("mara.json");
        configure(&dir, &database, &vault, &directory, &handed, reach)?;
        let script = |plane: &str, scope: &[&str]| bootstrap(quell, &dir, plane, scope);
        admin.batch_execute(&script("pg-main", &["billing_app", "export_job"])?).await.context("run the script of pg-main")?;
        let mut in_vault = vec!["approle:ci", "kv:secret/billing"];
        in_vault.extend(reach.approles.iter().map(String::as_str));
        as_vault_admin(&vault, &dir, &script("bao-main", &in_vault)?)?;
        let services = reach.services.then_some(people.services.as_str());
        let in_directory: Vec<&str> = [people.people.as_str()].into_iter().chain(services).collect();
        directory.ldapmodify(&script("ldap-main", &in_directory)?, &[]).context("run the script of ldap-main")?;
        // After the script: it makes `quell.admit`, by which a leased login comes under Quell.
        secrets.connect(&vault, &database, "billing", &["GRANT app_rw TO \"{{name}}\"", "SELECT quell.admit('{{name}}')"]).await?;
        tell("their administrators ran the scripts of `quell connector bootstrap`: on each plane a login with the least that is needed");

        let desk = people_of_quell(quell, &dir, &out.join("server.log"), &people, &secrets)?;
        tell("quell serves; a new installation observes and changes nothing");
        Ok(Self { work, database, vault, directory, billing, secrets, people, export, job, desk, handed })
    }

    /// What somebody with the leaked secret-id does first.
    ///
    /// # Errors
    ///
    /// When the vault refuses.
    pub async fn is_robbed(&self) -> Result<Stolen> {
        let token = self.secrets.login(&self.vault, &self.secrets.secret_id).await?;
        let (status, read) = self.vault.call(Method::GET, "secret/data/billing", Some(token.token.reveal()), None).await?;
        anyhow::ensure!(status == 200, "the secret was not given out: {status}");
        let password = read["data"]["data"]["password"].as_str().context("no password in it")?;
        let billing = Login { user: self.billing.app.user.clone(), password: Secret::known(password) };
        Ok(Stolen { lease: token.lease(&self.vault).await?, billing })
    }

    /// The leaked credential, as cases name it.
    #[must_use]
    pub fn leaked(&self) -> String {
        format!("bao-main/approle:ci#secret_id:{}", self.secrets.secret_id_accessor)
    }

    /// The owner's credential, as cases name it.
    #[must_use]
    pub fn owners(&self) -> String {
        format!("ldap-main/{}#password", self.people.mara.dn)
    }
}

/// The job's own way into the vault, its password there, and servers that are not
/// locked by an intruder's noise.
async fn furnish(vault: &OpenBao, directory: &Slapd, people: &People, billing: &Estate) -> Result<(String, Secret)> {
    let policy = "path \"secret/data/billing\" { capabilities = [\"read\"] }";
    let login = json!({"data": {"username": billing.app.user, "password": billing.app.password.reveal()}});
    for (path, body) in [
        ("secret/data/billing", login),
        ("sys/policies/acl/billing-job", json!({ "policy": policy })),
        ("auth/approle/role/billing-job", json!({"token_policies": "billing-job", "token_ttl": "1h"})),
        ("sys/auth/approle/tune", json!({"user_lockout_config": {"lockout_disable": true}})),
    ] {
        vault.write_to(path, body).await.with_context(|| format!("make `{path}`"))?;
    }
    let role = vault.admin(Method::GET, "auth/approle/role/billing-job/role-id", None).await?;
    let made = vault.write_to("auth/approle/role/billing-job/secret-id", json!({})).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("the vault gave no login for the job");
    let changed = directory.admin().await?.modify(&people.policy, vec![openldap::replace("pwdMaxFailure", &["0"])]).await?;
    anyhow::ensure!(changed.code == 0, "the password policy was not changed: {}", changed.text);
    Ok((text(&role["data"]["role_id"])?, Secret::known(text(&made["data"]["secret_id"])?)))
}

fn configure(dir: &Path, database: &Postgres, vault: &OpenBao, directory: &Slapd, handed: &Path, reach: &Reach) -> Result<()> {
    for plane in ["pg", "bao", "ldap"] {
        private::write(&dir.join(format!("{plane}.secret")), Secret::generate()?.reveal())?;
        private::write(&dir.join(format!("{plane}-control.secret")), Secret::generate()?.reveal())?;
    }
    write(&dir.join("pg-ca.pem"), database.ca_pem())?;
    write(&dir.join("bao-ca.pem"), vault.ca().pem())?;
    write(&dir.join("ldap-ca.pem"), directory.ca_pem())?;
    let config = format!(
        r#"[automation]
{automation}

[[connector]]
name = "pg-main"
kind = "postgresql"
url = "postgresql://localhost:{pg}/billing"
ca_file = "pg-ca.pem"
username = "quell"
secret_file = "pg.secret"
settle = "250ms"
[connector.control]
identity = "quell_control"
secret_file = "pg-control.secret"

[[connector]]
name = "bao-main"
kind = "openbao"
url = "https://localhost:{bao}?hostaddr=127.0.0.1"
ca_file = "bao-ca.pem"
username = "quell"
secret_file = "bao.secret"
settle = "250ms"
[connector.control]
identity = "quell-control"
secret_file = "bao-control.secret"
[connector.planes]
"database/pg-main" = "pg-main"
[connector.audit]
file = "{audit}"
device = "{device}"

[[connector]]
name = "ldap-main"
kind = "openldap"
url = "ldaps://localhost:{ldap}/{SUFFIX}?hostaddr=127.0.0.1"
ca_file = "ldap-ca.pem"
username = "cn=quell,ou=quell,{SUFFIX}"
secret_file = "ldap.secret"
settle = "250ms"
[connector.control]
identity = "cn=quell-control,ou=quell,{SUFFIX}"
secret_file = "ldap-control.secret"

[[sink]]
name = "bao-main/secret/data/billing"
kind = "openbao"
connector = "bao-main"
path = "secret/billing"

[[sink]]
name = "mara-handover"
kind = "file"
path = "{handed}"
"#,
        automation = reach.automation,
        pg = database.port(),
        bao = vault.port(),
        audit = vault.audit_log().display(),
        device = crate::openbao::AUDIT_DEVICE,
        ldap = directory.tls_port(),
        handed = handed.display(),
    );
    write(&dir.join("quell.toml"), &config)?;
    let mut key = [0_u8; 32];
    fill(&mut key)?;
    private::write(&dir.join("key"), &key.iter().map(|b| format!("{b:02x}")).collect::<String>())
}

/// What `quell connector bootstrap` prints for one plane.
fn bootstrap(quell: &Path, dir: &Path, plane: &str, scope: &[&str]) -> Result<String> {
    let scope = scope.iter().flat_map(|s| ["--scope", s]);
    let ran = Command::new(quell)
        .args(["connector", "bootstrap", plane])
        .args(scope)
        .arg("--config")
        .arg(dir.join("quell.toml"))
        .output()
        .with_context(|| format!("run `{}`", quell.display()))?;
    if !ran.status.success() {
        bail!("`quell connector bootstrap {plane}` failed: {}", String::from_utf8_lossy(&ran.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Runs a script as somebody who may write policies.
fn as_vault_admin(vault: &OpenBao, dir: &Path, script: &str) -> Result<()> {
    let file = dir.join("bao-bootstrap.sh");
    private::write(&file, script)?;
    std::os::unix::fs::symlink(crate::openbao::program()?, dir.join("bao")).context("name the program `bao`")?;
    let ran = Command::new("/bin/sh")
        .arg(&file)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", dir.display()))
        .env("HOME", dir)
        .env("BAO_ADDR", format!("https://localhost:{}", vault.port()))
        .env("BAO_CACERT", dir.join("bao-ca.pem"))
        .env("BAO_TOKEN", vault.root().reveal())
        .env("QUELL_SECRET_FILE", dir.join("bao.secret"))
        .env("QUELL_CONTROL_SECRET_FILE", dir.join("bao-control.secret"))
        .output()
        .context("run the script of bao-main")?;
    if !ran.status.success() {
        bail!("the script of bao-main failed: {}", String::from_utf8_lossy(&ran.stderr).trim());
    }
    Ok(())
}

fn people_of_quell(quell: &Path, dir: &Path, log: &Path, people: &People, secrets: &Vault) -> Result<Desk> {
    let mut desk = Desk::open(quell, dir, log)?;
    desk.person("rosa", &["response_owner"])?;
    desk.person("lea", &["lead", "secops"])?;
    desk.person("sam", &["secops"])?;
    desk.person("ian", &["iam"])?;
    desk.person("bea", &["business_owner"])?;
    desk.person("ben", &["business_owner"])?;
    desk.person("mara", &["business_owner", "iam"])?;
    desk.person("pat", &["platform_owner"])?;
    for (source, detector, system) in
        [("gitleaks-ci", "gitleaks", "bao-main"), ("gitleaks-db", "gitleaks", "pg-main"), ("edr", "ocsf", "ldap-main")]
    {
        let made = desk.json("ada", &["source", "create", source, "--detector", detector, "--system", system])?;
        desk.keep(source, made["token"].as_str().context("no token")?);
    }
    let mara = format!("ldap-main/{}", people.mara.dn);
    let leaked = format!("bao-main/approle:ci#secret_id:{}", secrets.secret_id_accessor);
    let inventory = [
        json!({ "type": "system", "id": "pg-main", "kind": "postgresql", "environment": "production", "criticality": "high", "process": "payments" }),
        json!({ "type": "system", "id": "bao-main", "kind": "openbao", "environment": "production", "criticality": "high" }),
        json!({ "type": "system", "id": "ldap-main", "kind": "openldap", "environment": "production", "criticality": "high" }),
        json!({ "type": "identity", "id": "bao-main/approle:ci", "kind": "service_account", "name": "CI", "environment": "production", "criticality": "normal", "shared": false }),
        json!({ "type": "credential", "id": leaked, "identity": "bao-main/approle:ci", "kind": "secret_id" }),
        json!({ "type": "identity", "id": "pg-main/billing_app", "kind": "service_account", "name": "Billing", "environment": "production", "criticality": "critical", "shared": false,
            "rotation": { "method": "failover", "sink": "bao-main/secret/data/billing" } }),
        json!({ "type": "identity", "id": "pg-main/export_job", "kind": "service_account", "name": "Export", "environment": "production", "criticality": "normal", "shared": false }),
        json!({ "type": "identity", "id": mara, "kind": "human", "name": "Mara Lind", "aliases": ["mara@corp.example"], "environment": "production", "criticality": "normal", "shared": false,
            "rotation": { "method": "manual", "sink": "mara-handover" } }),
        json!({ "type": "derivation", "from": mara, "to": leaked, "via": "used", "basis": "observed", "at": "2026-11-20T09:00:00Z" }),
        json!({ "type": "owner", "of": "bao-main/approle:ci", "role": "business", "person": "mara@corp.example", "deputy": "ben@corp.example", "confirmed_at": "2026-10-01" }),
        json!({ "type": "owner", "of": "pg-main/*", "role": "business", "person": "bea@corp.example", "confirmed_at": "2026-10-01" }),
        json!({ "type": "dependency", "consumer": "billing-job", "on": "pg-main/billing_app", "criticality": "critical", "reads_from": "bao-main/secret/data/billing" }),
    ];
    let file = dir.join("inventory.jsonl");
    write(&file, &inventory.iter().map(|o| format!("{o}\n")).collect::<String>())?;
    let change = desk.json("ada", &["inventory", "import", &text(&file), "--source", "cmdb"])?;
    if change["errors"].as_array().is_none_or(|e| !e.is_empty()) {
        bail!("the inventory was not taken: {change}");
    }
    Ok(desk)
}

/// What stands in a file of the demo, by name; nothing where it is not there.
pub fn read_back(path: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

#[expect(clippy::disallowed_methods, reason = "the key of a real installation must not be foreseeable")]
fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|e| anyhow::anyhow!("no chance: {e}"))
}
