//! One process a data directory: a server and an offline command never write
//! beside each other.
//!
//! The kernel drops the lock with the process, so nothing has to be cleaned up
//! after a crash. The file's text only tells people who holds it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::{fs::FlockOperation, io::Errno};

use super::OpenError;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct DirLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl DirLock {
    /// Takes the lock of `dir`, or tells who holds it.
    pub(super) fn take(dir: &Path) -> Result<DirLock, OpenError> {
        let path = dir.join("lock");
        let failed = |source| OpenError::File { doing: "lock", path: path.clone(), source };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;

        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Only for the message: a holder that has not written its
                // number yet is still a holder.
                let _ = file.read_to_string(&mut holder);
                let pid = holder.trim().parse().ok();
                return Err(OpenError::Locked { dir: dir.to_owned(), pid });
            }
            Err(error) => return Err(failed(error.into())),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(DirLock(file))
    }
}
