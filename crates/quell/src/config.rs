//! What an operator says: flags over environment over `quell.toml`.
//!
//! The file is read whole and strictly: a key that nobody knows is refused by
//! name, because a misspelt limit that is silently ignored is no limit. Nothing
//! is opened or dialled here.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use quell_core::people::Limits;
use serde::Deserialize;

use crate::duration;

/// What the command line and the environment say; each outweighs the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub fingerprint_key_file: Option<PathBuf>,
}

/// Why the configuration is not usable: the command ends with exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(pub String);

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    /// The most bytes of one alert.
    pub max_body: usize,
    /// Where the key is; `None` for the file beside the data directory.
    pub fingerprint_key_file: Option<PathBuf>,
    pub policy_dir: Option<PathBuf>,
    pub origin: Option<String>,
    pub last_resort: Vec<String>,
    pub limits: Limits,
    pub intake: Intake,
    pub connectors: Vec<ConnectorConfig>,
    pub sinks: Vec<SinkConfig>,
    pub detectors: Vec<DetectorConfig>,
    pub notify: Vec<NotifyConfig>,
}

/// How fast one source may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intake {
    /// Alerts a second, in the long run.
    pub per_second: u32,
    /// Alerts at once.
    pub burst: u32,
}

impl Default for Intake {
    fn default() -> Self {
        Self { per_second: 200, burst: 1_000 }
    }
}

/// One plane.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorConfig {
    pub name: String,
    pub kind: String,
    /// `postgresql://HOST:PORT/DATABASE`, with `?host=DIR` for a Unix socket;
    /// `https://HOST:PORT`, with `?hostaddr=ADDRESS`.
    /// `ldaps://HOST:PORT/BASE`, `ldap://` for StartTLS, `ldapi://%2FPATH/BASE`;
    /// `ssh://HOST:PORT`; `https://HOST:PORT` of an OpenID provider; `https://iam.amazonaws.com`.
    pub url: String,
    pub ca_file: Option<PathBuf>,
    /// The public keys of a host.
    pub host_key_file: Option<PathBuf>,
    /// Without one the secret of an OpenBao is a token.
    pub username: Option<String>,
    pub secret_file: PathBuf,
    /// Such as `250ms`.
    pub settle: Option<String>,
    #[serde(default)]
    pub protected: Vec<String>,
    /// The user id of the server, where the socket's directory is open to everybody.
    pub socket_owner: Option<u32>,
    /// The entry in `cn=config` of an OpenLDAP's database.
    pub database: Option<String>,
    /// What an OpenID provider calls itself, where that is not its `url`.
    pub issuer: Option<String>,
    /// How long after its end a JWT of an OpenID provider may still be taken: `5m`.
    pub leeway: Option<String>,
    /// The authentication context (`acr`) that a stronger sign-in at an OpenID provider has.
    pub step_up: Option<String>,
    pub control: ControlConfig,
    /// Which connector speaks to what a mount of an OpenBao leads to.
    #[serde(default)]
    pub planes: BTreeMap<String, String>,
    /// The audit log of an OpenBao, as this node reads it.
    pub audit: Option<AuditConfig>,
}

/// Where an audit log is and which device writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    pub file: PathBuf,
    pub device: String,
}

/// The identity that must stay alive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlConfig {
    pub identity: String,
    pub secret_file: PathBuf,
}

/// Where a consumer reads its login from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    pub name: String,
    pub kind: String,
    /// Of a file; of a secret: `MOUNT/PATH`.
    pub path: PathBuf,
    /// The connector of the OpenBao that keeps the secret.
    pub connector: Option<String>,
}

/// A detector that the installation defines itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorConfig {
    /// As the mapping file calls itself.
    pub name: String,
    pub mapping: PathBuf,
}

/// A way to tell people.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    pub name: String,
    /// `smtp`, `slack`, `teams` or `webhook`.
    pub kind: String,
    /// Only what is to interrupt somebody.
    #[serde(default)]
    pub pages_only: bool,
    /// Of a mail server: `smtps://HOST:PORT`, or `smtp://HOST:PORT` with STARTTLS.
    pub url: Option<String>,
    /// Of a mail server, in place of the usual authorities.
    pub ca_file: Option<PathBuf>,
    pub username: Option<String>,
    /// The password of a mail server; the key with which calls are signed.
    pub secret_file: Option<PathBuf>,
    /// Whom mail comes from.
    pub from: Option<String>,
    /// Holds the address of a chat or a webhook: whoever has it can write there.
    pub url_file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    max_body: Option<usize>,
    fingerprint_key_file: Option<PathBuf>,
    policy_dir: Option<PathBuf>,
    origin: Option<String>,
    #[serde(default)]
    last_resort: Vec<String>,
    tls: Option<Tls>,
    #[serde(default)]
    automation: Automation,
    #[serde(default)]
    intake: Intake,
    #[serde(default, rename = "connector")]
    connectors: Vec<ConnectorConfig>,
    #[serde(default, rename = "sink")]
    sinks: Vec<SinkConfig>,
    #[serde(default, rename = "detector")]
    detectors: Vec<DetectorConfig>,
    #[serde(default)]
    notify: Vec<NotifyConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    #[serde(rename = "cert_file")]
    _cert_file: Option<PathBuf>,
    #[serde(rename = "key_file")]
    _key_file: Option<PathBuf>,
}

/// What automation may spend; lengths of time such as `10m`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Automation {
    per_hour: Option<u32>,
    reserve: Option<u32>,
    reach: Option<u32>,
    ask: Option<String>,
    plan: Option<String>,
    watch: Option<String>,
    watch_every: Option<String>,
    enrich: Option<String>,
}

/// The most bytes of one alert where nothing else is said: 16 MiB.
pub const MAX_BODY: usize = 16 * 1024 * 1024;

/// Where the server listens where nothing else is said.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8710);

impl Overrides {
    /// Fills what the command line left open from the environment.
    pub fn or_environment(self, read: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadConfig> {
        let path = |name| read(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let listen = match read("QUELL_LISTEN").filter(|v| !v.is_empty()) {
            Some(text) => Some(
                text.to_str()
                    .and_then(|t| t.parse().ok())
                    .ok_or_else(|| BadConfig(format!("QUELL_LISTEN: expected ADDRESS:PORT, found `{}`", text.to_string_lossy())))?,
            ),
            None => None,
        };
        Ok(Self {
            config: self.config.or_else(|| path("QUELL_CONFIG")),
            data_dir: self.data_dir.or_else(|| path("QUELL_DATA_DIR")),
            listen: self.listen.or(listen),
            fingerprint_key_file: self.fingerprint_key_file.or_else(|| path("QUELL_FINGERPRINT_KEY_FILE")),
        })
    }
}

impl Config {
    /// Reads the file that `overrides` or the environment name, or
    /// `quell.toml` of the working directory where there is one.
    pub fn load(overrides: Overrides) -> Result<Self, BadConfig> {
        let overrides = overrides.or_environment(|name| std::env::var_os(name))?;
        let usual = Path::new("quell.toml");
        let path = overrides.config.clone().or_else(|| usual.exists().then(|| usual.to_owned()));
        let Some(path) = path else { return Self::of("", Path::new("."), overrides) };
        let text = std::fs::read_to_string(&path).map_err(|e| BadConfig(format!("cannot read `{}`: {e}", path.display())))?;
        let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        Self::of(&text, &base, overrides).map_err(|e| BadConfig(format!("`{}`: {e}", path.display())))
    }

    /// Takes the file's text; relative paths in it start at `base`.
    pub fn of(text: &str, base: &Path, overrides: Overrides) -> Result<Self, BadConfig> {
        let file: File = toml::from_str(text).map_err(|e| BadConfig(said(text, &e)))?;
        if file.tls.is_some() {
            return Err(BadConfig(
                "`tls`: this version does not terminate TLS; let a proxy on the same host do it and remove the section".to_owned(),
            ));
        }
        let at = |path: PathBuf| if path.is_absolute() { path } else { base.join(path) };
        let connectors: Vec<ConnectorConfig> = file
            .connectors
            .into_iter()
            .map(|mut c| {
                c.ca_file = c.ca_file.map(at);
                c.host_key_file = c.host_key_file.map(at);
                c.secret_file = at(c.secret_file);
                c.control.secret_file = at(c.control.secret_file);
                c.audit = c.audit.map(|a| AuditConfig { file: at(a.file), ..a });
                c
            })
            .collect();
        let sinks: Vec<SinkConfig> =
            file.sinks.into_iter().map(|s| if s.kind == "file" { SinkConfig { path: at(s.path), ..s } } else { s }).collect();
        check_names(&connectors, &sinks)?;
        let notify: Vec<NotifyConfig> = file
            .notify
            .into_iter()
            .map(|n| NotifyConfig { ca_file: n.ca_file.map(at), secret_file: n.secret_file.map(at), url_file: n.url_file.map(at), ..n })
            .collect();
        check_notify(&notify)?;
        Ok(Self {
            data_dir: overrides.data_dir.or(file.data_dir.map(at)).unwrap_or_else(|| PathBuf::from("quell-data")),
            listen: overrides.listen.or(file.listen).unwrap_or(LISTEN),
            public_url: file.public_url,
            max_body: file.max_body.unwrap_or(MAX_BODY),
            fingerprint_key_file: overrides.fingerprint_key_file.or(file.fingerprint_key_file.map(at)),
            policy_dir: file.policy_dir.map(at),
            origin: file.origin,
            last_resort: file.last_resort,
            limits: file.automation.limits()?,
            intake: file.intake,
            connectors,
            sinks,
            detectors: file.detectors.into_iter().map(|d| DetectorConfig { mapping: at(d.mapping), ..d }).collect(),
            notify,
        })
    }

    /// The key file: what was named, or the one beside the data directory.
    pub fn key_file(&self) -> PathBuf {
        self.fingerprint_key_file.clone().unwrap_or_else(|| {
            let mut beside = self.data_dir.clone().into_os_string();
            beside.push(".key");
            PathBuf::from(beside)
        })
    }
}

impl Automation {
    fn limits(self) -> Result<Limits, BadConfig> {
        let usual = Limits::default();
        let seconds = |key: &str, text: Option<String>, usual: i64| match text {
            Some(text) => match duration::parse(&text) {
                Ok(length) if length.as_secs() > 0 => Ok(length.as_secs()),
                Ok(_) => Err(BadConfig(format!("`automation.{key}`: expected at least `1s`, found `{text}`"))),
                Err(e) => Err(BadConfig(format!("`automation.{key}`: {e}"))),
            },
            None => Ok(usual),
        };
        Ok(Limits {
            per_hour: self.per_hour.unwrap_or(usual.per_hour),
            reserve: self.reserve.unwrap_or(usual.reserve),
            reach: self.reach.unwrap_or(usual.reach),
            ask_seconds: seconds("ask", self.ask, usual.ask_seconds)?,
            plan_seconds: seconds("plan", self.plan, usual.plan_seconds)?,
            watch_seconds: seconds("watch", self.watch, usual.watch_seconds)?,
            watch_every_seconds: seconds("watch_every", self.watch_every, usual.watch_every_seconds)?,
            enrich_seconds: seconds("enrich", self.enrich, usual.enrich_seconds)?,
        })
    }
}

/// Each kind has what it needs, and nothing that it would ignore.
fn check_notify(notify: &[NotifyConfig]) -> Result<(), BadConfig> {
    let mut seen = BTreeSet::from([crate::notify::INBOX]);
    for n in notify {
        if n.name.is_empty() || !seen.insert(n.name.as_str()) {
            return Err(BadConfig(format!("`notify.name`: expected a name of its own that is not `inbox`, found `{}`", n.name)));
        }
        let fields = [
            ("url", n.url.is_some()),
            ("from", n.from.is_some()),
            ("ca_file", n.ca_file.is_some()),
            ("username", n.username.is_some()),
            ("secret_file", n.secret_file.is_some()),
            ("url_file", n.url_file.is_some()),
        ];
        let (needs, takes): (&[&str], &[&str]) = match n.kind.as_str() {
            "smtp" => (&["url", "from"], &["ca_file", "username", "secret_file"]),
            "slack" | "teams" => (&["url_file"], &[]),
            "webhook" => (&["url_file", "secret_file"], &[]),
            other => {
                return Err(BadConfig(format!(
                    "notify `{}`: expected the kind `smtp`, `slack`, `teams` or `webhook`, found `{other}`",
                    n.name
                )));
            }
        };
        for (field, is_there) in fields {
            if needs.contains(&field) && !is_there {
                return Err(BadConfig(format!("notify `{}`: the kind `{}` needs `{field}`", n.name, n.kind)));
            }
            if is_there && !needs.contains(&field) && !takes.contains(&field) {
                return Err(BadConfig(format!("notify `{}`: the kind `{}` has no `{field}`", n.name, n.kind)));
            }
        }
        if n.username.is_some() != n.secret_file.is_some() && n.kind == "smtp" {
            return Err(BadConfig(format!("notify `{}`: `username` and `secret_file` belong together", n.name)));
        }
    }
    Ok(())
}

fn check_names(connectors: &[ConnectorConfig], sinks: &[SinkConfig]) -> Result<(), BadConfig> {
    let mut seen = BTreeSet::new();
    for (what, name) in connectors.iter().map(|c| ("connector", &c.name)).chain(sinks.iter().map(|s| ("sink", &s.name))) {
        // The name of a plane is the part before the first `/` of every reference.
        if what == "connector" && (name.is_empty() || name.contains('/')) {
            return Err(BadConfig(format!("`connector.name`: expected a name without `/`, found `{name}`")));
        }
        if !seen.insert((what, name)) {
            return Err(BadConfig(format!("two {what}s are named `{name}`")));
        }
    }
    for c in connectors {
        if !matches!(c.kind.as_str(), "postgresql" | "openbao" | "openldap" | "openssh" | "oidc" | "aws") {
            return Err(BadConfig(format!(
                "connector `{}`: expected the kind `postgresql`, `openbao`, `openldap`, `openssh`, `oidc` or `aws`, found `{}`",
                c.name, c.kind
            )));
        }
        if c.kind != "openbao" && (c.audit.is_some() || !c.planes.is_empty()) {
            return Err(BadConfig(format!("connector `{}`: only the kind `openbao` has `audit` and `planes`", c.name)));
        }
        // A name that nobody answers to would be a hole in every reach.
        if let Some((mount, plane)) = c.planes.iter().find(|(_, plane)| !connectors.iter().any(|other| other.name == **plane)) {
            return Err(BadConfig(format!("connector `{}`: `planes` leads `{mount}` to `{plane}`, and no connector is named so", c.name)));
        }
        if c.kind != "openssh" && c.host_key_file.is_some() {
            return Err(BadConfig(format!("connector `{}`: only the kind `openssh` has `host_key_file`; give `ca_file`", c.name)));
        }
        if c.kind != "oidc" && (c.issuer.is_some() || c.leeway.is_some() || c.step_up.is_some()) {
            return Err(BadConfig(format!("connector `{}`: only the kind `oidc` has `issuer`, `leeway` and `step_up`", c.name)));
        }
        if c.kind != "openldap" && c.database.is_some() {
            return Err(BadConfig(format!("connector `{}`: only the kind `openldap` has `database`; name it in `url`", c.name)));
        }
    }
    for s in sinks {
        let of = s.connector.as_deref().and_then(|name| connectors.iter().find(|c| c.name == name));
        match (s.kind.as_str(), &s.connector, of.map(|c| c.kind.as_str())) {
            ("file", None, _) | ("openbao", Some(_), Some("openbao")) => {}
            ("file", Some(_), _) => return Err(BadConfig(format!("sink `{}`: a file has no `connector`", s.name))),
            ("openbao", ..) => {
                return Err(BadConfig(format!("sink `{}`: give `connector`, the name of a connector of the kind `openbao`", s.name)));
            }
            (kind, ..) => return Err(BadConfig(format!("sink `{}`: expected the kind `file` or `openbao`, found `{kind}`", s.name))),
        }
    }
    Ok(())
}

/// The parser's message without the file's text, which may hold a secret put
/// into the wrong key.
fn said(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text.as_bytes().iter().take(span.start).filter(|b| **b == b'\n').count() + 1);
    let message = error.message().trim().replace('\n', " ");
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, BadConfig> {
        Config::of(text, Path::new("/etc/quell"), Overrides::default())
    }

    #[test]
    fn an_unknown_key_is_named_wherever_it_stands() {
        for (text, key) in [
            ("data_dri = \"x\"", "data_dri"),
            ("[automation]\nper_hours = 3", "per_hours"),
            ("[intake]\nrate = 3", "rate"),
            ("[[connector]]\nname=\"a\"\nkind=\"postgresql\"\nurl=\"u\"\nsecret_file=\"s\"\npasword=\"x\"", "pasword"),
            ("[[sink]]\nname=\"a\"\nkind=\"file\"\npath=\"p\"\nmode=\"x\"", "mode"),
            ("[[detector]]\nname=\"a\"\nmapping=\"m\"\nkind=\"x\"", "kind"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.0.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_the_key() {
        let connector =
            "[[connector]]\nname=\"a\"\nkind=\"postgresql\"\nurl=\"u\"\nsecret_file=\"s\"\ncontrol={identity=\"c\",secret_file=\"s\"}\n";
        for (text, wanted) in [
            (format!("{connector}{connector}"), "two connectors are named `a`"),
            (connector.replace("\"a\"", "\"a/b\""), "without `/`"),
            (connector.replace("postgresql", "oracle"), "found `oracle`"),
            (format!("{connector}planes = {{ database = \"a\" }}\n"), "only the kind `openbao`"),
            (format!("{}planes = {{ database = \"b\" }}\n", connector.replace("postgresql", "openbao")), "no connector is named so"),
            ("[[sink]]\nname=\"s\"\nkind=\"openbao\"\npath=\"secret/x\"".to_owned(), "give `connector`"),
            (format!("{connector}[[sink]]\nname=\"s\"\nkind=\"openbao\"\npath=\"secret/x\"\nconnector=\"a\""), "of the kind `openbao`"),
            ("[[sink]]\nname=\"s\"\nkind=\"mail\"\npath=\"x\"".to_owned(), "found `mail`"),
            (connector.replace("url=", "database=\"billing\"\nurl="), "name it in `url`"),
            (connector.replace("url=", "leeway=\"5m\"\nurl="), "only the kind `oidc`"),
            ("[automation]\nwatch = \"soon\"".to_owned(), "automation.watch"),
            ("[automation]\nwatch = \"5ms\"".to_owned(), "at least `1s`"),
            ("[tls]\ncert_file = \"x\"".to_owned(), "`tls`"),
            ("listen = \"here\"".to_owned(), "line 1"),
        ] {
            let error = read(&text).expect_err(&text);
            assert!(error.0.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn flags_outweigh_the_environment_and_that_the_file() {
        let file = "data_dir = \"data\"\nlisten = \"127.0.0.1:1\"\nfingerprint_key_file = \"key\"";
        let environment = |name: &str| match name {
            "QUELL_DATA_DIR" => Some(OsString::from("/env/data")),
            "QUELL_LISTEN" => Some(OsString::from("127.0.0.1:2")),
            _ => None,
        };
        let flags = Overrides { listen: Some(SocketAddr::from(([127, 0, 0, 1], 3))), ..Overrides::default() };
        let config = Config::of(file, Path::new("/etc/quell"), flags.or_environment(environment).expect("an environment")).expect("a file");
        assert_eq!(config.data_dir, Path::new("/env/data"));
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.key_file(), Path::new("/etc/quell/key"));
        assert!(Overrides::default().or_environment(|_| Some(OsString::from("here"))).is_err());
    }

    #[test]
    fn without_a_file_everything_has_a_default() {
        let config = read("").expect("defaults");
        assert_eq!((config.max_body, config.listen.ip().is_loopback()), (16 * 1024 * 1024, true));
        assert_eq!(config.key_file(), Path::new("quell-data.key"));
    }
}
