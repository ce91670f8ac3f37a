//! A file that one consumer reads its login from: JSON `{"user","password"}`,
//! mode 0600.
//!
//! Written beside it, made durable, then renamed over it: a reader sees the old
//! login or the new one, never a half. A crash before the rename leaves the old
//! one in place and a 0600 file beside it, which the next write replaces.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use quell_core::secret::Secret;
use quell_engine::port::{PlaneError, Sink};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Longest file that is read as a login.
const BYTES_MAX: u64 = 64 * 1024;

/// Sink kind `file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSink {
    name: String,
    path: PathBuf,
}

#[derive(Serialize)]
struct Written<'a> {
    user: &'a str,
    password: &'a str,
}

/// Read without the password: it is skipped, not held.
#[derive(Deserialize)]
struct Standing {
    user: String,
}

impl FileSink {
    /// `name` as inventories name it in `rotation.sink`; `path` of the file, whose
    /// directory must exist.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into() }
    }

    fn sorted(&self, doing: &str, e: &io::Error) -> PlaneError {
        let plane = self.name.clone();
        let why = format!("cannot {doing} `{}`: {e}", self.path.display());
        match e.kind() {
            ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem => PlaneError::NotPermitted { plane, why },
            ErrorKind::InvalidData => PlaneError::Garbled { plane, why },
            _ => PlaneError::Unreachable { plane, why },
        }
    }
}

impl fmt::Display for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

#[async_trait::async_trait]
impl Sink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    async fn put(&self, login: &str, secret: &Secret) -> Result<(), PlaneError> {
        let text = serde_json::to_vec(&Written { user: login, password: secret.expose() })
            .map(Zeroizing::new)
            .map_err(|_| PlaneError::Garbled { plane: self.name.clone(), why: "the login cannot be written as JSON".to_owned() })?;
        let path = self.path.clone();
        blocking(move || replace(&path, &text)).await.map_err(|e| self.sorted("write", &e))
    }

    async fn current(&self) -> Result<Option<String>, PlaneError> {
        let path = self.path.clone();
        blocking(move || standing(&path)).await.map_err(|e| self.sorted("read", &e))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let no_name = || io::Error::new(ErrorKind::InvalidInput, "it does not end in a file name");
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = std::ffi::OsString::from(".");
    beside.push(path.file_name().ok_or_else(no_name)?);
    beside.push(".quell-new");
    let beside = dir.join(beside);
    // What a crash left there is ours to remove; a link somebody put there is not followed.
    match fs::remove_file(&beside) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = (|| {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        // The consumer that owned the file must be able to read the new one.
        if let Ok(old) = fs::symlink_metadata(path) {
            let new = file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
        }
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        // The name is durable only with its directory.
        fs::File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // After the rename there is nothing to remove; before it, no secret stays behind.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn standing(path: &Path) -> io::Result<Option<String>> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if found.len() > BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it is longer than {BYTES_MAX} bytes, so it is not a login")));
    }
    let text = Zeroizing::new(fs::read(path)?);
    // The parser's message could quote the password, so it is left out. It would
    // also take a list for an object, and its first entry for the login.
    let read = text.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice::<Standing>(&text).ok()).flatten();
    let read = read.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it is not JSON with `user` and `password`"))?;
    Ok(Some(read.user))
}
