//! An AWS account of the lab: IAM and STS of one server, private to its owner.
//!
//! AWS itself cannot be had here. [`Kind::Faithful`] is ministack, which checks
//! signatures, status of keys and policies with their conditions, and was measured
//! against the documentation; [`Kind::Careless`] is moto, which takes a key that is
//! inactive and reads no condition on the time of issue. What Quell claims is claimed
//! against the first; against the second it must never claim a death.
//!
//! Both listen on `127.0.0.1` alone, over TLS with a certificate of the lab's authority.

mod client;
mod install;

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::client::{Answer, Http, Keys, REGION};
use self::install::Install;
use crate::{
    ca::Ca,
    clock,
    keeper::{End, Keeper},
    postgres::free_port,
    process::alive,
};

/// How long a server may take to be ready. Seconds only on a machine in trouble.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Which server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ministack, which goes by what it was told.
    Faithful,
    /// moto, which says yes and does not.
    Careless,
}

/// One running account. Dropping it ends the server and removes its directory.
pub struct Account {
    // Before `dir`: the keeper ends the server and removes the directory first.
    keeper: Keeper,
    dir: TempDir,
    kind: Kind,
    port: u16,
    /// Without TLS; of the faithful one alone.
    clear_port: u16,
    ca: Ca,
    http: Http,
    version: String,
    admin: Keys,
}

impl Account {
    /// Starts a fresh, empty account and waits until it serves its administrator.
    ///
    /// # Errors
    ///
    /// When no server is installed or it does not come up; the end of its log is then
    /// in the error.
    pub async fn start(kind: Kind) -> Result<Self> {
        let launch = async || tokio::task::spawn_blocking(move || Self::launch(kind)).await.context("start AWS")?;
        let mut account = launch().await?;
        // Another process may have taken the port just before: what listens there is not it.
        for _ in 0..2 {
            if account.is_up().await.is_ok() {
                break;
            }
            account = launch().await?;
        }
        account.is_up().await?;
        if kind == Kind::Careless {
            // Without this it checks nobody at all.
            account.admin("CreateUser", &[("UserName", "admin")]).await?;
            account.allow("user/admin", &["*"]).await?;
            let admin = account.key("admin").await?;
            account.http.plain("/moto-api/reset-auth", Some("0")).await?;
            account.admin = admin;
        }
        Ok(account)
    }

    fn launch(kind: Kind) -> Result<Self> {
        let install = Install::find()?;
        let ca = Ca::new("quell lab aws")?;
        for _ in 0..5 {
            let mut account = Self::prepare(kind, &install, &ca)?;
            match account.run() {
                Err(_) if account.log().to_lowercase().contains("in use") => {}
                outcome => return outcome.map(|()| account),
            }
        }
        bail!("no port of 127.0.0.1 stayed free long enough to start AWS");
    }

    fn prepare(kind: Kind, install: &Install, ca: &Ca) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("quell-aws-").tempdir().context("make a directory for AWS")?;
        let at = |name: &str| dir.path().join(name).display().to_string();
        let port = free_port()?;
        let mut variables = vec![("HOME", at("")), ("TMPDIR", at("")), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())];
        let (port_text, cert, key) = (port.to_string(), at("server.crt"), at("server.key"));
        let clear_port = if kind == Kind::Faithful { free_port()? } else { 0 };
        let (bind, clear) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{clear_port}"));
        let (program, package, args) = match kind {
            Kind::Faithful => {
                // Otherwise it listens on every address, and for devices as well.
                for (name, value) in [("AUTH", "true"), ("BIND_HOST", "127.0.0.1"), ("IOT_MTLS_ENABLED", "false"), ("USE_SSL", "1")] {
                    variables.push((name, value.to_owned()));
                }
                variables.push(("GATEWAY_PORT", port_text.clone()));
                variables.push(("MINISTACK_SSL_CERT", cert.clone()));
                variables.push(("MINISTACK_SSL_KEY", key.clone()));
                // Its own program would listen on 443 as well, where it may. Without workers it is
                // one process, which is frozen and ended as one.
                let args = vec![
                    "ministack.app:app",
                    "--workers",
                    "0",
                    "--bind",
                    &bind,
                    "--insecure-bind",
                    &clear,
                    "--certfile",
                    &cert,
                    "--keyfile",
                    &key,
                ];
                ("hypercorn", "ministack", args)
            }
            Kind::Careless => ("moto_server", "moto", vec!["-H", "127.0.0.1", "-p", &port_text, "-s", "-c", &cert, "-k", &key]),
        };
        let args: Vec<&OsStr> = args.into_iter().map(OsStr::new).collect();
        let argv = install.argv(program, &variables, &args);
        // The keeper stands before anything is in the directory.
        let keeper = Keeper::new(Some(dir.path()), &dir.path().join("log"), Path::new("/"), End::Kill, &argv)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).context("close the directory to others")?;
        install.own(dir.path())?;
        let pair = ca.server(&crate::ca::LOOPBACK)?;
        for (name, text) in [("server.crt", &pair.cert_pem), ("server.key", &pair.key_pem)] {
            crate::private::write(&dir.path().join(name), text)?;
            install.own(&dir.path().join(name))?;
        }
        let http = Http::new(ca, port)?;
        let version = format!("{package} {}", install.version(package)?);
        Ok(Self { keeper, dir, kind, port, clear_port, ca: ca.clone(), http, version, admin: Keys::known("test", "test") })
    }

    fn run(&mut self) -> Result<()> {
        let pid = self.keeper.start()?;
        let port = self.port;
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        clock::until(READY_WITHIN, || listens() || !alive(pid));
        if alive(pid) && listens() {
            return Ok(());
        }
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait()?;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        bail!("AWS did not start; its log ends:\n{}", lines[lines.len().saturating_sub(12)..].join("\n"))
    }

    async fn is_up(&self) -> Result<()> {
        let asked = async {
            while !matches!(self.http.call(&self.admin, "sts", "GetCallerIdentity", &[]).await, Ok(Answer { status: 200, .. })) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, asked).await.context("AWS did not answer in time")
    }

    /// Which server it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The port of HTTPS on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of clear HTTP on 127.0.0.1, which proves nobody; 0 where there is none.
    #[must_use]
    pub fn clear_port(&self) -> u16 {
        self.clear_port
    }

    /// The authority that signed this server's certificate.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The package and its version: `ministack 1.5.33`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The way to it, for whoever holds keys.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.keeper.pid()
    }

    /// The private directory of this instance.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the server printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.dir.path().join("log")).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// Freezes the server.
    ///
    /// # Errors
    ///
    /// When the signal may not be sent.
    pub fn pause(&self) -> Result<()> {
        self.keeper.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// When the signal may not be sent.
    pub fn resume(&self) -> Result<()> {
        self.keeper.signal(Signal::CONT)
    }

    /// Ends it; what it held is gone with it.
    ///
    /// # Errors
    ///
    /// When the signal may not be sent.
    pub fn kill(&mut self) -> Result<()> {
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait().map(|_| ())
    }

    /// A call of IAM as its administrator.
    ///
    /// # Errors
    ///
    /// When it is refused, or there is no answer.
    pub async fn admin(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
        let answer = self.http.call(&self.admin, "iam", action, parameters).await?;
        answer.served().with_context(|| format!("`{action}` as the administrator"))
    }

    /// The number of the account.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn number(&self) -> Result<String> {
        let answer = self.http.call(&self.admin, "sts", "GetCallerIdentity", &[]).await?;
        answer.text("Account").context("the answer names no account")
    }

    /// A user who may do these things: `iam:ListAccountAliases`.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn user(&self, name: &str, may: &[&str]) -> Result<Keys> {
        self.admin("CreateUser", &[("UserName", name)]).await?;
        if !may.is_empty() {
            self.allow(&format!("user/{name}"), may).await?;
        }
        self.key(name).await
    }

    /// Another access key of a user.
    ///
    /// # Errors
    ///
    /// When it is refused: a user has two at most.
    pub async fn key(&self, user: &str) -> Result<Keys> {
        self.admin("CreateAccessKey", &[("UserName", user)]).await?.keys()
    }

    /// A role that this user of the account may assume, and that may do these things.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn role(&self, name: &str, trusted: &str, may: &[&str]) -> Result<()> {
        let principal = format!("arn:aws:iam::{}:{trusted}", self.number().await?);
        let trust = policy(&json!([{ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole" }]));
        self.admin("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust)]).await?;
        self.allow(&format!("role/{name}"), may).await
    }

    /// Lets `user/NAME` or `role/NAME` do these things.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn allow(&self, who: &str, may: &[&str]) -> Result<()> {
        self.policy(who, "allowed", &json!([{ "Effect": "Allow", "Action": may, "Resource": "*" }])).await
    }

    /// Writes an inline policy of these statements to `user/NAME` or `role/NAME`.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn policy(&self, who: &str, name: &str, statements: &Value) -> Result<()> {
        let (put, whom, of) = match who.split_once('/') {
            Some(("role", role)) => ("PutRolePolicy", "RoleName", role),
            Some(("user", user)) => ("PutUserPolicy", "UserName", user),
            _ => bail!("`{who}` is neither a user nor a role"),
        };
        self.admin(put, &[(whom, of), ("PolicyName", name), ("PolicyDocument", &policy(statements))]).await.map(|_| ())
    }

    /// A session of a role, by whoever holds `keys`.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn assume(&self, keys: &Keys, role: &str) -> Result<Keys> {
        let arn = format!("arn:aws:iam::{}:role/{role}", self.number().await?);
        let parameters = [("RoleArn", arn.as_str()), ("RoleSessionName", "lab")];
        self.http.call(keys, "sts", "AssumeRole", &parameters).await?.served()?.keys()
    }

    /// A temporary credential of the user whose `keys` these are.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn session(&self, keys: &Keys) -> Result<Keys> {
        self.http.call(keys, "sts", "GetSessionToken", &[]).await?.served()?.keys()
    }

    /// A temporary credential of a federated user, made with the user's `keys`.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn federate(&self, keys: &Keys, may: &[&str]) -> Result<Keys> {
        let allowed = policy(&json!([{ "Effect": "Allow", "Action": may, "Resource": "*" }]));
        self.http.call(keys, "sts", "GetFederationToken", &[("Name", "partner"), ("Policy", &allowed)]).await?.served()?.keys()
    }

    /// Whether something that policies decide is served: the account's aliases.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn serves(&self, keys: &Keys) -> Result<bool> {
        Ok(self.http.call(keys, "iam", "ListAccountAliases", &[]).await?.status == 200)
    }
}

/// A policy of these statements, as text.
#[must_use]
pub fn policy(statements: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}
