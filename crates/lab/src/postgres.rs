//! A real PostgreSQL, private to its owner: started fresh, ended with it.
//!
//! The instance listens on `127.0.0.1` (TLS with a certificate of its own
//! authority, and clear) and on a Unix socket in its directory. The superuser
//! `postgres` has a generated password; on the private socket the account that
//! started the lab is let in as superuser by peer. Start, stop and the rest
//! block the calling thread for milliseconds; only what speaks SQL is async.

mod install;
mod login;
mod power;
mod settings;
mod standby;

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio_postgres_rustls::MakeRustlsConnect;

use self::install::Install;
use self::settings::Places;
pub use self::settings::{Options, scram_everywhere};
pub use self::standby::StandbyOptions;
use crate::{
    ca::{Ca, ServerCert},
    clock, dial,
    keeper::{End, Keeper},
    process::alive,
    secret::Secret,
};

/// The superuser of every instance.
pub const SUPERUSER: &str = "postgres";

/// How long a server may take to be ready. Seconds only on a machine in trouble.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to read its files again.
const RELOAD_WITHIN: Duration = Duration::from_secs(10);
/// The longest path of a Unix socket (`sun_path`, with its closing NUL).
const SOCKET_PATH_MAX: usize = 107;

/// One running server. Dropping it ends the server and removes its directory.
pub struct Postgres {
    // Before `dir`: the keeper ends the server and removes the directory first.
    keeper: Keeper,
    dir: TempDir,
    install: Install,
    options: Options,
    further: Vec<(String, String)>,
    port: u16,
    ca: Ca,
    tls: MakeRustlsConnect,
    password: Secret,
    paused: bool,
}

impl Postgres {
    /// Starts a fresh server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When no server is installed, the directory cannot be made, or the server
    /// does not come up; the end of its log is then in the error.
    pub async fn start(options: Options) -> Result<Self> {
        let mut server = tokio::task::spawn_blocking(move || {
            let password = Secret::generate()?;
            Self::launch(options, Vec::new(), password, |install, options, data| {
                if options.own_identity { install.initdb(data) } else { install.copy_template(data) }
            })
        })
        .await
        .context("start PostgreSQL")??;
        let superuser = server.connect_unix_superuser("postgres").await?;
        let verifier = server.password.verifier();
        superuser.batch_execute(&format!("ALTER ROLE {SUPERUSER} PASSWORD '{verifier}'")).await.context("set the superuser's password")?;
        server.paused = false;
        Ok(server)
    }

    fn launch(
        options: Options,
        further: Vec<(String, String)>,
        password: Secret,
        fill: impl FnOnce(&Install, &Options, &Path) -> Result<()>,
    ) -> Result<Self> {
        let install = Install::find()?;
        let base = options.base();
        let dir = tempfile::Builder::new()
            .prefix("quell-pg-")
            .tempdir_in(&base)
            .with_context(|| format!("make a directory under `{}`", base.display()))?;
        let socket = dir.path().join("socket");
        if socket.as_os_str().len() + "/.s.PGSQL.65535".len() > SOCKET_PATH_MAX {
            bail!("`{}` is too long for a Unix socket; choose a shorter base", socket.display());
        }
        let data = dir.path().join("data");
        let log = dir.path().join("postgres.log");
        // The keeper stands before anything is in the directory: from here on
        // nothing is left behind, whatever happens to this process.
        let server = install.argv("postgres", &[OsStr::new("-D"), data.as_os_str()]);
        let keeper = Keeper::new(Some(dir.path()), &log, Path::new("/"), End::Quit, &server)?;

        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).context("close the directory to others")?;
        install.own(dir.path())?;
        for part in [&socket, &dir.path().join("tls")] {
            fs::DirBuilder::new().mode(0o700).create(part).context("make a directory")?;
            install.own(part)?;
        }
        let ca = match &options.ca {
            Some(ca) => ca.clone(),
            None => Ca::new("quell lab")?,
        };
        let tls = dial::trusting(ca.der())?;
        fs::write(dir.path().join("ca.pem"), ca.pem()).context("write the authority")?;
        fill(&install, &options, &data)?;

        let mut server = Self { keeper, dir, install, options, further, port: 0, ca, tls, password, paused: false };
        let names: Vec<&str> = server.options.names.iter().map(String::as_str).collect();
        server.write_cert(&server.ca.server(&names)?)?;
        server.write_hba()?;
        let accounts = server.install.trusted_accounts();
        server.write("data/pg_ident.conf", &settings::ident(&accounts), 0o600)?;
        server.write("data/postgresql.conf", "include 'lab.conf'\n", 0o600)?;
        server.run_on_a_free_port()?;
        Ok(server)
    }

    /// A free port can be taken by another between the look and the start, so
    /// a start that lost its port looks again.
    fn run_on_a_free_port(&mut self) -> Result<()> {
        for _ in 0..5 {
            self.port = free_port()?;
            self.write_conf()?;
            match self.run() {
                Err(_) if self.log()?.contains("could not create any TCP/IP sockets") => {}
                outcome => return outcome,
            }
        }
        bail!("no port of 127.0.0.1 stayed free long enough to start PostgreSQL");
    }

    fn run(&mut self) -> Result<()> {
        let pid = self.keeper.start()?;
        clock::until(READY_WITHIN, || self.says_ready(pid) || !alive(pid));
        if self.says_ready(pid) {
            return Ok(());
        }
        self.keeper.signal(Signal::QUIT)?;
        self.keeper.wait()?;
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(8)..].join("\n");
        bail!("PostgreSQL did not start; its log ends:\n{end}")
    }

    /// `postmaster.pid` names the process in line 1 and its state in line 8.
    fn says_ready(&self, pid: Pid) -> bool {
        let text = fs::read_to_string(self.data_dir().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next() == Some(&pid.as_raw_nonzero().to_string()) && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }

    /// `localhost`, the name in the certificate.
    #[must_use]
    pub fn host(&self) -> &'static str {
        "localhost"
    }

    /// The TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The version as the server prints it, such as `postgres (PostgreSQL) 15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.install.version()
    }

    /// The authority that signed this server's certificate.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// The file with the authority's certificate, PEM.
    #[must_use]
    pub fn ca_pem_path(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A connector that trusts only this server's authority.
    #[must_use]
    pub fn tls(&self) -> &MakeRustlsConnect {
        &self.tls
    }

    /// The directory of the Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// The private directory with everything of this instance.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The server's data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The superuser's generated password.
    #[must_use]
    pub fn superuser_password(&self) -> &Secret {
        &self.password
    }

    /// Everything the server has logged so far.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.dir.path().join("postgres.log")).context("read the log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes the server read its files again, and waits until it has: a backend
    /// that knows the new load time was forked after the whole reload.
    ///
    /// # Errors
    ///
    /// When the server does not answer or does not reload in time.
    pub async fn reload(&self) -> Result<()> {
        let before = self.load_time().await?;
        self.keeper.signal(Signal::HUP)?;
        let reloaded = async {
            while self.load_time().await? == before {}
            anyhow::Ok(())
        };
        tokio::time::timeout(RELOAD_WITHIN, reloaded).await.context("PostgreSQL did not read its files again in time")?
    }

    async fn load_time(&self) -> Result<String> {
        let client = self.connect_unix_superuser("postgres").await?;
        let row = client.query_one("SELECT pg_conf_load_time()::text", &[]).await?;
        Ok(row.get(0))
    }

    /// Replaces the lines of `pg_hba.conf` (the lab's own way in stays) and reloads.
    ///
    /// # Errors
    ///
    /// As [`Postgres::reload`].
    pub async fn set_hba(&mut self, lines: &[&str]) -> Result<()> {
        self.options.hba_lines = lines.iter().map(ToString::to_string).collect();
        self.write_hba()?;
        self.reload().await
    }

    /// Sets `name` in the configuration and reloads.
    ///
    /// # Errors
    ///
    /// As [`Postgres::reload`].
    pub async fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.further.push((name.to_owned(), value.to_owned()));
        self.write_conf()?;
        self.reload().await
    }

    /// Presents `cert` to every connection from now on: another host behind the
    /// same name, or the same authority with another name.
    ///
    /// # Errors
    ///
    /// As [`Postgres::reload`].
    pub async fn present(&mut self, cert: &ServerCert) -> Result<()> {
        self.write_cert(cert)?;
        self.reload().await
    }

    fn write_conf(&self) -> Result<()> {
        let places = Places { socket: &self.socket_dir(), tls: &self.dir.path().join("tls"), port: self.port };
        let text = settings::conf(&self.options, &places, &self.further);
        self.write("data/lab.conf", &text, 0o600)
    }

    fn write_hba(&self) -> Result<()> {
        self.write("data/pg_hba.conf", &settings::hba(&self.options.hba_lines), 0o600)
    }

    fn write_cert(&self, cert: &ServerCert) -> Result<()> {
        self.write("tls/server.key", &cert.key_pem, 0o600)?;
        self.write("tls/server.crt", &cert.cert_pem, 0o600)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<()> {
        let path = self.dir.path().join(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .with_context(|| format!("write `{name}` of PostgreSQL"))?;
        file.write_all(text.as_bytes()).with_context(|| format!("write `{name}`"))?;
        self.install.own(&path)
    }
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("look for a free port")?;
    Ok(listener.local_addr().context("read the free port")?.port())
}
