//! What a `[[connector]]` of the kind `aws` says.

use anyhow::Result;
use quell_connectors::aws::{AwsConfig, Reach};
use quell_core::secret::Secret;

use super::{secret, settle};
use crate::config::{BadConfig, ConnectorConfig};

pub fn aws(wanted: &ConnectorConfig) -> Result<AwsConfig> {
    with_keys(wanted, secret(&wanted.secret_file)?, secret(&wanted.control.secret_file)?)
}

/// The same before the bootstrap has made the keys: its script makes them.
pub fn aws_to_be(wanted: &ConnectorConfig) -> Result<AwsConfig> {
    let none = || Secret::new("to be made");
    with_keys(wanted, none(), none())
}

fn with_keys(wanted: &ConnectorConfig, own: Secret, control: Secret) -> Result<AwsConfig> {
    let refuse = |why: String| BadConfig(format!("connector `{}`: {why}", wanted.name));
    let (url, host, address) = super::host_of(&wanted.url, "expected `https://iam.amazonaws.com`", &["https", "http"]).map_err(refuse)?;
    let reach = match (url.scheme(), &wanted.ca_file) {
        ("http", _) => Reach::Clear { host, port: url.port().unwrap_or(80), address },
        (_, Some(ca)) => {
            let ca_pem = std::fs::read_to_string(ca).map_err(|e| refuse(format!("cannot read `ca_file` `{}`: {e}", ca.display())))?;
            Reach::Tls { host, port: url.port().unwrap_or(443), address, ca_pem }
        }
        (_, None) => {
            let why = "give `ca_file`; without a pinned authority nothing can be proved. AWS publishes its own as Amazon Root CA 1 to 4";
            return Err(refuse(why.to_owned()).into());
        }
    };
    let mut config = AwsConfig::new(&wanted.name, reach, own, control);
    if let Some(username) = &wanted.username {
        config.username.clone_from(username);
    }
    config.control.identity.clone_from(&wanted.control.identity);
    config.settle_ms = settle(wanted)?.unwrap_or(config.settle_ms);
    config.protected.clone_from(&wanted.protected);
    Ok(config)
}
