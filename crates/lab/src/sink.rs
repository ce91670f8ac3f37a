//! The credential file of a consumer: JSON `{"user","password"}`, mode 0600,
//! replaced by rename.
//!
//! It is the place that a controlled failover writes to and the billing job reads
//! from. A reader sees the old credential or the new one, never a half of each.

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{estate::Login, secret::Secret};

#[derive(Serialize, Deserialize)]
struct Form {
    user: String,
    password: String,
}

/// Tells two contents of a sink apart without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

/// The mark of what `path` holds now; `None` where there is no file.
#[must_use]
pub fn mark(path: &Path) -> Option<Mark> {
    let found = fs::metadata(path).ok()?;
    Some(Mark { inode: found.ino(), modified: (found.mtime(), found.mtime_nsec()), size: found.size() })
}

/// Reads the credential.
///
/// # Errors
///
/// When the file is missing, open to others than its owner, or of another form;
/// the error never quotes the file.
pub fn read(path: &Path) -> Result<Login> {
    let name = path.display();
    let mode = fs::metadata(path).with_context(|| format!("find the sink `{name}`"))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("the sink `{name}` has mode {mode:04o}; wanted 0600, run `chmod 600 {name}`");
    }
    let bytes = fs::read(path).with_context(|| format!("read the sink `{name}`"))?;
    // The parser's message may quote what it read, so only its place is kept.
    let form: Form = serde_json::from_slice(&bytes)
        .map_err(|e| anyhow::anyhow!("the sink `{name}` line {} is not JSON with `user` and `password`", e.line()))?;
    Ok(Login { user: form.user, password: Secret::known(form.password) })
}

/// Replaces the credential: written beside it with mode 0600, then renamed.
///
/// # Errors
///
/// When the directory does not take the file.
pub fn write(path: &Path, login: &Login) -> Result<()> {
    let form = Form { user: login.user.clone(), password: login.password.reveal().to_owned() };
    let text = serde_json::to_string(&form).context("print the sink")?;
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .with_context(|| format!("write the sink `{}`", path.display()))?;
    file.write_all(text.as_bytes()).context("write the sink")?;
    fs::rename(&beside, path).context("move the sink into place")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_gives_back_what_was_written_and_shows_that_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sink.json");
        assert_eq!(mark(&path), None);
        let mut marks = Vec::new();
        for user in ["one", "two"] {
            let login = Login { user: user.to_owned(), password: Secret::generate().unwrap() };
            write(&path, &login).unwrap();
            assert!(read(&path).unwrap() == login);
            marks.push(mark(&path));
        }
        assert_ne!(marks[0], marks[1]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_stands_in_a_broken_sink_is_never_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sink.json");
        for broken in ["hunter2", "{\"user\":\"a\",\"password\":[\"hunter2\"]}", "{\"hunter2\":1}", "[\"hunter2\""] {
            fs::write(&path, broken).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let said = format!("{:?}", read(&path).unwrap_err());
            assert!(!said.contains("hunter2") && said.contains("`user` and `password`"), "{said}");
        }
    }
}
