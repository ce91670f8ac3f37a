//! Opening one connection, and being sure of who answers: TLS with the pinned
//! authority and the pinned name, or a Unix socket whose listener runs as the
//! server's own user.

use std::{net::SocketAddr, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::net::{TcpStream, UnixStream};

use super::config::{OpenLdapConfig, Reach};

/// An open connection without a bind, and our end of it as the server would name
/// it where nothing stands between.
pub(super) struct Dialled {
    pub(super) ldap: Ldap,
    pub(super) peer: String,
}

/// A TLS configuration that trusts `ca_pem` alone; the system's store is not asked.
pub(super) fn pinned(ca_pem: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let cert = cert.map_err(|e| format!("has a `ca_file` that is not PEM: {e}"))?;
        roots.add(cert).map_err(|e| format!("has a `ca_file` with a certificate that cannot be an authority: {e}"))?;
    }
    if roots.is_empty() {
        return Err("has a `ca_file` without a certificate; give the authority of the server's certificate in PEM".to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("cannot choose TLS versions: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects; nobody is bound yet.
pub(super) async fn dial(config: &OpenLdapConfig, tls: Option<&Arc<ClientConfig>>) -> Result<Dialled, String> {
    let (stream, url, peer) = match &config.reach {
        Reach::Tls { host, port, address, start_tls, .. } => {
            let scheme = if *start_tls { "ldap" } else { "ldaps" };
            let (stream, peer) = tcp(host, *port, *address).await?;
            (stream, format!("{scheme}://{host}:{port}"), peer)
        }
        Reach::Clear { host, port, address } => {
            let (stream, peer) = tcp(host, *port, *address).await?;
            (stream, format!("ldap://{host}:{port}"), peer)
        }
        Reach::Unix { path, owner } => {
            let stream = of_the_server(path, *owner).await?;
            let stream = stream.into_std().map_err(|e| format!("`{}`: {e}", path.display()))?;
            (StdStream::Unix(stream), "ldapi://".to_owned(), format!("PATH={}", path.display()))
        }
    };
    let mut settings = LdapConnSettings::new().set_std_stream(stream);
    match (&config.reach, tls) {
        (Reach::Tls { start_tls, .. }, Some(tls)) => settings = settings.set_config(tls.clone()).set_starttls(*start_tls),
        (Reach::Tls { .. }, None) => return Err("no authority is pinned".to_owned()),
        (Reach::Unix { .. } | Reach::Clear { .. }, _) => {}
    }
    let (connection, ldap) = LdapConnAsync::with_settings(settings, &url).await.map_err(|e| super::wire::cause(&e))?;
    tokio::spawn(async move {
        // A broken line is seen by the question that waits on it.
        if let Err(e) = connection.drive().await {
            tracing::debug!(why = super::wire::cause(&e), "a connection to OpenLDAP ended");
        }
    });
    Ok(Dialled { ldap, peer })
}

async fn tcp(host: &str, port: u16, address: Option<std::net::IpAddr>) -> Result<(StdStream, String), String> {
    let connected = match address {
        Some(address) => TcpStream::connect(SocketAddr::new(address, port)).await,
        None => TcpStream::connect((host, port)).await,
    };
    let told = |e: std::io::Error| format!("`{host}:{port}`: {e}");
    let stream = connected.map_err(told)?;
    let peer = format!("IP={}", stream.local_addr().map_err(told)?);
    Ok((StdStream::Tcp(stream.into_std().map_err(told)?), peer))
}

/// The socket, if the process that listens on it runs as the server's user. In a
/// directory that others may write to, anybody could listen.
async fn of_the_server(path: &Path, owner: Option<u32>) -> Result<UnixStream, String> {
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
