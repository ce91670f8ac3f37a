//! Connections that check the server against one authority and nothing else.
//!
//! The system's trust store is never asked: a lab server is either signed by the
//! authority the caller names, or refused.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A TLS connector that trusts only `ca`.
///
/// # Errors
///
/// When the certificate is not one an authority can have.
pub fn trusting(ca: &CertificateDer<'_>) -> Result<MakeRustlsConnect> {
    Ok(MakeRustlsConnect::new(client_config(ca)?))
}

/// A TLS client that trusts only `ca`.
///
/// # Errors
///
/// When the certificate is not one an authority can have.
pub fn client_config(ca: &CertificateDer<'_>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone().into_owned()).context("trust the lab authority")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// [`trusting`] the one certificate in the PEM file `path`.
///
/// # Errors
///
/// When the file cannot be read or holds no certificate.
pub fn trusting_file(path: &Path) -> Result<MakeRustlsConnect> {
    let ca = CertificateDer::from_pem_file(path).map_err(|e| anyhow::anyhow!("`{}` holds no PEM certificate: {e}", path.display()))?;
    trusting(&ca)
}

/// An HTTP client that trusts only the one certificate in the PEM file `path`.
///
/// # Errors
///
/// When the file cannot be read or holds no certificate.
pub fn http(path: &Path, patience: Duration) -> Result<reqwest::Client> {
    let ca = CertificateDer::from_pem_file(path).map_err(|e| anyhow::anyhow!("`{}` holds no PEM certificate: {e}", path.display()))?;
    let client = reqwest::Client::builder().tls_backend_preconfigured(client_config(&ca)?).no_proxy().timeout(patience);
    client.build().context("make an HTTP client")
}

/// Opens a connection over TLS and drives it in the background.
///
/// # Errors
///
/// What the server or TLS answered; the SQLSTATE is in it.
pub async fn dial(config: &Config, tls: &MakeRustlsConnect) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(tls.clone()).await?;
    // A broken connection is seen by the client's next statement; the driver
    // has nothing to add to that.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// Opens a connection without TLS (clear TCP, or a Unix socket).
///
/// # Errors
///
/// What the server answered; the SQLSTATE is in it.
pub async fn dial_clear(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}
