//! Where the server's program and its parts are, and whom it runs as.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use rustix::process::getuid;

/// Where packages put the program.
const PROGRAMS: [&str; 3] = ["/usr/sbin/slapd", "/usr/lib/openldap/slapd", "/usr/local/libexec/slapd"];
const MODULES: [&str; 4] = ["/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap", "/usr/local/libexec/openldap"];
const SCHEMAS: [&str; 3] = ["/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema"];

/// The server's program and the account it runs as.
#[derive(Clone, Debug)]
pub(super) struct Install {
    program: PathBuf,
    modules: PathBuf,
    schemas: PathBuf,
    version: String,
    /// The account to run as, where started by root.
    account: Option<&'static str>,
}

impl Install {
    /// Finds the server of this machine.
    pub(super) fn find() -> Result<Self> {
        let missing = "no OpenLDAP server here; install the package `slapd`";
        let program = match env::var_os("QUELL_LAB_SLAPD") {
            Some(named) => PathBuf::from(named),
            None => PROGRAMS.iter().map(PathBuf::from).find(|path| path.is_file()).context(missing)?,
        };
        let modules = MODULES.iter().map(PathBuf::from).find(|dir| dir.join("ppolicy.so").is_file());
        let schemas = SCHEMAS.iter().map(PathBuf::from).find(|dir| dir.join("core.ldif").is_file());
        let account = match getuid().is_root() {
            true => Some(account()?),
            false => None,
        };
        let said = Command::new(&program).arg("-VV").output().with_context(|| format!("run `{} -VV`", program.display()))?;
        let version = String::from_utf8_lossy(&said.stderr).lines().next().unwrap_or_default().trim().to_owned();
        Ok(Self {
            program,
            modules: modules.context("OpenLDAP is here without its overlays (`ppolicy.so`); install the package `slapd`")?,
            schemas: schemas.context("OpenLDAP is here without its schemas (`core.ldif`); install the package `slapd`")?,
            version,
            account,
        })
    }

    /// The version as the server prints it.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn modules(&self) -> &Path {
        &self.modules
    }

    pub(super) fn schema(&self, name: &str) -> PathBuf {
        self.schemas.join(format!("{name}.ldif"))
    }

    /// The words that run a command under the server's account.
    pub(super) fn argv(&self, command: &[OsString]) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        if let Some(account) = self.account {
            argv.extend(["setpriv", "--clear-groups"].map(OsString::from));
            argv.extend([format!("--reuid={account}"), format!("--regid={}", group(account))].map(OsString::from));
            argv.push("--".into());
        }
        argv.extend(command.iter().cloned());
        argv
    }

    /// Fills a database that no server has open.
    pub(super) fn slapadd(&self, args: &[&OsStr]) -> Result<()> {
        let mut command: Vec<OsString> = vec![self.program.clone().into(), "-T".into(), "add".into()];
        command.extend(args.iter().map(OsString::from));
        let argv = self.argv(&command);
        crate::process::run_to_its_end("slapadd", &argv)
    }

    /// The program as it may be run here. Where AppArmor confines the packaged
    /// path to the packaged directories, a copy of it is run.
    pub(super) fn confined(&self, dir: &Path) -> Result<PathBuf> {
        let profiles = fs::read_to_string("/sys/kernel/security/apparmor/profiles").unwrap_or_default();
        if !profiles.lines().any(|line| line.contains("slapd") && line.contains("(enforce)")) {
            return Ok(self.program.clone());
        }
        let copy = dir.join("slapd");
        fs::copy(&self.program, &copy).context("copy `slapd` out of the reach of its AppArmor profile")?;
        Ok(copy)
    }

    /// Gives `path` and all below it to the server's account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        let Some(account) = self.account else { return Ok(()) };
        let owner = format!("{account}:{}", group(account));
        let status = Command::new("chown").args(["-R", &owner, "--"]).arg(path).status().context("run `chown`")?;
        if !status.success() {
            bail!("cannot give `{}` to `{account}`", path.display());
        }
        Ok(())
    }
}

/// The account that the package made, else nobody.
fn account() -> Result<&'static str> {
    let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let known = |name: &str| passwd.lines().any(|line| line.split(':').next() == Some(name));
    ["openldap", "ldap", "nobody"].into_iter().find(|name| known(name)).context("neither `openldap` nor `nobody` is an account here")
}

/// Debian's nobody has a group of another name.
fn group(account: &str) -> &str {
    if account == "nobody" { "nogroup" } else { account }
}
