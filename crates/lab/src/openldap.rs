//! A real OpenLDAP (`slapd`), private to its owner: started fresh, ended with it.
//!
//! The instance listens on `127.0.0.1` (LDAPS with a certificate of its own
//! authority, and clear, where StartTLS is offered) and on a Unix socket in its
//! directory. It is configured by `cn=config`, so everything can be changed while
//! it runs. [`ADMIN`] is the root of data and configuration, with a generated
//! password; nobody else is root of anything.

mod client;
mod company;
mod install;
mod power;
mod settings;

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use self::install::Install;
pub(crate) use self::settings::ssha;
pub use self::{
    client::{Answer, Change, Client, Entry, add, delete, replace},
    company::{Company, Person},
    settings::{Follow, Options},
};
use crate::{
    ca::{Ca, ServerCert},
    clock,
    keeper::{End, Keeper},
    postgres::free_port,
    process::alive,
    secret::Secret,
};

/// The root of data and configuration.
pub const ADMIN: &str = "cn=admin,cn=config";
/// What the directory is about.
pub const SUFFIX: &str = "dc=corp,dc=test";
/// The database's own entry in the configuration.
pub const DATABASE: &str = "olcDatabase={1}mdb,cn=config";

/// How long a server may take to be ready. Seconds only on a machine in trouble.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// One running server. Dropping it ends the server and removes its directory.
pub struct Slapd {
    // Before `dir`: the keeper ends the server and removes the directory first.
    keeper: Keeper,
    dir: TempDir,
    install: Install,
    ldap: u16,
    ldaps: u16,
    ca: Ca,
    admin: Secret,
    paused: bool,
}

impl Slapd {
    /// Starts a fresh, empty server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When no server is installed, the directory cannot be made, or the server
    /// does not come up; the end of its log is then in the error.
    pub async fn start(options: Options) -> Result<Self> {
        tokio::task::spawn_blocking(move || Self::launch(&options)).await.context("start OpenLDAP")?
    }

    fn launch(options: &Options) -> Result<Self> {
        let install = Install::find()?;
        let ca = match &options.ca {
            Some(ca) => ca.clone(),
            None => Ca::new("quell lab")?,
        };
        // A free port can be taken by another between the look and the start, so
        // a start that lost its port looks again.
        for _ in 0..5 {
            let mut server = Self::prepare(options, install.clone(), ca.clone())?;
            match server.run() {
                Err(_) if server.log()?.contains("bind(") => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
        bail!("no port of 127.0.0.1 stayed free long enough to start OpenLDAP");
    }

    fn prepare(options: &Options, install: Install, ca: Ca) -> Result<Self> {
        // An account without privileges must be able to reach it.
        let dir = tempfile::Builder::new().prefix("quell-ldap-").tempdir().context("make a directory for OpenLDAP")?;
        let (ldap, ldaps) = (free_port()?, free_port()?);
        let log = dir.path().join("slapd.log");
        let urls = format!("ldap://127.0.0.1:{ldap}/ ldaps://127.0.0.1:{ldaps}/ ldapi://{}", escaped(&dir.path().join("socket/ldapi")));
        let program = install.confined(dir.path())?;
        let argv: [OsString; 7] =
            [program.into(), "-d".into(), "stats".into(), "-F".into(), dir.path().join("config").into(), "-h".into(), urls.into()];
        // The keeper stands before anything is in the directory: from here on
        // nothing is left behind, whatever happens to this process.
        let keeper = Keeper::new(Some(dir.path()), &log, Path::new("/"), End::Kill, &install.argv(&argv))?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).context("close the directory to others")?;
        for part in ["config", "data", "socket", "tls"] {
            fs::create_dir(dir.path().join(part)).context("make a directory")?;
        }
        let server = Self { keeper, dir, install, ldap, ldaps, ca, admin: Secret::generate()?, paused: false };
        let names: Vec<&str> = options.names.iter().map(String::as_str).collect();
        server.write_cert(&server.ca.server(&names)?)?;
        crate::private::write(&server.dir.path().join("ca.pem"), server.ca.pem())?;
        let seed = server.dir.path().join("config.ldif");
        crate::private::write(&seed, &settings::config(options, server.dir.path(), &server.install, &server.admin))?;
        server.install.own(server.dir.path())?;
        let config = server.dir.path().join("config");
        server.install.slapadd(&["-n".as_ref(), "0".as_ref(), "-F".as_ref(), config.as_os_str(), "-l".as_ref(), seed.as_os_str()])?;
        fs::remove_file(&seed).context("remove the seed of the configuration")?;
        Ok(server)
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
        bail!("OpenLDAP did not start; its log ends:\n{}", lines[lines.len().saturating_sub(8)..].join("\n"))
    }

    /// Both ports answer: the listeners are opened one after the other.
    fn takes_connections(&self) -> bool {
        [self.ldap, self.ldaps].iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok())
    }

    /// The port of clear LDAP and StartTLS on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ldap
    }

    /// The port of LDAPS on 127.0.0.1.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.ldaps
    }

    /// The Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket/ldapi")
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

    /// The private directory with everything of this instance.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The generated password of [`ADMIN`].
    #[must_use]
    pub fn admin_password(&self) -> &Secret {
        &self.admin
    }

    /// The version as the server prints it.
    #[must_use]
    pub fn version(&self) -> &str {
        self.install.version()
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.keeper.pid()
    }

    /// Everything the server has logged so far: connections, binds and operations
    /// by name, never a password.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.dir.path().join("slapd.log")).context("read the log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn write_cert(&self, cert: &ServerCert) -> Result<()> {
        let tls = self.dir.path().join("tls");
        crate::private::write(&tls.join("server.key"), &cert.key_pem)?;
        crate::private::write(&tls.join("server.crt"), &cert.cert_pem)?;
        self.install.own(&tls)
    }
}

/// A path as an `ldapi` URL takes it.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('%', "%25").replace('/', "%2F")
}
