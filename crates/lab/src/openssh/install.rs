//! Where the server's program is, whom it runs as, and the accounts that it is shown.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{getgid, getuid};

const PROGRAMS: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
const WRAPPER: &str = "libnss_wrapper.so";

/// The server's program and the account it runs as.
#[derive(Clone, Debug)]
pub(super) struct Install {
    program: PathBuf,
    version: String,
    uid: u32,
    gid: u32,
    /// Started by root: it is given up.
    drops: bool,
}

impl Install {
    /// Finds the server of this machine.
    pub(super) fn find() -> Result<Self> {
        let program = match env::var_os("QUELL_LAB_SSHD") {
            Some(named) => PathBuf::from(named),
            None => PROGRAMS
                .iter()
                .map(PathBuf::from)
                .find(|p| p.is_file())
                .context("no OpenSSH server here; install the package `openssh-server`")?,
        };
        // It knows no such option, and says so under its version.
        let said = Command::new(&program).arg("-V").output().with_context(|| format!("run `{}`", program.display()))?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let version = said.split([' ', ',', '\n']).find(|word| word.starts_with("OpenSSH_")).unwrap_or_default().to_owned();
        let drops = getuid().is_root();
        let (uid, gid) = if drops { nobody()? } else { (getuid().as_raw(), getgid().as_raw()) };
        let install = Self { program, version, uid, gid, drops };
        install.knows_the_wrapper()?;
        Ok(install)
    }

    /// A preloaded library that is missing is complained of and left out.
    fn knows_the_wrapper(&self) -> Result<()> {
        let output = Command::new("/bin/true").env("LD_PRELOAD", WRAPPER).output().context("run `true`")?;
        ensure!(output.stderr.is_empty(), "`{WRAPPER}` is missing; install the package `libnss-wrapper`");
        Ok(())
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The words that run a command under the server's account, with its accounts.
    pub(super) fn argv(&self, dir: &Path, command: &[OsString]) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        if self.drops {
            argv.extend(["setpriv", "--clear-groups"].map(OsString::from));
            argv.extend([format!("--reuid={}", self.uid), format!("--regid={}", self.gid)].map(OsString::from));
            argv.push("--".into());
        }
        argv.push("env".into());
        for (name, value) in
            [("LD_PRELOAD", WRAPPER.into()), ("NSS_WRAPPER_PASSWD", dir.join("passwd")), ("NSS_WRAPPER_GROUP", dir.join("group"))]
                as [(&str, PathBuf); 3]
        {
            argv.push(format!("{name}={}", value.display()).into());
        }
        argv.extend(command.iter().cloned());
        argv
    }

    /// The accounts that the server is shown, all of its own user id.
    pub(super) fn write_accounts(&self, dir: &Path, names: &[String]) -> Result<()> {
        let (uid, gid, home) = (self.uid, self.gid, dir.display());
        let line = |name: &String| format!("{name}:x:{uid}:{gid}:{name}:{home}:/bin/sh\n");
        fs::write(dir.join("passwd"), names.iter().map(line).collect::<String>()).context("write the accounts")?;
        fs::write(dir.join("group"), format!("lab:x:{gid}:\n")).context("write the groups")
    }

    /// Gives `path` and all below it to the server's account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if !self.drops {
            return Ok(());
        }
        let owner = format!("{}:{}", self.uid, self.gid);
        let status = Command::new("chown").args(["-R", &owner, "--"]).arg(path).status().context("run `chown`")?;
        if !status.success() {
            bail!("cannot give `{}` to `{owner}`", path.display());
        }
        Ok(())
    }
}

/// User and group of nobody.
fn nobody() -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let line = passwd.lines().find(|line| line.starts_with("nobody:")).context("`nobody` is no account here")?;
    let mut fields = line.split(':').skip(2);
    let mut number = || fields.next().and_then(|f| f.parse().ok()).context("read the account of nobody");
    Ok((number()?, number()?))
}
