//! TLS that trusts the pinned authority and nothing else: the system's store is
//! never asked.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// A client that trusts the certificates of `ca_pem` alone.
pub(crate) fn trusting(ca_pem: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let cert = cert.map_err(|e| format!("has a `ca_file` that is not PEM: {e}"))?;
        roots.add(cert).map_err(|e| format!("has a `ca_file` with a certificate that cannot be an authority: {e}"))?;
    }
    if roots.is_empty() {
        return Err("has a `ca_file` without a certificate; give the authority of the server's certificate in PEM".to_owned());
    }
    build(roots)
}

/// A client that trusts nobody: for a clear channel, on which TLS is never spoken.
pub(crate) fn nothing() -> Result<ClientConfig, String> {
    build(RootCertStore::empty())
}

fn build(roots: RootCertStore) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("cannot choose TLS versions: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
