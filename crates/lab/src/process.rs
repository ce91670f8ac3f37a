//! The processes of the lab's servers: run to their end, and as `/proc` shows them.

use std::{ffi::OsString, fs, process::Command};

use anyhow::{Context, Result, bail};
use rustix::process::Pid;

/// Runs the words of `argv` to their end, with no environment but `PATH`. The
/// command is called `name` where it fails.
pub(crate) fn run_to_its_end(name: &str, argv: &[OsString]) -> Result<()> {
    let output = Command::new(&argv[0])
        .args(&argv[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .output()
        .with_context(|| format!("run `{name}`"))?;
    if !output.status.success() {
        bail!("`{name}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Whether the process is there and not merely waiting to be reaped.
#[must_use]
pub fn alive(pid: Pid) -> bool {
    stat(pid.as_raw_nonzero().get()).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// The processes whose parent is `parent`.
#[must_use]
pub fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().get();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if stat(pid).is_some_and(|(_, its_parent)| its_parent == parent) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}

/// State and parent of a process, from `/proc/PID/stat`. The name in the second
/// field may hold spaces and brackets, so the fields count from the last one.
fn stat(pid: i32) -> Option<(String, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((state, fields.next()?.parse().ok()?))
}
