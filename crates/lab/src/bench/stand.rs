//! What the containment and the intake are measured on: a real PostgreSQL whose
//! commits reach the disk, a Quell that serves over it, and the limit beside it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{Options, nodered::NodeRed};
use crate::{
    demo::desk::{Desk, text, write},
    estate::Login,
    postgres::{Options as Server, Postgres},
    private,
    secret::Secret,
};

/// What the plane is declared to need, in milliseconds; taken off every figure.
pub const SETTLE_MS: u64 = 20;

/// Whether Quell may try the leaked secret, or only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Read,
    Login,
}

/// Everything that runs while a group is measured.
pub struct Stand {
    pub server: Postgres,
    pub admin: Client,
    pub desk: Desk,
    limit: Child,
    pub limit_url: String,
    /// A source's token that may wait for the outcome.
    pub sender: String,
    /// Roles that Quell contains, those of the limit, and those of Node-RED.
    pub ours: Vec<Login>,
    pub theirs: Vec<Login>,
    pub flows: Vec<Login>,
    pub nodered: Option<NodeRed>,
    work: tempfile::TempDir,
}

impl Stand {
    /// Starts all of it with `count` roles a side.
    pub async fn open(options: &Options, proof: Proof, count: usize, under: &Path) -> Result<Self> {
        let work = tempfile::tempdir_in(under)?;
        let dir = work.path();
        let server = Postgres::start(Server { settings: vec![("max_connections".into(), "200".into())], ..Server::durable() }).await?;
        let superuser = server.connect_unix_superuser("postgres").await?;
        superuser.batch_execute("CREATE DATABASE billing").await.context("make the database")?;
        let admin = server.connect_unix_superuser("billing").await?;
        let (ours, theirs) = (roles(&admin, "ours", count).await?, roles(&admin, "theirs", count).await?);
        let installed = options.nodered.as_ref().filter(|_| proof == Proof::Read);
        let flows = roles(&admin, "flows", if installed.is_some() { count } else { 0 }).await?;

        for (name, secret) in [("quell.secret", Secret::generate()?), ("control.secret", Secret::generate()?)] {
            private::write(&dir.join(name), secret.reveal())?;
        }
        private::write(&dir.join("superuser.secret"), server.superuser_password().reveal())?;
        write(&dir.join("ca.pem"), server.ca_pem())?;
        let policies = if proof == Proof::Read { format!("policy_dir = {:?}\n", text(&reading_policies(dir)?)) } else { String::new() };
        let config = format!(
            "{policies}[intake]\nper_second = 1000000\nburst = 1000000\n\n[automation]\nper_hour = 1000000\nreach = 1000000\n\n[[connector]]\nname = \"pg-main\"\nkind = \"postgresql\"\nurl = \"postgresql://localhost:{}/billing?hostaddr=127.0.0.1\"\nca_file = \"ca.pem\"\nusername = \"quell\"\nsecret_file = \"quell.secret\"\nsettle = \"{SETTLE_MS}ms\"\n\n[connector.control]\nidentity = \"quell_control\"\nsecret_file = \"control.secret\"\n",
            server.port(),
        );
        write(&dir.join("quell.toml"), &config)?;
        private::write(&dir.join("key"), &crate::secret::random_hex()?.repeat(2))?;
        let mut bootstrap = Command::new(&options.quell);
        bootstrap.args(["connector", "bootstrap", "pg-main", "--config"]).arg(dir.join("quell.toml"));
        for role in ours.iter().chain(&theirs) {
            bootstrap.args(["--scope", &role.user]);
        }
        let script = bootstrap.output().with_context(|| format!("run `{}`", options.quell.display()))?;
        if !script.status.success() {
            bail!("`quell connector bootstrap` failed: {}", String::from_utf8_lossy(&script.stderr).trim());
        }
        admin.batch_execute(&String::from_utf8_lossy(&script.stdout)).await.context("run the bootstrap script")?;

        let (desk, sender) = serve(options, dir, &ours)?;
        let (limit, limit_url) = limit(dir, &server, &sender)?;
        let nodered = match installed {
            Some(installed) => Some(NodeRed::start(installed, &server, dir).await?),
            None => None,
        };
        Ok(Self { server, admin, desk, limit, limit_url, sender, ours, theirs, flows, nodered, work })
    }

    /// The process ids of Quell and of the limit.
    pub fn pids(&self) -> (u32, u32) {
        (self.desk.pid(), self.limit.id())
    }

    /// How many of these roles may still log in.
    pub async fn open_roles(&self) -> Result<i64> {
        let asked = "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND (rolname LIKE 'ours\\_%' OR rolname LIKE 'theirs\\_%' OR rolname LIKE 'flows\\_%')";
        Ok(self.admin.query_one(asked, &[]).await?.get(0))
    }

    /// Ends Quell as an operator would; what it logged is in `server.log`.
    pub fn close(self) -> Result<()> {
        let Self { desk, mut limit, work, .. } = self;
        limit.kill().and_then(|()| limit.wait().map(|_| ())).context("end the limit")?;
        match desk.close()? {
            0 => Ok(()),
            code => bail!("quell ended with {code}: {}", std::fs::read_to_string(work.path().join("server.log")).unwrap_or_default()),
        }
    }
}

async fn roles(admin: &Client, side: &str, count: usize) -> Result<Vec<Login>> {
    let mut made = Vec::with_capacity(count);
    let mut script = String::new();
    for n in 0..count {
        let login = Login { user: format!("{side}_{n:05}"), password: Secret::generate()? };
        script.push_str(&format!("CREATE ROLE {} LOGIN PASSWORD '{}';\n", login.user, login.password.verifier()));
        made.push(login);
    }
    admin.batch_execute(&script).await.context("make the roles")?;
    Ok(made)
}

/// The shipped set, in which nobody may try a leaked secret.
fn reading_policies(dir: &Path) -> Result<std::path::PathBuf> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let own = dir.join("policies");
    std::fs::create_dir(&own)?;
    for entry in std::fs::read_dir(&shipped).with_context(|| format!("read `{}`", shipped.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        let mut content = std::fs::read_to_string(&path)?;
        if name == "secops.cedar" {
            let permit = "permit (principal is Automation, action == Action::\"probe_with_secret\"";
            if !content.contains(permit) {
                bail!("`secops.cedar` has no rule that permits trying a leaked secret");
            }
            content = content.replace(permit, &permit.replace("permit", "forbid"));
        }
        write(&own.join(name), &content)?;
    }
    Ok(own)
}

fn serve(options: &Options, dir: &Path, roles: &[Login]) -> Result<(Desk, String)> {
    let mut desk = Desk::open(&options.quell, dir, &dir.join("server.log"))?;
    desk.person("pat", &["platform_owner"])?;
    desk.json("ada", &["source", "create", "scanner", "--detector", "quell", "--system", "pg-main"])?;
    let made = desk.json(
        "ada",
        &["token", "create", "waiter", "--source", "scanner", "--scope", "alerts:write", "--scope", "cases:read", "--expires", "1d"],
    )?;
    let sender = made["token"].as_str().context("no token")?.to_owned();
    let mut lines = format!(
        "{}\n",
        json!({ "type": "system", "id": "pg-main", "kind": "postgresql", "environment": "production", "criticality": "normal" })
    );
    for role in roles {
        let id = format!("pg-main/{}", role.user);
        let identity = json!({ "type": "identity", "id": id, "kind": "service_account", "name": role.user, "environment": "production", "criticality": "normal", "shared": false });
        let credential = json!({ "type": "credential", "id": format!("{id}#password"), "identity": id, "kind": "password", "secret": role.password.reveal() });
        lines.push_str(&format!("{identity}\n{credential}\n"));
    }
    let file = dir.join("inventory.jsonl");
    private::write(&file, &lines)?;
    let change = desk.json("ada", &["inventory", "import", &text(&file), "--source", "bench"])?;
    std::fs::remove_file(&file)?;
    if change["errors"].as_array().is_none_or(|e| !e.is_empty()) {
        bail!("the inventory was not taken: {change}");
    }
    let planes = desk.json("ada", &["connector", "list"])?;
    let mut arm = vec!["connector", "arm", "pg-main", "--until", "+8h"];
    for action in planes[0]["actions"].as_array().into_iter().flatten().filter_map(|a| a["action"].as_str()) {
        arm.extend(["--action", action]);
    }
    desk.json("pat", &arm)?;
    Ok((desk, sender))
}

fn limit(dir: &Path, server: &Postgres, sender: &str) -> Result<(Child, String)> {
    let mut child = Command::new(crate::actor::program("quell-lab-limit")?)
        .args(["--port", &server.port().to_string(), "--dbname", "billing", "--ca"])
        .arg(dir.join("ca.pem"))
        .arg("--secret-file")
        .arg(dir.join("quell.secret"))
        .arg("--control-file")
        .arg(dir.join("control.secret"))
        .arg("--superuser-file")
        .arg(dir.join("superuser.secret"))
        .arg("--log")
        .arg(dir.join("limit.log"))
        .args(["--token-hash", &quell_core::secret::sha256(sender.as_bytes()), "--settle-ms", &SETTLE_MS.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(dir.join("limit.err"))?)
        .spawn()
        .context("start the limit")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("the limit's output")?).read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line)
        .with_context(|| format!("the limit did not start: {}", std::fs::read_to_string(dir.join("limit.err")).unwrap_or_default()))?;
    Ok((child, ready["url"].as_str().context("the limit names no url")?.to_owned()))
}
