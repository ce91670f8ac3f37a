//! Somebody with a private key, who speaks through OpenSSH's own client: one connection
//! that is kept open, and new channels over it (`ControlMaster`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::KeyPair;

/// How long a client waits for anything.
const SECONDS: &str = "60";

/// What became of a login.
#[derive(Debug)]
pub enum Login {
    In(Box<Client>),
    /// sshd refused the key.
    Refused,
}

impl Login {
    /// The connection.
    ///
    /// # Errors
    ///
    /// When the key was refused.
    pub fn is_in(self) -> Result<Client> {
        match self {
            Self::In(client) => Ok(*client),
            Self::Refused => bail!("sshd refused the key"),
        }
    }

    /// Whether the key was taken.
    #[must_use]
    pub fn was_taken(&self) -> bool {
        matches!(self, Self::In(_))
    }
}

/// One open connection. Dropping it closes it.
#[derive(Debug)]
pub struct Client {
    master: Child,
    dir: TempDir,
    port: u16,
    account: String,
}

impl Client {
    pub(super) async fn log_in(port: u16, host: &KeyPair, account: &str, key: &KeyPair, certificate: Option<&str>) -> Result<Login> {
        let dir = tempfile::Builder::new().prefix("quell-ssh-client-").tempdir().context("make a directory for a client")?;
        let at = |name: &str| dir.path().join(name);
        crate::private::write(&at("key"), key.private())?;
        if let Some(certificate) = certificate {
            fs::write(at("key-cert.pub"), format!("{certificate}\n")).context("write the certificate")?;
        }
        fs::write(at("known"), format!("[127.0.0.1]:{port} {}\n", host.public())).context("write the host key")?;
        let mut command = ssh(dir.path(), port, account);
        command.args(["-M", "-N", "-o", "ControlPersist=no", "-i"]).arg(at("key"));
        if certificate.is_some() {
            command.arg("-o").arg(format!("CertificateFile={}", at("key-cert.pub").display()));
        }
        let mut master = command.stderr(Stdio::piped()).spawn().context("run `ssh`; install `openssh-client`")?;
        for _ in 0..2_400 {
            if at("control").exists() {
                return Ok(Login::In(Box::new(Self { master, dir, port, account: account.to_owned() })));
            }
            if master.try_wait().context("wait for `ssh`")?.is_some() {
                let output = master.wait_with_output().await.context("read what `ssh` said")?;
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                ensure!(said.contains("Permission denied"), "the login met neither yes nor no: {}", said.trim());
                return Ok(Login::Refused);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the login was not answered")
    }

    /// Runs `words` over a new channel of the open connection; none where it is gone.
    ///
    /// # Errors
    ///
    /// When `ssh` cannot be run.
    pub async fn run(&mut self, words: &str) -> Result<Option<String>> {
        if self.master.try_wait().context("wait for `ssh`")?.is_some() {
            return Ok(None);
        }
        // Without a key and without a way to a new connection: over the open one, or not at all.
        let mut command = ssh(self.dir.path(), self.port, &self.account);
        command.args(["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "--"]).arg(words);
        let output = command.output().await.context("run `ssh`")?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    }

    /// Whether the server still serves a new channel.
    ///
    /// # Errors
    ///
    /// When `ssh` cannot be run.
    pub async fn is_served(&mut self) -> Result<bool> {
        Ok(self.run("echo served").await?.as_deref() == Some("served"))
    }
}

fn ssh(dir: &Path, port: u16, account: &str) -> Command {
    let mut command = Command::new("ssh");
    let known: PathBuf = dir.join("known");
    command
        .args(["-F", "none", "-p", &port.to_string(), "-l", account, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
        .args(["-o", "StrictHostKeyChecking=yes", "-o", &format!("ConnectTimeout={SECONDS}"), "-o", "LogLevel=ERROR"])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .arg("-o")
        .arg(format!("ControlPath={}", dir.join("control").display()))
        .arg("127.0.0.1")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}
