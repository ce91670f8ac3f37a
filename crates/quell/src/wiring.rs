//! From a configuration to an engine with every door attached.
//!
//! Used by the server and by the offline commands alike: whoever opens the data
//! directory holds its lock. Nothing is dialled here; a plane that is down does
//! not keep the node from starting.

mod aws;
mod notify;
mod oidc;
mod openldap;
mod openssh;

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use quell_connectors::{
    aws::Aws,
    file_sink::FileSink,
    oidc::Oidc,
    openbao::{self, KvSink, OpenBao, OpenBaoConfig},
    openldap::OpenLdap,
    openssh::OpenSsh,
    postgresql::{ControlIdentity, PostgreSql, PostgresConfig, Reach},
};
use quell_core::{id::PersonId, secret::Secret};
use quell_detectors::Catalogue;
use quell_engine::{
    Engine, Ports, Settings,
    port::{Chance, Clock, Connector, Connectors, PlaneError, Sink},
};
use quell_policy::CedarPolicy;
use quell_store::{FileKeyring, KeyFile, LogSigner, OpenMode, OsChance, SqliteStore, SystemClock};
use zeroize::Zeroizing;

pub use self::{
    aws::{aws, aws_to_be},
    oidc::oidc,
    openldap::openldap,
    openssh::openssh,
};
use crate::{
    config::{BadConfig, Config, ConnectorConfig},
    duration,
    notify::Post,
};

/// Everything that stands behind an open installation.
pub struct Wired {
    pub engine: Arc<Engine>,
    pub store: Arc<SqliteStore>,
    pub policy: Arc<CedarPolicy>,
    pub post: Arc<Post>,
    pub clock: Arc<SystemClock>,
    /// Kinds of the connectors, by name.
    pub kinds: BTreeMap<String, String>,
}

/// Opens the data directory alone, and attaches keys, policy and planes.
pub async fn open(config: &Config, mode: OpenMode) -> Result<Wired> {
    let clock = Arc::new(SystemClock::new());
    let chance: Arc<dyn Chance> = Arc::new(OsChance);
    let policy = Arc::new(policy(config)?);
    let connectors = connectors(config, &(clock.clone() as Arc<dyn Clock>))?;

    let dir = config.data_dir.clone();
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(&dir, mode)).await??;
    let store = Arc::new(store);
    let key = key_file(config, &*chance)?;
    let keyring = Arc::new(FileKeyring::open(&config.data_dir, &config.key_file(), chance.clone())?);
    let origin = origin(config, &*chance)?;
    let signer = Arc::new(LogSigner::open(&config.data_dir, &origin, &*keyring, &*chance)?);
    let post = Arc::new(notify::post(config, clock.clone())?);

    let ports = Ports {
        store: store.clone(),
        policy: policy.clone(),
        connectors,
        detectors: Arc::new(detectors(config)?),
        notify: post.clone(),
        keyring,
        signer,
        clock: clock.clone(),
        chance,
    };
    let settings = Settings { key: key.fingerprint_key(), limits: config.limits.clone(), last_resort: config.last_resort.clone() };
    let engine = Engine::start(ports, settings).await?;
    let kinds = config.connectors.iter().map(|c| (c.name.clone(), c.kind.clone())).collect();
    Ok(Wired { engine, store, policy, post, clock, kinds })
}

/// The built-in detectors and the mappings of the configuration.
fn detectors(config: &Config) -> Result<Catalogue> {
    let mut own = Vec::new();
    for detector in &config.detectors {
        let mapping = crate::cli::alert::mapping(&detector.mapping).map_err(BadConfig)?;
        if mapping.name() != detector.name {
            let file = detector.mapping.display();
            return Err(BadConfig(format!("detector `{}`: the mapping `{file}` calls itself `{}`", detector.name, mapping.name())).into());
        }
        own.push(mapping);
    }
    Ok(Catalogue::of(own).map_err(|name| BadConfig(format!("two detectors are named `{name}`")))?)
}

/// The policy set of the configuration, or the shipped one.
pub fn policy(config: &Config) -> Result<CedarPolicy> {
    let Some(dir) = &config.policy_dir else { return Ok(CedarPolicy::shipped()) };
    let set = CedarPolicy::load(dir).map_err(|refused| BadConfig(refused.to_string()))?;
    for warning in set.warnings() {
        tracing::warn!(%warning, "the policy set");
    }
    Ok(set)
}

/// The key file; one that nobody named is made on first use.
fn key_file(config: &Config, chance: &dyn Chance) -> Result<KeyFile> {
    let path = config.key_file();
    let new = config.fingerprint_key_file.is_none() && !path.exists() && !config.data_dir.join("data-key").exists();
    if new {
        tracing::info!(path = %path.display(), "made a key file; keep a copy of it apart from the data directory");
        return Ok(KeyFile::create(&path, chance)?);
    }
    Ok(KeyFile::read(&path).map_err(|e| BadConfig(e.to_string()))?)
}

/// The log's name. It never changes, so what was drawn on first use is kept.
fn origin(config: &Config, chance: &dyn Chance) -> Result<String> {
    if let Some(origin) = &config.origin {
        return Ok(origin.clone());
    }
    let path = config.data_dir.join("origin");
    match std::fs::read_to_string(&path) {
        Ok(origin) => Ok(origin.trim().to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            // The form of an id; the prefix is of no account here.
            let drawn = PersonId::from_chance(chance.id());
            let origin = format!("quell.local/{}", drawn.as_str().trim_start_matches("u-"));
            std::fs::write(&path, format!("{origin}\n")).with_context(|| format!("cannot write `{}`", path.display()))?;
            Ok(origin)
        }
        Err(e) => Err(anyhow!("cannot read `{}`: {e}", path.display())),
    }
}

fn connectors(config: &Config, clock: &Arc<dyn Clock>) -> Result<Connectors> {
    let mut planes: Vec<Arc<dyn Connector>> = Vec::new();
    let mut vaults: BTreeMap<&str, Arc<OpenBao>> = BTreeMap::new();
    for wanted in &config.connectors {
        let bad = |e: PlaneError| BadConfig(e.to_string());
        if wanted.kind == "openbao" {
            let plane = Arc::new(OpenBao::new(openbao(wanted)?, clock.clone()).map_err(bad)?);
            vaults.insert(&wanted.name, plane.clone());
            planes.push(plane);
        } else if wanted.kind == "openldap" {
            planes.push(Arc::new(OpenLdap::new(openldap(wanted)?, clock.clone()).map_err(bad)?));
        } else if wanted.kind == "aws" {
            planes.push(Arc::new(Aws::new(aws(wanted)?, clock.clone()).map_err(bad)?));
        } else if wanted.kind == "openssh" {
            planes.push(Arc::new(OpenSsh::new(openssh(wanted)?, clock.clone()).map_err(bad)?));
        } else if wanted.kind == "oidc" {
            planes.push(Arc::new(Oidc::new(oidc(wanted)?, clock.clone()).map_err(bad)?));
        } else {
            planes.push(Arc::new(PostgreSql::new(postgres(wanted)?, clock.clone()).map_err(bad)?));
        }
    }
    let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
    for wanted in &config.sinks {
        sinks.push(match wanted.connector.as_deref().and_then(|name| vaults.get(name)) {
            Some(vault) => {
                let path = wanted.path.to_string_lossy();
                Arc::new(KvSink::new(&wanted.name, vault.clone(), &path).map_err(|e| BadConfig(e.to_string()))?)
            }
            None => Arc::new(FileSink::new(&wanted.name, &wanted.path)),
        });
    }
    Ok(Connectors::new(planes, sinks))
}

/// What one `[[connector]]` of kind `openbao` says.
pub fn openbao(wanted: &ConnectorConfig) -> Result<OpenBaoConfig> {
    let refuse = |why: String| BadConfig(format!("connector `{}`: {why}", wanted.name));
    let (clear, host, port, address) = http_place(&wanted.url).map_err(refuse)?;
    let reach = match (clear, &wanted.ca_file) {
        (true, _) => openbao::Reach::Clear { host, port, address },
        (false, Some(ca)) => {
            let ca_pem = std::fs::read_to_string(ca).map_err(|e| refuse(format!("cannot read `ca_file` `{}`: {e}", ca.display())))?;
            openbao::Reach::Tls { host, port, address, ca_pem }
        }
        (false, None) => return Err(refuse("give `ca_file`; without a pinned authority nothing can be proved".to_owned()).into()),
    };
    let (own, control) = (secret(&wanted.secret_file)?, secret(&wanted.control.secret_file)?);
    let login = match &wanted.username {
        Some(role) => openbao::Login::AppRole { role: role.clone(), secret_id: own },
        None => openbao::Login::Token(own),
    };
    let mut config = OpenBaoConfig::new(&wanted.name, reach, login, control);
    config.control.role.clone_from(&wanted.control.identity);
    config.settle_ms = settle(wanted)?.unwrap_or(config.settle_ms);
    config.protected.clone_from(&wanted.protected);
    config.planes.clone_from(&wanted.planes);
    config.audit = wanted.audit.as_ref().map(|a| openbao::AuditLog { file: a.file.clone(), device: a.device.clone() });
    Ok(config)
}

/// `https://HOST:PORT?hostaddr=ADDRESS`: whether it is clear, host, port, address.
fn http_place(text: &str) -> Result<(bool, String, u16, Option<std::net::IpAddr>), String> {
    let (url, host, address) = host_of(text, "expected `https://HOST:PORT`", &["https", "http"])?;
    Ok((url.scheme() == "http", host, url.port().unwrap_or(8200), address))
}

/// `SCHEME://HOST:PORT?hostaddr=ADDRESS` with neither login nor path: the URL, its host
/// as it stands there, and the address.
fn host_of(text: &str, expected: &str, schemes: &[&str]) -> Result<(reqwest::Url, String, Option<std::net::IpAddr>), String> {
    let url = reqwest::Url::parse(text).map_err(|e| format!("`url`: {expected}: {e}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("`url`: {expected}, found the scheme `{}`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`url` carries a login; use `username` and `secret_file`".to_owned());
    }
    if !matches!(url.path(), "" | "/") {
        return Err(format!("`url`: {expected}, found the path `{}`", url.path()));
    }
    let mut address = None;
    for (key, value) in url.query_pairs() {
        match &*key {
            "hostaddr" => address = Some(value.parse().map_err(|_| format!("`url`: expected an address, found `{value}`"))?),
            other => return Err(format!("`url`: unknown parameter `{other}`")),
        }
    }
    let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(|| format!("`url`: {expected}, found no host"))?.to_owned();
    Ok((url, host, address))
}

fn settle(wanted: &ConnectorConfig) -> Result<Option<i64>> {
    let Some(text) = &wanted.settle else { return Ok(None) };
    let settle = duration::parse(text).map_err(|e| BadConfig(format!("connector `{}`: `settle`: {e}", wanted.name)))?;
    Ok(Some(i64::try_from(settle.as_millis()).unwrap_or(i64::MAX)))
}

/// What one `[[connector]]` of kind `postgresql` says.
pub fn postgres(wanted: &ConnectorConfig) -> Result<PostgresConfig> {
    let refuse = |why: String| BadConfig(format!("connector `{}`: {why}", wanted.name));
    let place = Place::of(&wanted.url).map_err(refuse)?;
    let reach = match (place.socket, &wanted.ca_file, place.clear) {
        (Some(dir), ..) => Reach::Unix { dir, port: place.port, owner: wanted.socket_owner },
        (None, Some(ca), false) => {
            let ca_pem = std::fs::read_to_string(ca).map_err(|e| refuse(format!("cannot read `ca_file` `{}`: {e}", ca.display())))?;
            Reach::Tls { host: place.host, port: place.port, address: place.address, ca_pem }
        }
        (None, _, true) => Reach::Clear { host: place.host, port: place.port, address: place.address },
        (None, None, false) => {
            return Err(refuse("give `ca_file`; without TLS (`?sslmode=disable` in `url`) nothing can be proved".to_owned()).into());
        }
    };
    let (secret, control) = (secret(&wanted.secret_file)?, secret(&wanted.control.secret_file)?);
    let mut config = PostgresConfig::new(&wanted.name, reach, &place.database, secret, control);
    if let Some(username) = &wanted.username {
        config.username.clone_from(username);
    }
    config.control = ControlIdentity { identity: wanted.control.identity.clone(), ..config.control };
    config.settle_ms = settle(wanted)?.unwrap_or(config.settle_ms);
    config.protected.clone_from(&wanted.protected);
    Ok(config)
}

/// A secret of a connector. One that others may read is used and complained of.
fn secret(path: &Path) -> Result<Secret> {
    let failed = |e: std::io::Error| BadConfig(format!("cannot read the secret file `{}`: {e}", path.display()));
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{mode:04o}"), "others may read this secret file; run `chmod 600` on it");
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    if text.trim().is_empty() {
        bail!(BadConfig(format!("the secret file `{}` is empty", path.display())));
    }
    Ok(Secret::new(text.trim()))
}

/// Where a PostgreSQL is, as its URL says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    database: String,
    socket: Option<PathBuf>,
    address: Option<std::net::IpAddr>,
    clear: bool,
}

impl Place {
    /// `postgresql://HOST:PORT/DATABASE?host=DIR&hostaddr=ADDRESS&sslmode=disable`.
    fn of(text: &str) -> Result<Self, String> {
        let expected = "expected `postgresql://HOST:PORT/DATABASE`";
        let url = reqwest::Url::parse(text).map_err(|e| format!("`url`: {expected}: {e}"))?;
        if !matches!(url.scheme(), "postgresql" | "postgres") {
            return Err(format!("`url`: {expected}, found the scheme `{}`", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("`url` carries a login; use `username` and `secret_file`".to_owned());
        }
        let database = match url.path().trim_start_matches('/') {
            "" => "postgres".to_owned(),
            name => name.to_owned(),
        };
        let mut place = Self {
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(5432),
            database,
            socket: None,
            address: None,
            clear: false,
        };
        for (key, value) in url.query_pairs() {
            match &*key {
                "host" => place.socket = Some(PathBuf::from(&*value)),
                "port" => place.port = value.parse().map_err(|_| format!("`url`: expected a port, found `{value}`"))?,
                "hostaddr" => place.address = Some(value.parse().map_err(|_| format!("`url`: expected an address, found `{value}`"))?),
                "sslmode" if value == "disable" => place.clear = true,
                // Everything else that libpq offers is weaker than what is done anyway.
                "sslmode" => {}
                other => return Err(format!("`url`: unknown parameter `{other}`")),
            }
        }
        if place.socket.is_none() && place.host.is_empty() {
            return Err(format!("`url`: {expected}, found no host"));
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_http_says_where_and_nothing_else() {
        let place = http_place("https://bao.example:8210?hostaddr=127.0.0.1").expect("a place");
        assert_eq!(place, (false, "bao.example".to_owned(), 8210, Some(std::net::Ipv4Addr::LOCALHOST.into())));
        assert_eq!(http_place("http://bao.example/").expect("a place"), (true, "bao.example".to_owned(), 8200, None));
        for text in ["bao.example", "ftp://bao/x", "https://u:p@bao", "https://bao/v1", "https://bao?x=y", "https://bao?hostaddr=here"] {
            assert!(http_place(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_says_where_the_server_is_and_never_who_logs_in() {
        let tcp = Place::of("postgresql://db.example:5433/billing?hostaddr=127.0.0.1").expect("a place");
        assert_eq!((tcp.host.as_str(), tcp.port, tcp.database.as_str(), tcp.clear), ("db.example", 5433, "billing", false));
        assert_eq!(tcp.address.map(|a| a.to_string()).as_deref(), Some("127.0.0.1"));
        let socket = Place::of("postgresql:///billing?host=/run/postgresql&port=5434").expect("a place");
        assert_eq!((socket.socket.as_deref(), socket.port), (Some(Path::new("/run/postgresql")), 5434));
        assert_eq!(Place::of("postgresql://db.example").expect("a place").database, "postgres");
        for text in ["db.example", "mysql://db/x", "postgresql://u:p@db/x", "postgresql:///x", "postgresql://db/x?options=y"] {
            assert!(Place::of(text).is_err(), "{text}");
        }
    }
}
