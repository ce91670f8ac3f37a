//! Files with a secret in them: 0600 from the first byte.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::{Context, Result};

/// Writes `content` to a new or emptied file of mode 0600.
///
/// # Errors
///
/// When it cannot be written; the error never quotes the content.
pub fn write(path: &Path, content: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("make `{}`", path.display()))?;
    file.write_all(content.as_bytes()).with_context(|| format!("write `{}`", path.display()))
}
