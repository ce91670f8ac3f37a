//! Where the two servers are, and whom they run as.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::process::getuid;

use crate::openbao::install::{nobody, others_reach};

/// The directory of the programs and the account that they run as.
#[derive(Clone, Debug)]
pub(super) struct Install {
    programs: PathBuf,
    /// User and group to step down to, where the lab was started by root.
    below: Option<(u32, u32)>,
}

impl Install {
    /// Finds what `tools/setup.sh` installed.
    pub(super) fn find() -> Result<Self> {
        let programs = find_programs()?;
        // The interpreter of the environment is a link to one that may lie in a home.
        let python = fs::canonicalize(programs.join("python3")).context("find the Python of `target/ministack`")?;
        let reachable = others_reach(&programs.join("ministack")) && others_reach(&python);
        let below = if getuid().is_root() && reachable { nobody()? } else { None };
        Ok(Self { programs, below })
    }

    /// The words that run `program` under its account, with these variables alone.
    pub(super) fn argv(&self, program: &str, variables: &[(&str, String)], args: &[&OsStr]) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        if let Some((uid, gid)) = self.below {
            argv.extend(["setpriv".into(), format!("--reuid={uid}").into(), format!("--regid={gid}").into()]);
            argv.extend(["--clear-groups".into(), "--".into()]);
        }
        argv.push("env".into());
        argv.extend(variables.iter().map(|(name, value)| format!("{name}={value}").into()));
        argv.push(self.programs.join(program).into());
        argv.extend(args.iter().map(OsString::from));
        argv
    }

    /// Gives `path` to the servers' account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if let Some((uid, gid)) = self.below {
            chown(path, Some(uid), Some(gid)).with_context(|| format!("give `{}` to `nobody`", path.display()))?;
        }
        Ok(())
    }

    /// The version of a package, by the folder that its installer left: `1.5.33`.
    pub(super) fn version(&self, package: &str) -> Result<String> {
        let lib = self.programs.join("../lib");
        for python in fs::read_dir(&lib).with_context(|| format!("look into `{}`", lib.display()))?.flatten() {
            for entry in fs::read_dir(python.path().join("site-packages")).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let version = name.strip_prefix(package).and_then(|r| r.strip_prefix('-')).and_then(|r| r.strip_suffix(".dist-info"));
                if let Some(version) = version {
                    return Ok(version.to_owned());
                }
            }
        }
        bail!("`{package}` is not installed in `{}`; run `tools/setup.sh`", self.programs.display())
    }
}

fn find_programs() -> Result<PathBuf> {
    if let Some(named) = env::var_os("QUELL_LAB_AWS") {
        let named = PathBuf::from(named);
        if !named.join("ministack").is_file() {
            bail!("QUELL_LAB_AWS `{}` holds no `ministack`", named.display());
        }
        return Ok(named);
    }
    let exe = env::current_exe().context("find the running program")?;
    // A program of the build lies two or three directories below the target folder.
    let installed = exe.ancestors().skip(1).take(4).find_map(|dir| {
        let bin = fs::canonicalize(dir.join("ministack")).ok()?.join("venv/bin");
        bin.join("ministack").is_file().then_some(bin)
    });
    installed.context("no ministack here (`target/ministack`); run `tools/setup.sh`")
}
