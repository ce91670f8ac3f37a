//! A real OpenSSH server, private to its owner: started fresh, ended with it.
//!
//! It listens on `127.0.0.1` alone and runs without privileges, with accounts of its
//! own: `libnss-wrapper` shows it a list of accounts that all have the user id that it
//! runs as, so several names log in and no account of the machine is touched. A user
//! authority signs certificates; every key is made for the instance.

mod client;
mod install;
mod keys;

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    io::Write as _,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use self::install::Install;
pub use self::{
    client::{Client, Login},
    keys::KeyPair,
};
use crate::{
    clock,
    keeper::{End, Keeper},
    postgres::free_port,
    process::alive,
};

/// The accounts of a fresh host, beside Quell's two.
pub const ACCOUNTS: [&str; 4] = ["deploy", "backup", "alice", "root2"];
/// Quell's own account and its control.
pub const QUELL: [&str; 2] = ["quell", "quell-control"];

const READY_WITHIN: Duration = Duration::from_secs(30);

/// One running server. Dropping it ends the server and removes its directory.
pub struct Sshd {
    // Before `dir`: the keeper ends the server and removes the directory first.
    keeper: Keeper,
    dir: TempDir,
    install: Install,
    port: u16,
    host: KeyPair,
    authority: KeyPair,
    paused: bool,
}

impl Sshd {
    /// Starts a fresh server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When no server is installed, the directory cannot be made, or the server does not
    /// come up; the end of its log is then in the error.
    pub async fn start() -> Result<Self> {
        Self::start_with(&ACCOUNTS).await
    }

    /// Starts one with other accounts.
    ///
    /// # Errors
    ///
    /// As [`Sshd::start`].
    pub async fn start_with(accounts: &[&str]) -> Result<Self> {
        let accounts: Vec<String> = accounts.iter().chain(&QUELL).map(|&name| name.to_owned()).collect();
        tokio::task::spawn_blocking(move || Self::launch(&accounts)).await.context("start OpenSSH")?
    }

    fn launch(accounts: &[String]) -> Result<Self> {
        let install = Install::find()?;
        for _ in 0..5 {
            let mut server = Self::prepare(install.clone(), accounts)?;
            match server.run() {
                Err(_) if server.log()?.contains("Address already in use") => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
        bail!("no port of 127.0.0.1 stayed free long enough to start OpenSSH");
    }

    fn prepare(install: Install, accounts: &[String]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("quell-ssh-").tempdir().context("make a directory for OpenSSH")?;
        let (port, log) = (free_port()?, dir.path().join("sshd.log"));
        let argv = install.argv(dir.path(), &server_words(&install, dir.path()));
        let keeper = Keeper::new(Some(dir.path()), &log, Path::new("/"), End::Quit, &argv)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).context("open the directory to the server")?;
        for part in ["users", "conf.d", "etc"] {
            fs::create_dir(dir.path().join(part)).context("make a directory")?;
        }
        let (host, authority) = (KeyPair::generate("host")?, KeyPair::generate("authority")?);
        crate::private::write(&dir.path().join("host"), host.private())?;
        fs::write(dir.path().join("authority.pub"), host_line(&authority)).context("write the authority")?;
        fs::write(dir.path().join("sshd_config"), config(dir.path(), port)).context("write the configuration")?;
        install.write_accounts(dir.path(), accounts)?;
        fs::write(&log, "").context("make the log")?;
        install.own(dir.path())?;
        Ok(Self { keeper, dir, install, port, host, authority, paused: false })
    }

    fn run(&mut self) -> Result<()> {
        let pid = self.keeper.start()?;
        clock::until(READY_WITHIN, || self.takes_connections() || !alive(pid));
        if self.takes_connections() {
            return Ok(());
        }
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait()?;
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        bail!("OpenSSH did not start; its log ends:\n{}", lines[lines.len().saturating_sub(8)..].join("\n"))
    }

    fn takes_connections(&self) -> bool {
        self.dir.path().join("sshd.pid").exists() && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }

    /// Puts `line` into the keys of an account, as its owner would before Quell came.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn authorize(&self, account: &str, line: &str) -> Result<()> {
        self.append(&format!("users/{account}"), line)
    }

    /// Appends a line to a file below the directory, which keeps its owner.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn append(&self, file: &str, line: &str) -> Result<()> {
        let path = self.dir.path().join(file);
        let mut open = fs::OpenOptions::new().append(true).create(true).open(&path).with_context(|| format!("open `{file}`"))?;
        writeln!(open, "{}", line.trim_end()).with_context(|| format!("write `{file}`"))?;
        self.install.own(&path)
    }

    /// Runs the script of the bootstrap as the account of the server, and waits until the
    /// server has taken the new settings.
    ///
    /// # Errors
    ///
    /// When the script fails; what it said is in the error.
    pub fn bootstrap(&self, script: &str) -> Result<()> {
        let restarts = || self.log().unwrap_or_default().matches("Server listening on").count();
        let before = restarts();
        let at = |part: &str| self.dir.path().join(part).display().to_string();
        let places = [
            ("ETC", at("etc")),
            ("COMMAND", at("etc/quell-plane")),
            ("SSHD", self.install.program().display().to_string()),
            ("CONFIG", at("sshd_config")),
            ("DROP_IN", at("conf.d/10-quell.conf")),
            ("LOG", at("sshd.log")),
        ];
        let mut words: Vec<OsString> = vec!["env".into()];
        words.extend(places.into_iter().map(|(name, value)| format!("{name}={value}").into()));
        words.extend(["sh", "-s"].map(OsString::from));
        let argv = self.install.argv(self.dir.path(), &words);
        let mut child = Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run the bootstrap")?;
        child.stdin.take().context("a script's input")?.write_all(script.as_bytes()).context("hand over the script")?;
        let output = child.wait_with_output().context("wait for the bootstrap")?;
        ensure!(output.status.success(), "the bootstrap failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        ensure!(clock::until(READY_WITHIN, || restarts() > before), "the server took no new settings");
        Ok(())
    }

    /// Lets the server read its settings anew.
    ///
    /// # Errors
    ///
    /// When it does not come back.
    pub fn reload(&self) -> Result<()> {
        let restarts = || self.log().unwrap_or_default().matches("Server listening on").count();
        let before = restarts();
        self.keeper.signal(Signal::HUP)?;
        ensure!(clock::until(READY_WITHIN, || restarts() > before), "the server took no new settings");
        Ok(())
    }

    /// A certificate of the authority for `key`: its public text.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn certify(&self, key: &KeyPair, id: &str, principals: &str, serial: u64, validity: &str) -> Result<String> {
        keys::certify(&self.authority, key, id, principals, serial, validity)
    }

    /// Writes a certificate into the authority's record on the host.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn record(&self, certificate: &str) -> Result<()> {
        self.append("etc/issued", certificate)
    }

    /// Logs in as `account`; what sshd said where it refuses.
    pub async fn log_in(&self, account: &str, key: &KeyPair, certificate: Option<&str>) -> Result<Login> {
        Client::log_in(self.port, &self.host, account, key, certificate).await
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host's public key.
    #[must_use]
    pub fn host_key(&self) -> &str {
        self.host.public()
    }

    /// The user authority.
    #[must_use]
    pub fn authority(&self) -> &KeyPair {
        &self.authority
    }

    /// The private directory with everything of this instance.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the bootstrap made.
    #[must_use]
    pub fn etc(&self, file: &str) -> PathBuf {
        self.dir.path().join("etc").join(file)
    }

    /// The version as the server prints it: `OpenSSH_9.2p1`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.install.version()
    }

    /// The server's main process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.keeper.pid()
    }

    /// Everything the server has logged so far.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.dir.path().join("sshd.log")).context("read the log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ends the main process: open connections go on, as after a restart of the service.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn stop(&mut self) -> Result<()> {
        self.resume()?;
        self.keeper.signal(Signal::TERM)?;
        self.keeper.wait()?;
        Ok(())
    }

    /// Starts a stopped server again on its port and data.
    ///
    /// # Errors
    ///
    /// When it runs already or does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        self.run()
    }

    /// Freezes the main process: nothing new is answered.
    ///
    /// # Errors
    ///
    /// When it may not be signalled.
    pub fn pause(&mut self) -> Result<()> {
        self.paused = true;
        self.keeper.signal(Signal::STOP)
    }

    /// Lets a frozen server go on; does nothing to a running one.
    ///
    /// # Errors
    ///
    /// When it may not be signalled.
    pub fn resume(&mut self) -> Result<()> {
        if self.paused {
            self.keeper.signal(Signal::CONT)?;
            self.paused = false;
        }
        Ok(())
    }

    /// Presents another host key after a restart: another host behind the same name.
    ///
    /// # Errors
    ///
    /// When the server does not come up again.
    pub fn present(&mut self, host: &KeyPair) -> Result<()> {
        crate::private::write(&self.dir.path().join("host"), host.private())?;
        self.reload()
    }
}

fn host_line(key: &KeyPair) -> String {
    format!("{}\n", key.public())
}

fn server_words(install: &Install, dir: &Path) -> Vec<OsString> {
    let log = dir.join("sshd.log");
    let words: [OsString; 6] =
        [install.program().into(), "-D".into(), "-f".into(), dir.join("sshd_config").into(), "-E".into(), log.into()];
    words.to_vec()
}

fn config(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let mut text = format!("Include {dir}/conf.d/*.conf\n");
    for (setting, value) in [
        ("ListenAddress", format!("127.0.0.1:{port}")),
        ("HostKey", format!("{dir}/host")),
        ("PidFile", format!("{dir}/sshd.pid")),
        ("TrustedUserCAKeys", format!("{dir}/authority.pub")),
        ("AuthorizedKeysFile", format!("{dir}/users/%u")),
        ("LogLevel", "VERBOSE".to_owned()),
        ("UsePAM", "no".to_owned()),
        ("UseDNS", "no".to_owned()),
        ("PasswordAuthentication", "no".to_owned()),
        ("KbdInteractiveAuthentication", "no".to_owned()),
        // The directory is below one that everybody may write to.
        ("StrictModes", "no".to_owned()),
    ] {
        let _ = writeln!(text, "{setting} {value}");
    }
    text
}
