//! A real mail server, PyPI's aiosmtpd: it takes letters by STARTTLS and by TLS from the
//! first byte, and keeps them in a Maildir.

use std::{
    env,
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    ca::{Ca, LOOPBACK},
    clock,
    keeper::{End, Keeper},
    postgres::free_port,
    process::alive,
};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A mail server with a mailbox for everybody.
pub struct Mail {
    keeper: Keeper,
    dir: TempDir,
    port: u16,
    ca: Ca,
    wrapped: bool,
}

impl Mail {
    /// Starts one that demands STARTTLS, or speaks TLS from the first byte where `wrapped`.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not start.
    pub fn start(wrapped: bool) -> Result<Self> {
        // A port that was free may be taken when the server is ready for it.
        let mut tried = Self::once(wrapped);
        for _ in 0..4 {
            if tried.is_ok() {
                break;
            }
            tried = Self::once(wrapped);
        }
        tried
    }

    fn once(wrapped: bool) -> Result<Self> {
        let python = find()?;
        let dir = tempfile::Builder::new().prefix("quell-mail-").tempdir().context("make a directory for the mail server")?;
        let at = |name: &str| dir.path().join(name);
        let (port, ca) = (free_port()?, Ca::new("quell lab mail")?);
        let (cert_option, key_option) = if wrapped { ("--smtpscert", "--smtpskey") } else { ("--tlscert", "--tlskey") };
        let mut argv: Vec<OsString> = vec![python.into()];
        argv.extend(["-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox", "-l"].map(OsString::from));
        argv.extend([format!("127.0.0.1:{port}").into(), cert_option.into(), at("server.crt").into()]);
        argv.extend([key_option.into(), at("server.key").into(), at("mail").into()]);
        // The keeper stands before anything is in the directory.
        let keeper = Keeper::new(Some(dir.path()), &at("log"), Path::new("/"), End::Kill, &argv)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).context("close the directory to others")?;
        let cert = ca.server(&LOOPBACK)?;
        crate::private::write(&at("server.crt"), &cert.cert_pem)?;
        crate::private::write(&at("server.key"), &cert.key_pem)?;
        let mut server = Self { keeper, dir, port, ca, wrapped };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again after [`Mail::kill`], with its mailbox.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        let (pid, port) = (self.keeper.start()?, self.port);
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        clock::until(READY_WITHIN, || listens() || !alive(pid));
        if alive(pid) && listens() {
            return Ok(());
        }
        bail!("the mail server did not start; its log ends:\n{}", fs::read_to_string(self.dir.path().join("log")).unwrap_or_default())
    }

    /// As `[[notify]]` has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", if self.wrapped { "smtps" } else { "smtp" }, self.port)
    }

    /// The authority that signed its certificate, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// The letters that came, in no order.
    ///
    /// # Errors
    ///
    /// When the mailbox cannot be read.
    pub fn letters(&self) -> Result<Vec<String>> {
        let new = self.dir.path().join("mail/new");
        if !new.is_dir() {
            return Ok(Vec::new());
        }
        fs::read_dir(new).context("read the mailbox")?.map(|entry| Ok(fs::read_to_string(entry?.path())?)).collect()
    }

    /// Ends it; nothing listens there any more.
    ///
    /// # Errors
    ///
    /// When it may not be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.keeper.signal(Signal::KILL)?;
        self.keeper.wait().map(|_| ())
    }
}

/// The Python that has it.
fn find() -> Result<PathBuf> {
    let exe = env::current_exe().context("find the running program")?;
    // A program of the build lies two or three directories below the target folder.
    let installed = exe.ancestors().skip(1).take(4).map(|dir| dir.join("smtp/bin/python")).find(|python| python.exists());
    installed.context("no mail server here (`target/smtp`); run `tools/setup.sh`")
}
