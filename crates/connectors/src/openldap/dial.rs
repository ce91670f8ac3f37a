//! Opening one connection, and being sure of who answers: TLS with the pinned
//! authority and the pinned name, or a Unix socket whose listener runs as the
//! server's own user.

use std::{net::SocketAddr, sync::Arc};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::ClientConfig;
use tokio::net::TcpStream;

use super::config::{OpenLdapConfig, Reach};
use crate::{said::cause, socket};

/// An open connection without a bind, and our end of it as the server would name
/// it where nothing stands between.
pub(super) struct Dialled {
    pub(super) ldap: Ldap,
    pub(super) peer: String,
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
            let stream = socket::of_the_server(path, *owner).await?;
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
    let (connection, ldap) = LdapConnAsync::with_settings(settings, &url).await.map_err(|e| cause(&e))?;
    tokio::spawn(async move {
        // A broken line is seen by the question that waits on it.
        if let Err(e) = connection.drive().await {
            tracing::debug!(why = cause(&e), "a connection to OpenLDAP ended");
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
