//! Where the server's programs are, whom they run as, and the template of a
//! fresh data directory.
//!
//! `initdb` takes seconds and its result depends only on version, options and
//! account, so it is kept: made once under a lock, moved into place by one
//! rename, copied for every instance. A crash leaves at most a staging
//! directory, which the next holder of the lock removes.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use rustix::process::getuid;
use sha2::{Digest, Sha256};

/// The options of every `initdb` of the lab. Small segments make a small
/// template, and a small template a fast copy.
const INITDB: [&str; 8] = [
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--auth=reject",
    "--wal-segsize=1",
    "--data-checksums",
    "--no-instructions",
    "--no-sync",
];

/// The server's programs and the account they run as.
#[derive(Clone, Debug)]
pub(super) struct Install {
    bin: PathBuf,
    version: String,
    account: Account,
    /// Whether programs must be started under `account` by `setpriv`.
    step_down: bool,
}

#[derive(Clone, Debug)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Install {
    /// Finds the newest server of this machine.
    pub(super) fn find() -> Result<Self> {
        let bin = find_bin()?;
        let account = if getuid().is_root() {
            account(|name, _| name == "postgres")?
                .or(account(|name, _| name == "nobody")?)
                .context("neither `postgres` nor `nobody` is an account; a server refuses root")?
        } else {
            let uid = getuid().as_raw();
            account(|_, other| other == uid)?.with_context(|| format!("user id {uid} has no name in /etc/passwd"))?
        };
        let output = Command::new(bin.join("postgres"))
            .arg("--version")
            .output()
            .with_context(|| format!("run `{}/postgres --version`", bin.display()))?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Self { bin, version, account, step_down: getuid().is_root() })
    }

    /// The version as the server prints it.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The words that run `program` under the server's account.
    pub(super) fn argv(&self, program: &str, args: &[&OsStr]) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        if self.step_down {
            argv.push("setpriv".into());
            argv.push(format!("--reuid={}", self.account.uid).into());
            argv.push(format!("--regid={}", self.account.gid).into());
            argv.push("--clear-groups".into());
            argv.push("--".into());
        }
        argv.push(self.bin.join(program).into());
        argv.extend(args.iter().map(OsString::from));
        argv
    }

    /// Runs `program` under the server's account to its end.
    pub(super) fn run(&self, program: &str, args: &[&OsStr]) -> Result<()> {
        let argv = self.argv(program, args);
        crate::process::run_to_its_end(program, &argv)
    }

    /// Gives `path` to the server's account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if self.step_down {
            chown(path, Some(self.account.uid), Some(self.account.gid))
                .with_context(|| format!("give `{}` to `{}`", path.display(), self.account.name))?;
        }
        Ok(())
    }

    /// The accounts that the private socket lets in as superuser.
    pub(super) fn trusted_accounts(&self) -> Vec<String> {
        let mut names = vec![self.account.name.clone()];
        if self.step_down {
            names.push("root".to_owned());
        }
        names
    }

    /// Makes a data directory by `initdb`, with a system identifier of its own.
    pub(super) fn initdb(&self, data: &Path) -> Result<()> {
        let mut args: Vec<&OsStr> = INITDB.iter().map(OsStr::new).collect();
        args.extend([OsStr::new("-D"), data.as_os_str()]);
        self.run("initdb", &args)
    }

    /// Makes a data directory from the template, and the template first where
    /// there is none.
    pub(super) fn copy_template(&self, data: &Path) -> Result<()> {
        let cache = cache_dir()?;
        let key = self.template_key();
        let template = cache.join(&key);
        if !template.is_dir() {
            let lock = fs::File::create(cache.join(format!("{key}.lock"))).context("open the lock of the template")?;
            lock.lock().context("lock the template")?;
            if !template.is_dir() {
                let staging = cache.join(format!("{key}.staging"));
                if staging.exists() {
                    fs::remove_dir_all(&staging).context("remove a half-made template")?;
                }
                // Made where the server's account may write, and copied out: the
                // cache may lie where that account cannot even look.
                self.initdb(data)?;
                copy(data, &staging)?;
                fs::rename(&staging, &template).context("move the template into place")?;
                return Ok(());
            }
        }
        copy(&template, data)
    }

    fn template_key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.version.as_bytes());
        hash.update(self.bin.as_os_str().as_encoded_bytes());
        hash.update(self.account.uid.to_be_bytes());
        for option in INITDB {
            hash.update(option.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let hex: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
        format!("postgres-{hex}")
    }
}

fn find_bin() -> Result<PathBuf> {
    if let Some(named) = env::var_os("QUELL_LAB_PG_BIN") {
        let named = PathBuf::from(named);
        if !has_server(&named) {
            bail!("QUELL_LAB_PG_BIN `{}` holds no `initdb` and `postgres`", named.display());
        }
        return Ok(named);
    }
    let mut packaged: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let bin = entry.path().join("bin");
        let major = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(major) = major.filter(|_| has_server(&bin)) {
            packaged.push((major, bin));
        }
    }
    if let Some((_, newest)) = packaged.into_iter().max() {
        return Ok(newest);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).find(|dir| has_server(dir)).context(
        "no PostgreSQL server here (`/usr/lib/postgresql/*/bin`, PATH); \
         install the package `postgresql`",
    )
}

fn has_server(bin: &Path) -> bool {
    bin.join("initdb").is_file() && bin.join("postgres").is_file()
}

fn account(wanted: impl Fn(&str, u32) -> bool) -> Result<Option<Account>> {
    let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    for line in passwd.lines() {
        let mut fields = line.split(':');
        let (Some(name), _, Some(uid), Some(gid)) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else { continue };
        if wanted(name, uid) {
            return Ok(Some(Account { name: name.to_owned(), uid, gid }));
        }
    }
    Ok(None)
}

/// The build's target directory, known by the tag that cargo leaves in it;
/// elsewhere a directory of this user under the system's temporary one.
fn cache_dir() -> Result<PathBuf> {
    let dir = if let Some(named) = env::var_os("QUELL_LAB_CACHE") {
        PathBuf::from(named)
    } else {
        let exe = env::current_exe().context("find the running program")?;
        match exe.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file()) {
            Some(target) => target.join("quell-lab"),
            None => env::temp_dir().join(format!("quell-lab-{}", getuid().as_raw())),
        }
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("make the cache directory `{}`", dir.display()))?;
    let owner = fs::metadata(&dir).context("read the cache directory")?.uid();
    if owner != getuid().as_raw() {
        bail!("`{}` belongs to user id {owner}; set QUELL_LAB_CACHE", dir.display());
    }
    Ok(dir)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let output = Command::new("cp").args(["-a", "--reflink=auto", "-T", "--"]).args([from, to]).output().context("run `cp`")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("copy the data directory to `{}`: {}", to.display(), said.trim());
    }
    Ok(())
}
