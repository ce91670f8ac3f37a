//! A Unix socket, and being sure of who listens on it.

use std::{os::unix::fs::MetadataExt, path::Path};

use tokio::net::UnixStream;

/// The socket, if the process that listens on it runs as the server's user. In a
/// directory that others may write to, anybody could listen.
pub(crate) async fn of_the_server(path: &Path, owner: Option<u32>) -> Result<UnixStream, String> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let owner = match owner {
        Some(owner) => owner,
        None => {
            let found =
                tokio::fs::metadata(dir).await.map_err(|e| format!("the socket's directory `{}` cannot be read: {e}", dir.display()))?;
            if found.mode() & 0o002 != 0 {
                let why = "everybody may write to";
                return Err(format!("{why} `{}`, so the configuration must name the server's user as `socket_owner`", dir.display()));
            }
            found.uid()
        }
    };
    let stream = UnixStream::connect(path).await.map_err(|e| format!("`{}`: {e}", path.display()))?;
    let peer = stream.peer_cred().map_err(|e| format!("the peer of `{}` is not told: {e}", path.display()))?.uid();
    if peer != owner {
        return Err(format!("the listener of `{}` runs as user {peer}, not as {owner}: it is not the server", path.display()));
    }
    Ok(stream)
}
