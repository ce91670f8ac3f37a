//! Where `bao` is, and whom it runs as.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::process::getuid;

/// The server's program and the account it runs as.
#[derive(Clone, Debug)]
pub(super) struct Install {
    bao: PathBuf,
    /// User and group to step down to, where the lab was started by root.
    below: Option<(u32, u32)>,
}

impl Install {
    /// Finds what `tools/setup.sh` installed.
    pub(super) fn find() -> Result<Self> {
        let bao = find_bao()?;
        let below = if getuid().is_root() && others_reach(&bao) { nobody()? } else { None };
        Ok(Self { bao, below })
    }

    /// The words that run the server under its account.
    pub(super) fn argv(&self, args: &[&OsStr]) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        if let Some((uid, gid)) = self.below {
            argv.extend(["setpriv".into(), format!("--reuid={uid}").into(), format!("--regid={gid}").into()]);
            argv.extend(["--clear-groups".into(), "--".into()]);
        }
        argv.push(self.bao.clone().into());
        argv.extend(args.iter().map(OsString::from));
        argv
    }

    /// Gives `path` to the server's account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if let Some((uid, gid)) = self.below {
            chown(path, Some(uid), Some(gid)).with_context(|| format!("give `{}` to `nobody`", path.display()))?;
        }
        Ok(())
    }
}

/// The program that `tools/setup.sh` installed, or the one that is named or on the path.
pub(super) fn find_bao() -> Result<PathBuf> {
    if let Some(named) = env::var_os("QUELL_LAB_BAO") {
        let named = PathBuf::from(named);
        if !named.is_file() {
            bail!("QUELL_LAB_BAO `{}` is no file", named.display());
        }
        return Ok(named);
    }
    let exe = env::current_exe().context("find the running program")?;
    // A program of the build lies two or three directories below the target folder.
    let installed = exe.ancestors().skip(1).take(4).find_map(|dir| fs::canonicalize(dir.join("openbao/bao")).ok());
    let path = env::var_os("PATH").unwrap_or_default();
    installed
        .or_else(|| env::split_paths(&path).map(|dir| dir.join("bao")).find(|bao| bao.is_file()))
        .context("no OpenBao server here (`target/openbao/bao`, PATH); run `tools/setup.sh`")
}

/// May somebody who is nobody run it? The target folder may lie in a home.
pub(crate) fn others_reach(path: &Path) -> bool {
    path.ancestors().all(|part| fs::metadata(part).is_ok_and(|m| m.mode() & 0o001 != 0))
}

pub(crate) fn nobody() -> Result<Option<(u32, u32)>> {
    let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    Ok(passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&"nobody")).then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))?
    }))
}
