//! A real OpenID provider, private to its owner: npm `oidc-provider` behind a small
//! server of ours, with accounts, clients and the admin plane that Quell speaks to.
//!
//! It listens on `127.0.0.1`: TLS with a certificate of its own authority on one port,
//! clear HTTP on another, so that somebody between can lie. What it remembers is a file of
//! its private directory and outlives a restart. Its program is in `crates/lab/oidc/`.

mod browser;
mod install;

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Method};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::browser::{App, Browser, Landing, REDIRECT, RESOURCE, Tokens};
use self::install::Install;
use crate::{
    ca::{Ca, ServerCert},
    clock, dial,
    keeper::{End, Keeper},
    postgres::free_port,
    process::alive,
    secret::Secret,
};

const READY_WITHIN: Duration = Duration::from_secs(30);
const PROGRAM: [(&str, &str); 3] = [
    ("server.mjs", include_str!("../oidc/server.mjs")),
    ("admin.mjs", include_str!("../oidc/admin.mjs")),
    ("store.mjs", include_str!("../oidc/store.mjs")),
];

/// Quell's own client, and its control: an account and a client of one name.
pub const OWN: &str = "quell";
pub const CONTROL: &str = "quell-control";

/// The choices about one instance.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long an access token that is a JWT is good, in seconds.
    pub jwt_seconds: u32,
    /// Whether it offers Global Token Revocation.
    pub global_token_revocation: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { jwt_seconds: 600, global_token_revocation: true }
    }
}

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub password: Secret,
    /// What the second factor is answered with.
    pub otp: Secret,
}

/// One running provider. Dropping it ends the server and removes its directory.
pub struct Provider {
    // Before `dir`: the keeper ends the server and removes the directory first.
    keeper: Keeper,
    dir: TempDir,
    install: Install,
    ca: Ca,
    http: Client,
    port: u16,
    clear_port: u16,
    root: Secret,
    own: Secret,
    control: Secret,
}

impl Provider {
    /// Starts a fresh provider with Quell's client and control, the applications `web`
    /// (which keeps a secret), `mobile` (which keeps none, and stays in without a
    /// session) and `ci` (which acts for nobody).
    ///
    /// # Errors
    ///
    /// When it is not installed, or does not come up; the end of its log is then in the
    /// error.
    pub async fn start(options: Options) -> Result<Self> {
        let server = tokio::task::spawn_blocking(move || Self::launch(&options)).await.context("start the provider")??;
        server.furnish().await?;
        Ok(server)
    }

    fn launch(options: &Options) -> Result<Self> {
        let install = Install::find()?;
        let dir = tempfile::Builder::new().prefix("quell-oidc-").tempdir().context("make a directory for the provider")?;
        let at = |name: &str| dir.path().join(name);
        let (program, settings, log) = (at("server.mjs"), at("settings.json"), at("provider.log"));
        let argv = install.argv(&[OsStr::new("--no-warnings"), program.as_os_str(), settings.as_os_str()]);
        // The keeper stands before anything is in the directory.
        let keeper = Keeper::new(Some(dir.path()), &log, Path::new("/"), End::Kill, &argv)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).context("close the directory to others")?;
        install.own(dir.path())?;
        let ca = Ca::new("quell lab oidc")?;
        let http = Browser::client(dial::client_config(ca.der())?)?;
        let cert = ca.server(&crate::ca::LOOPBACK)?;
        let [root, own, control] = [Secret::generate()?, Secret::generate()?, Secret::generate()?];
        let mut server = Self { keeper, dir, install, ca, http, port: 0, clear_port: 0, root, own, control };
        server.write_cert(&cert)?;
        for (name, text) in PROGRAM {
            server.write(name, text)?;
        }
        let cookie_key = Secret::generate()?;
        // A port that was free may be taken when the provider asks for it; and once in many
        // starts Node says nothing at all.
        let mut failed = anyhow::anyhow!("no two ports of 127.0.0.1 are free");
        for _ in 0..5 {
            (server.port, server.clear_port) = (free_port()?, free_port()?);
            if server.port == server.clear_port {
                continue;
            }
            server.write("settings.json", &server.settings(options, &cookie_key).to_string())?;
            match server.run() {
                Ok(()) => return Ok(server),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn settings(&self, options: &Options, cookie_key: &Secret) -> Value {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        json!({
            "issuer": self.issuer(), "tls_port": self.port, "clear_port": self.clear_port, "cert": at("server.crt"), "key": at("server.key"),
            "state": at("state.json"), "jwks": at("jwks.json"), "modules": self.install.modules().display().to_string(),
            "root_token": self.root.reveal(), "cookie_key": cookie_key.reveal(), "global_token_revocation": options.global_token_revocation,
            "ttl": {"session": 3_600, "access": 900, "jwt": options.jwt_seconds, "refresh": 86_400},
        })
    }

    /// Waits until both ports are open, or the process has ended.
    fn run(&mut self) -> Result<()> {
        let before = self.log().map_or(0, |log| log.matches("ready").count());
        let pid = self.keeper.start()?;
        let is_up = || self.log().is_ok_and(|log| log.matches("ready").count() > before) && self.listens();
        clock::until(READY_WITHIN, || is_up() || !alive(pid));
        if alive(pid) && is_up() {
            return Ok(());
        }
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait()?;
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        bail!("the provider did not start; its log ends:\n{}", lines[lines.len().saturating_sub(12)..].join("\n"))
    }

    fn listens(&self) -> bool {
        [self.port, self.clear_port].iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok())
    }

    async fn furnish(&self) -> Result<()> {
        self.lab(&format!("account/{CONTROL}"), json!({"password": self.control.reveal(), "otp": "", "email": "control@corp.example"}))
            .await?;
        let own = json!({"secret": self.own.reveal(), "grant_types": ["client_credentials"], "scope": "quell:admin"});
        self.lab(&format!("client/{OWN}"), own).await?;
        let control = json!({"secret": self.control.reveal(), "grant_types": ["client_credentials"], "scope": "billing:run"});
        self.lab(&format!("client/{CONTROL}"), control).await?;
        Ok(())
    }

    /// Makes an account with a secret of the lab.
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn person(&self, name: &str) -> Result<Person> {
        let person = Person { name: name.to_owned(), password: Secret::generate()?, otp: Secret::generate()? };
        let body = json!({"password": person.password.reveal(), "otp": person.otp.reveal(), "email": format!("{name}@corp.example")});
        self.lab(&format!("account/{name}"), body).await?;
        Ok(person)
    }

    /// Makes an application for people that keeps its secret.
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn web(&self, id: &str) -> Result<App> {
        self.application(id, true, false).await
    }

    /// Makes an application for people that keeps no secret, and stays in when their
    /// session ends.
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn mobile(&self, id: &str) -> Result<App> {
        self.application(id, false, true).await
    }

    async fn application(&self, id: &str, keeps_secret: bool, offline: bool) -> Result<App> {
        let secret = if keeps_secret { Some(Secret::generate()?) } else { None };
        let body = json!({
            "secret": secret.as_ref().map(Secret::reveal), "public": !keeps_secret, "offline": offline, "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"], "scope": "openid email billing:read",
        });
        self.lab(&format!("client/{id}"), body).await?;
        Ok(App { id: id.to_owned(), secret })
    }

    /// Makes an application that acts for nobody: its tokens belong to no account.
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn machine(&self, id: &str) -> Result<App> {
        let secret = Secret::generate()?;
        let body = json!({"secret": secret.reveal(), "grant_types": ["client_credentials"], "scope": "billing:run billing:read"});
        self.lab(&format!("client/{id}"), body).await?;
        Ok(App { id: id.to_owned(), secret: Some(secret) })
    }

    /// What the owner of the lab does behind everybody's back; answers the body.
    ///
    /// # Errors
    ///
    /// When the provider does not take it.
    pub async fn lab(&self, what: &str, body: Value) -> Result<Value> {
        let url = format!("{}/lab/{what}", self.issuer());
        let answer =
            self.http.request(Method::POST, url).bearer_auth(self.root.reveal()).json(&body).send().await.context("ask the lab")?;
        let status = answer.status().as_u16();
        ensure!(status == 200, "the lab answered {status} to `{what}`");
        answer.json().await.context("read the lab's answer")
    }

    /// A browser without cookies.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.http.clone(), &self.issuer())
    }

    /// Kills the server at once; what it stored is kept.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill_hard(&mut self) -> Result<()> {
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait()?;
        Ok(())
    }

    /// Starts a killed server again, on its ports and with what it stored.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        self.run()
    }

    /// Freezes the server: connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// When the process may not be signalled.
    pub fn pause(&self) -> Result<()> {
        self.keeper.signal(Signal::STOP)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    ///
    /// When the process may not be signalled.
    pub fn resume(&self) -> Result<()> {
        self.keeper.signal(Signal::CONT)
    }

    /// Presents `cert` to new connections from now on, which is waited for.
    ///
    /// # Errors
    ///
    /// When the server does not read it in time.
    pub fn present(&self, cert: &ServerCert) -> Result<()> {
        let reads = || self.log().map_or(0, |log| log.matches("certificate read again").count());
        let before = reads();
        self.write_cert(cert)?;
        self.keeper.signal(Signal::HUP)?;
        ensure!(clock::until(READY_WITHIN, || reads() > before), "the provider did not read its certificate again");
        Ok(())
    }

    /// `https://localhost:PORT`
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The TLS port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of clear HTTP on 127.0.0.1.
    #[must_use]
    pub fn clear_port(&self) -> u16 {
        self.clear_port
    }

    /// The authority that signed this server's certificate.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The secret of Quell's own client.
    #[must_use]
    pub fn own_secret(&self) -> &Secret {
        &self.own
    }

    /// The control's: of its client, and its account's password.
    #[must_use]
    pub fn control_secret(&self) -> &Secret {
        &self.control
    }

    /// `oidc-provider 9.13.3`
    ///
    /// # Errors
    ///
    /// When its package cannot be read.
    pub fn version(&self) -> Result<String> {
        self.install.version()
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<rustix::process::Pid> {
        self.keeper.pid()
    }

    /// The private directory with everything of this instance.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Everything the server has logged so far.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.dir.path().join("provider.log")).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn write_cert(&self, cert: &ServerCert) -> Result<()> {
        self.write("server.key", &cert.key_pem)?;
        self.write("server.crt", &cert.cert_pem)
    }

    /// Writes a file that the server may read.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path: PathBuf = self.dir.path().join(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("write `{name}` of the provider"))?;
        file.write_all(text.as_bytes()).with_context(|| format!("write `{name}`"))?;
        self.install.own(&path)
    }
}
