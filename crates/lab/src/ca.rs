//! A certificate authority made for one run.
//!
//! It signs server certificates for a day at most and its key never leaves
//! memory. A test of the wrong host takes a second [`Ca`], or asks the right one
//! for a certificate of another name.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls_pki_types::CertificateDer;

/// How long before its making a certificate is valid: room for clocks apart.
const SLACK: Duration = Duration::from_secs(3600);
/// How long after its making it is valid.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The names a lab server goes by: `localhost` and `127.0.0.1`.
pub const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

/// One authority; clones are the same authority.
#[derive(Clone)]
pub struct Ca(Arc<Inner>);

struct Inner {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A server certificate with its key, both PEM.
#[derive(Clone)]
pub struct ServerCert {
    pub cert_pem: String,
    pub key_pem: String,
}

impl Ca {
    /// Makes an authority; `name` is its common name and tells two of them apart.
    ///
    /// # Errors
    ///
    /// When the key or the certificate cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate().context("make the key of a lab authority")?;
        let mut params = valid_now(CertificateParams::default())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).context("sign a lab authority")?;
        Ok(Self(Arc::new(Inner { pem: cert.pem(), der: cert.der().clone(), issuer: Issuer::new(params, key) })))
    }

    /// Signs a server certificate for `names`: DNS names or IP addresses.
    ///
    /// # Errors
    ///
    /// When a name is neither, or the key cannot be made.
    pub fn server(&self, names: &[&str]) -> Result<ServerCert> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let first = names.first().cloned().unwrap_or_default();
        let key = KeyPair::generate().context("make the key of a lab server")?;
        let mut params = valid_now(CertificateParams::new(names).context("name the certificate of a lab server")?)?;
        params.distinguished_name.push(DnType::CommonName, first);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.0.issuer).context("sign the certificate of a server")?;
        Ok(ServerCert { cert_pem: cert.pem(), key_pem: key.serialize_pem() })
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// The authority's certificate, DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.0.der
    }
}

fn valid_now(mut params: CertificateParams) -> Result<CertificateParams> {
    let since_epoch = crate::clock::wall().duration_since(std::time::UNIX_EPOCH).context("read the clock for a certificate")?;
    let now = date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_before = now - SLACK;
    params.not_after = now + LIFE;
    Ok(params)
}
