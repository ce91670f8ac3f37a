//! Where the provider's endpoints are (RFC 8414, OpenID Connect Discovery). The document
//! is believed only where it names the issuer that was configured, and only of endpoints
//! at that issuer: another host would be another certificate that nobody pinned.

use serde::Deserialize;

use super::wire::{Failure, Reply};

/// Paths of the endpoints on the issuer's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub token: String,
    pub introspection: String,
    pub keys: String,
    pub global_token_revocation: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: String,
    introspection_endpoint: Option<String>,
    jwks_uri: String,
    global_token_revocation_endpoint: Option<String>,
}

/// `origin` is scheme and host of `issuer`.
pub(super) fn read(reply: &Reply, issuer: &str, origin: &str) -> Result<Metadata, Failure> {
    let document: Document = reply.read()?;
    // Compared as it is written (RFC 8414 section 3.3).
    if document.issuer != issuer {
        let why = "its metadata are of another issuer than the configured one; set `issuer` to what it calls itself";
        return Err(Failure::Garbled { why: why.to_owned() });
    }
    let at = |endpoint: &str| {
        let path = endpoint.strip_prefix(origin).filter(|path| path.starts_with('/'));
        path.map(str::to_owned).ok_or_else(|| Failure::Garbled { why: "an endpoint is not at the issuer, so it is not pinned".to_owned() })
    };
    let introspection = document.introspection_endpoint.as_deref();
    Ok(Metadata {
        token: at(&document.token_endpoint)?,
        introspection: at(
            introspection.ok_or_else(|| Failure::Refused { why: "offers no introspection of tokens (RFC 7662)".to_owned() })?
        )?,
        keys: at(&document.jwks_uri)?,
        global_token_revocation: document.global_token_revocation_endpoint.as_deref().map(at).transpose()?,
    })
}
