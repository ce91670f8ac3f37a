//! What a `[[connector]]` of the kind `oidc` says.

use anyhow::Result;
use quell_connectors::oidc::{OidcConfig, Reach};

use super::{secret, settle};
use crate::{
    config::{BadConfig, ConnectorConfig},
    duration,
};

pub fn oidc(wanted: &ConnectorConfig) -> Result<OidcConfig> {
    let refuse = |why: String| BadConfig(format!("connector `{}`: {why}", wanted.name));
    let (url, host, address) = super::host_of(&wanted.url, "expected `https://HOST:PORT`", &["https", "http"]).map_err(refuse)?;
    let clear = url.scheme() == "http";
    let port = url.port_or_known_default().unwrap_or(443);
    let reach = match (clear, &wanted.ca_file) {
        (true, _) => Reach::Clear { host, port, address },
        (false, Some(ca)) => {
            let ca_pem = std::fs::read_to_string(ca).map_err(|e| refuse(format!("cannot read `ca_file` `{}`: {e}", ca.display())))?;
            Reach::Tls { host, port, address, ca_pem }
        }
        (false, None) => return Err(refuse("give `ca_file`; without a pinned authority nothing can be proved".to_owned()).into()),
    };
    let (own, control) = (secret(&wanted.secret_file)?, secret(&wanted.control.secret_file)?);
    let mut config = OidcConfig::new(&wanted.name, reach, own, control);
    if let Some(client) = &wanted.username {
        config.client.clone_from(client);
    }
    config.issuer.clone_from(&wanted.issuer);
    config.control.identity.clone_from(&wanted.control.identity);
    config.settle_ms = settle(wanted)?.unwrap_or(config.settle_ms);
    if let Some(text) = &wanted.leeway {
        let leeway = duration::parse(text).map_err(|e| refuse(format!("`leeway`: {e}")))?;
        // Not shorter than was said.
        let more = i64::from(leeway.subsec_nanos() > 0);
        config.leeway_seconds = leeway.as_secs().saturating_add(more);
    }
    config.step_up_acr.clone_from(&wanted.step_up);
    config.protected.clone_from(&wanted.protected);
    Ok(config)
}
