//! A real OpenBao, private to its owner: started fresh, ended with it.
//!
//! It listens on `127.0.0.1`: TLS with a certificate of its own authority on one
//! port, clear HTTP on another, so that a test can show that clear counts for
//! nothing; and on the port after each, for its cluster. It is initialised with one unseal
//! key, its audit log is a file of its private directory, and so is its storage where it
//! is to outlive a restart.

mod estate;
pub(crate) mod install;

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::estate::{Estate, Lease, Token};
use self::install::Install;
use crate::{
    ca::{Ca, ServerCert},
    clock, dial,
    keeper::{End, Keeper},
    process::alive,
    secret::Secret,
};

/// How long a server may take to answer. Seconds only on a machine in trouble.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Between two questions to a server that is starting.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The audit device of every instance.
pub const AUDIT_DEVICE: &str = "file";

/// The choices about one instance.
#[derive(Clone, Default)]
pub struct Options {
    /// The authority that signs the server's certificate; a new one if `None`.
    pub ca: Option<Ca>,
    /// Further lines of the server's configuration.
    pub hcl: String,
    /// Whether what it stores outlives the process; slower to start.
    pub durable: bool,
}

/// The program `bao`, which is server and command line.
///
/// # Errors
///
/// When it is not installed.
pub fn program() -> Result<PathBuf> {
    install::find_bao()
}

/// One running server. Dropping it ends the server and removes its directory.
pub struct OpenBao {
    // Before `dir`: the keeper ends the server and removes the directory first.
    keeper: Keeper,
    dir: TempDir,
    install: Install,
    options: Options,
    port: u16,
    clear_port: u16,
    ca: Ca,
    http: Client,
    unseal_key: Secret,
    root: Secret,
}

/// An answer: its status and its body, `null` where there is none.
pub type Answer = (u16, Value);

impl OpenBao {
    /// Starts a fresh server, initialised and unsealed, with the root token's powers
    /// at hand.
    ///
    /// # Errors
    ///
    /// When no server is installed, the directory cannot be made, or the server
    /// does not come up; the end of its log is then in the error.
    pub async fn start(options: Options) -> Result<Self> {
        let mut server = tokio::task::spawn_blocking(move || Self::launch(options)).await.context("start OpenBao")??;
        server.is_up().await?;
        let (status, made) = server.call(Method::PUT, "sys/init", None, Some(json!({"secret_shares": 1, "secret_threshold": 1}))).await?;
        let text = |value: &Value| value.as_str().map(Secret::known);
        match (text(&made["root_token"]), text(&made["keys_base64"][0])) {
            (Some(root), Some(key)) => (server.root, server.unseal_key) = (root, key),
            _ => bail!("OpenBao was not initialised ({status})"),
        }
        server.unseal().await?;
        Ok(server)
    }

    fn launch(options: Options) -> Result<Self> {
        let install = Install::find()?;
        let dir = tempfile::Builder::new().prefix("quell-bao-").tempdir().context("make a directory for OpenBao")?;
        let log = dir.path().join("bao.log");
        let config = dir.path().join("bao.hcl");
        let argv = install.argv(&[OsStr::new("server"), OsStr::new("-config"), config.as_os_str()]);
        // The keeper stands before anything is in the directory.
        let keeper = Keeper::new(Some(dir.path()), &log, Path::new("/"), End::Kill, &argv)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).context("close the directory to others")?;
        install.own(dir.path())?;
        let ca = match &options.ca {
            Some(ca) => ca.clone(),
            None => Ca::new("quell lab bao")?,
        };
        let http = Client::builder()
            .tls_backend_preconfigured(dial::client_config(ca.der())?)
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .context("make a client for OpenBao")?;
        let nothing = || Secret::known("");
        let mut server = Self { keeper, dir, install, options, port: 0, clear_port: 0, ca, http, unseal_key: nothing(), root: nothing() };
        let cert = server.ca.server(&crate::ca::LOOPBACK)?;
        server.write_cert(&cert)?;
        server.write("ca.pem", server.ca.pem())?;
        for _ in 0..5 {
            (server.port, server.clear_port) = (free_pair()?, free_pair()?);
            server.write("bao.hcl", &server.config())?;
            match server.run() {
                Err(_) if server.log()?.contains("address already in use") => {}
                outcome => return outcome.map(|()| server),
            }
        }
        bail!("no ports of 127.0.0.1 stayed free long enough to start OpenBao");
    }

    fn config(&self) -> String {
        let dir = self.dir.path().display();
        let (port, cluster, clear, clear_cluster) = (self.port, self.port + 1, self.clear_port, self.clear_port + 1);
        let storage = match self.options.durable {
            true => format!(
                "storage \"raft\" {{\n  path = \"{dir}\"\n  node_id = \"lab\"\n  performance_multiplier = 1\n}}\ncluster_addr = \"https://127.0.0.1:{cluster}\""
            ),
            false => "storage \"inmem\" {}".to_owned(),
        };
        format!(
            "{storage}\n\
             listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  cluster_address = \"127.0.0.1:{cluster}\"\n  \
             tls_cert_file = \"{dir}/server.crt\"\n  tls_key_file = \"{dir}/server.key\"\n}}\n\
             listener \"tcp\" {{\n  address = \"127.0.0.1:{clear}\"\n  cluster_address = \"127.0.0.1:{clear_cluster}\"\n  tls_disable = true\n}}\n\
             api_addr = \"https://127.0.0.1:{port}\"\n\
             audit \"file\" \"{AUDIT_DEVICE}\" {{\n  options {{\n    file_path = \"{dir}/audit.log\"\n  }}\n}}\n{}\n",
            self.options.hcl
        )
    }

    /// Waits until the process listens, or has ended.
    fn run(&mut self) -> Result<()> {
        let pid = self.keeper.start()?;
        let port = self.port;
        let listens = || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        clock::until(READY_WITHIN, || listens() || !alive(pid));
        if alive(pid) && listens() {
            return Ok(());
        }
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait()?;
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        bail!("OpenBao did not start; its log ends:\n{}", lines[lines.len().saturating_sub(12)..].join("\n"))
    }

    /// Waits until the server speaks for itself, sealed or not.
    async fn is_up(&self) -> Result<()> {
        let asked = async {
            loop {
                if let Ok((_, state)) = self.call(Method::GET, "sys/seal-status", None, None).await
                    && state["type"].is_string()
                {
                    return;
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, asked).await.context("OpenBao did not answer in time")
    }

    /// Unseals it, and waits until it serves.
    ///
    /// # Errors
    ///
    /// When it does not take the key or does not serve in time.
    pub async fn unseal(&self) -> Result<()> {
        self.call(Method::PUT, "sys/unseal", None, Some(json!({"key": self.unseal_key.reveal()}))).await?;
        let asked = async {
            while !matches!(self.call(Method::GET, "sys/health", None, None).await, Ok((200, _))) {
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, asked).await.context("OpenBao was not unsealed in time")
    }

    /// Seals it: it listens and serves nothing.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn seal(&self) -> Result<()> {
        self.admin(Method::PUT, "sys/seal", None).await.map(|_| ())
    }

    /// One call, with whatever token.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Result<Answer> {
        let mut request = self.http.request(method, format!("https://127.0.0.1:{}/v1/{path}", self.port));
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.context("ask OpenBao")?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.context("read the answer of OpenBao")?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// One call with the root token, which must be accepted; answers the body.
    ///
    /// # Errors
    ///
    /// When it is not accepted.
    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.call(method, path, Some(self.root.reveal()), body).await?;
        if !(200..300).contains(&status) {
            bail!("OpenBao answered {status} to `{path}`: {}", answer["errors"]);
        }
        Ok(answer)
    }

    /// [`OpenBao::admin`] with POST.
    ///
    /// # Errors
    ///
    /// As [`OpenBao::admin`].
    pub async fn write_to(&self, path: &str, body: Value) -> Result<Value> {
        self.admin(Method::POST, path, Some(body)).await
    }

    /// Ends the server at once; what it stored is kept.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn kill_hard(&mut self) -> Result<()> {
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait()?;
        Ok(())
    }

    /// Starts a killed server again, on its ports and storage, and unseals it.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.run()?;
        self.is_up().await?;
        self.unseal().await
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
        let reloads = || self.log().map_or(0, |log| log.matches("reload").count());
        let before = reloads();
        self.write_cert(cert)?;
        self.keeper.signal(Signal::HUP)?;
        if !clock::until(READY_WITHIN, || reloads() > before) {
            bail!("OpenBao did not read its certificate again");
        }
        Ok(())
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<rustix::process::Pid> {
        self.keeper.pid()
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

    /// The root token.
    #[must_use]
    pub fn root(&self) -> &Secret {
        &self.root
    }

    /// The file that the server's audit device writes.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.dir.path().join("audit.log")
    }

    /// The private directory with everything of this instance.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Everything the server has logged so far, its audit log apart.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.dir.path().join("bao.log")).context("read the log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn write_cert(&self, cert: &ServerCert) -> Result<()> {
        self.write("server.key", &cert.key_pem)?;
        self.write("server.crt", &cert.cert_pem)
    }

    /// Writes a file that the server may read.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.path().join(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("write `{name}` of OpenBao"))?;
        file.write_all(text.as_bytes()).with_context(|| format!("write `{name}`"))?;
        self.install.own(&path)
    }
}

/// A free port whose next one is free, too.
fn free_pair() -> Result<u16> {
    for _ in 0..50 {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("look for a free port")?;
        let port = first.local_addr().context("read the free port")?.port();
        if let Some(next) = port.checked_add(1)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, next)).is_ok()
        {
            return Ok(port);
        }
    }
    bail!("no two free ports of 127.0.0.1 lie side by side");
}
