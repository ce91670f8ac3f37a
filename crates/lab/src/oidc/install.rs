//! Where Node and the provider's packages are, and whom they run as.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::process::getuid;

/// The runtime, the packages, and the account that they run as.
#[derive(Clone, Debug)]
pub(super) struct Install {
    node: PathBuf,
    modules: PathBuf,
    /// User and group to step down to, where the lab was started by root.
    below: Option<(u32, u32)>,
}

impl Install {
    /// Finds what `tools/setup.sh` installed.
    pub(super) fn find() -> Result<Self> {
        let modules = modules()?;
        let node = node(&modules)?;
        let below = if getuid().is_root() && others_reach(&node) && others_reach(&modules) { nobody()? } else { None };
        Ok(Self { node, modules, below })
    }

    pub(super) fn modules(&self) -> &Path {
        &self.modules
    }

    /// The version of `oidc-provider`, as its package says.
    pub(super) fn version(&self) -> Result<String> {
        let text = fs::read_to_string(self.modules.join("oidc-provider/package.json")).context("read the version of oidc-provider")?;
        let package: serde_json::Value = serde_json::from_str(&text).context("read the version of oidc-provider")?;
        Ok(format!("oidc-provider {}", package["version"].as_str().context("a package without a version")?))
    }

    /// The words that run the server under its account.
    pub(super) fn argv(&self, args: &[&OsStr]) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        if let Some((uid, gid)) = self.below {
            argv.extend(["setpriv".into(), format!("--reuid={uid}").into(), format!("--regid={gid}").into()]);
            argv.extend(["--clear-groups".into(), "--".into()]);
        }
        argv.push(self.node.clone().into());
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

fn modules() -> Result<PathBuf> {
    let has = |dir: PathBuf| dir.join("oidc-provider/package.json").is_file().then_some(dir);
    if let Some(named) = env::var_os("QUELL_LAB_OIDC") {
        let named = PathBuf::from(named);
        return has(named.clone()).with_context(|| format!("QUELL_LAB_OIDC `{}` holds no oidc-provider", named.display()));
    }
    let exe = env::current_exe().context("find the running program")?;
    // A program of the build lies two or three directories below the target folder.
    exe.ancestors()
        .skip(1)
        .take(4)
        .filter_map(|dir| fs::canonicalize(dir.join("oidc/node_modules")).ok())
        .find_map(has)
        .context("no OpenID provider here (`target/oidc`); run `tools/setup.sh`")
}

/// The one that `tools/setup.sh` put below the target folder, else the machine's.
fn node(modules: &Path) -> Result<PathBuf> {
    let below = modules.ancestors().nth(2).map(|target| target.join("node/bin/node")).filter(|node| node.is_file());
    let path = env::var_os("PATH").unwrap_or_default();
    let found = below.or_else(|| env::split_paths(&path).map(|dir| dir.join("node")).find(|node| node.is_file()));
    match found {
        Some(node) => fs::canonicalize(node).context("find Node"),
        None => bail!("no Node here; run `tools/setup.sh`"),
    }
}

/// May somebody who is nobody read it? The target folder may lie in a home.
fn others_reach(path: &Path) -> bool {
    path.ancestors().all(|part| fs::metadata(part).is_ok_and(|m| m.mode() & 0o001 != 0))
}

fn nobody() -> Result<Option<(u32, u32)>> {
    let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    Ok(passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&"nobody")).then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))?
    }))
}
