//! What a `[[connector]]` of the kind `openssh` says.

use anyhow::Result;
use quell_connectors::openssh::OpenSshConfig;

use super::{secret, settle};
use crate::config::{BadConfig, ConnectorConfig};

pub fn openssh(wanted: &ConnectorConfig) -> Result<OpenSshConfig> {
    let refuse = |why: String| BadConfig(format!("connector `{}`: {why}", wanted.name));
    let Place { host, port, address } = Place::of(&wanted.url).map_err(refuse)?;
    let Some(file) = &wanted.host_key_file else {
        return Err(refuse("give `host_key_file`, the host's public keys; without them nobody knows who answers".to_owned()).into());
    };
    let host_keys = std::fs::read_to_string(file).map_err(|e| refuse(format!("cannot read `host_key_file` `{}`: {e}", file.display())))?;
    let (own, control) = (secret(&wanted.secret_file)?, secret(&wanted.control.secret_file)?);
    let mut config = OpenSshConfig::new(&wanted.name, &host, port, &host_keys, own, control);
    config.address = address;
    if let Some(username) = &wanted.username {
        config.username.clone_from(username);
    }
    config.control.identity.clone_from(&wanted.control.identity);
    config.settle_ms = settle(wanted)?.unwrap_or(config.settle_ms);
    config.protected.clone_from(&wanted.protected);
    Ok(config)
}

/// Where an sshd is, as its URL says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    address: Option<std::net::IpAddr>,
}

impl Place {
    /// `ssh://HOST:PORT?hostaddr=ADDRESS`
    fn of(text: &str) -> Result<Self, String> {
        let (url, host, address) = super::host_of(text, "expected `ssh://HOST:PORT`", &["ssh"])?;
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: url.port().unwrap_or(22), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_host_is_and_never_who_logs_in() {
        let place = Place::of("ssh://web1.example:2222?hostaddr=127.0.0.1").expect("a place");
        assert_eq!(place, Place { host: "web1.example".into(), port: 2222, address: Some(std::net::Ipv4Addr::LOCALHOST.into()) });
        assert_eq!(Place::of("ssh://[::1]").expect("a place"), Place { host: "::1".into(), port: 22, address: None });
        for text in [
            "web1",
            "https://web1",
            "ssh://root@web1",
            "ssh://u:p@web1",
            "ssh://web1/x",
            "ssh://web1?x=y",
            "ssh://web1?hostaddr=here",
            "ssh://",
        ] {
            assert!(Place::of(text).is_err(), "{text}");
        }
    }
}
