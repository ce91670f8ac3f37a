//! What a `[[connector]]` of the kind `openldap` says.

use std::path::PathBuf;

use anyhow::Result;
use percent_encoding::percent_decode_str;
use quell_connectors::openldap::{OpenLdapConfig, Reach};

use super::secret;
use crate::{
    config::{BadConfig, ConnectorConfig},
    duration,
};

pub fn openldap(wanted: &ConnectorConfig) -> Result<OpenLdapConfig> {
    let refuse = |why: String| BadConfig(format!("connector `{}`: {why}", wanted.name));
    let Place { channel, base, address } = Place::of(&wanted.url).map_err(refuse)?;
    let reach = match (channel, &wanted.ca_file) {
        (Channel::Socket(path), _) => Reach::Unix { path, owner: wanted.socket_owner },
        (Channel::Clear { host, port }, _) => Reach::Clear { host, port, address },
        (Channel::Tls { host, port, start_tls }, Some(ca)) => {
            let ca_pem = std::fs::read_to_string(ca).map_err(|e| refuse(format!("cannot read `ca_file` `{}`: {e}", ca.display())))?;
            Reach::Tls { host, port, address, ca_pem, start_tls }
        }
        (Channel::Tls { .. }, None) => {
            return Err(
                refuse("give `ca_file`; without TLS (`?tls=none` in an `ldap://` of `url`) nothing can be proved".to_owned()).into()
            );
        }
    };
    let (own, control) = (secret(&wanted.secret_file)?, secret(&wanted.control.secret_file)?);
    let mut config = OpenLdapConfig::new(&wanted.name, reach, &base, own, control);
    if let Some(username) = &wanted.username {
        config.username.clone_from(username);
    }
    if let Some(database) = &wanted.database {
        config.database.clone_from(database);
    }
    config.control.identity.clone_from(&wanted.control.identity);
    if let Some(settle) = &wanted.settle {
        let settle = duration::parse(settle).map_err(|e| refuse(format!("`settle`: {e}")))?;
        config.settle_ms = i64::try_from(settle.as_millis()).unwrap_or(i64::MAX);
    }
    config.protected.clone_from(&wanted.protected);
    Ok(config)
}

/// Where an OpenLDAP is, as its URL says, and the entry that everything is below.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    channel: Channel,
    base: String,
    address: Option<std::net::IpAddr>,
}

#[derive(Debug, PartialEq, Eq)]
enum Channel {
    Tls { host: String, port: u16, start_tls: bool },
    Clear { host: String, port: u16 },
    Socket(PathBuf),
}

impl Place {
    /// `ldaps://HOST:PORT/BASE?hostaddr=ADDRESS`; `ldap://…` with StartTLS, or in the
    /// clear with `?tls=none`; `ldapi://%2FPATH%2FOF%2FSOCKET/BASE`.
    fn of(text: &str) -> Result<Self, String> {
        let expected = "expected `ldaps://HOST:PORT/BASE`";
        let url = reqwest::Url::parse(text).map_err(|e| format!("`url`: {expected}: {e}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("`url` carries a login; use `username` and `secret_file`".to_owned());
        }
        let plain = |text: &str| {
            let bytes = percent_decode_str(text).decode_utf8();
            bytes.map(std::borrow::Cow::into_owned).map_err(|_| format!("`url`: `{text}` is not UTF-8"))
        };
        let base = plain(url.path().trim_start_matches('/'))?;
        if base.is_empty() {
            return Err(format!("`url`: {expected}, found no base such as `dc=corp,dc=example`"));
        }
        let (mut address, mut clear) = (None, false);
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                ("hostaddr", _) => address = Some(value.parse().map_err(|_| format!("`url`: expected an address, found `{value}`"))?),
                ("tls", "none") => clear = true,
                ("tls", _) => return Err(format!("`url`: `tls` is `none` or not there, found `{value}`")),
                (other, _) => return Err(format!("`url`: unknown parameter `{other}`")),
            }
        }
        let host = url.host_str().map(|h| h.trim_matches(['[', ']'])).filter(|h| !h.is_empty());
        let host = plain(host.ok_or_else(|| format!("`url`: {expected}, found no host"))?)?;
        let port = |usual| url.port().unwrap_or(usual);
        let channel = match (url.scheme(), clear) {
            ("ldaps", false) => Channel::Tls { port: port(636), host, start_tls: false },
            ("ldap", false) => Channel::Tls { port: port(389), host, start_tls: true },
            ("ldap", true) => Channel::Clear { port: port(389), host },
            ("ldapi", false) if host.starts_with('/') => Channel::Socket(PathBuf::from(host)),
            ("ldapi", false) => {
                return Err("`url`: write the path of the socket with `%2F`: `ldapi://%2Frun%2Fslapd%2Fldapi/BASE`".to_owned());
            }
            ("ldaps" | "ldapi", true) => return Err("`url`: only `ldap://` has `tls=none`".to_owned()),
            (other, _) => return Err(format!("`url`: {expected}, found the scheme `{other}`")),
        };
        Ok(Self { channel, base, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_directory_is_and_how_it_is_spoken_to() {
        let place = |text| Place::of(text).expect("a place");
        let tls = |host: &str, port, start_tls| Channel::Tls { host: host.to_owned(), port, start_tls };
        let corp = "dc=corp,dc=example";
        for (text, channel, base) in [
            ("ldaps://ldap.example/dc=corp,dc=example", tls("ldap.example", 636, false), corp),
            ("ldaps://[::1]:1636/dc=corp,dc=example", tls("::1", 1636, false), corp),
            ("ldap://ldap.example/dc=corp,dc=example", tls("ldap.example", 389, true), corp),
            ("ldap://h:3/o=R%26D Caf\u{e9}%3F", tls("h", 3, true), "o=R&D Caf\u{e9}?"),
            ("ldap://h:3/dc=corp,dc=example?tls=none", Channel::Clear { host: "h".to_owned(), port: 3 }, corp),
            ("ldapi://%2Frun%2Fslapd%2Fldapi/dc=corp,dc=example", Channel::Socket("/run/slapd/ldapi".into()), corp),
        ] {
            assert_eq!(place(text), Place { channel, base: base.to_owned(), address: None }, "{text}");
        }
        let address = place("ldaps://ldap.example/dc=corp?hostaddr=127.0.0.1").address;
        assert_eq!(address.map(|a| a.to_string()).as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn a_url_that_would_be_weaker_than_it_looks_is_refused() {
        for text in [
            "ldap.example",
            "https://ldap.example/dc=corp",
            "ldaps://ldap.example",
            "ldaps://u:p@ldap.example/dc=corp",
            "ldaps://ldap.example/dc=corp?tls=none",
            "ldap://ldap.example/dc=corp?tls=maybe",
            "ldap://ldap.example/dc=corp?cn?sub",
            "ldapi:///dc=corp",
            "ldapi://run/dc=corp",
            "ldap://ldap.example/dc=%FF",
        ] {
            assert!(Place::of(text).is_err(), "{text}");
        }
    }
}
