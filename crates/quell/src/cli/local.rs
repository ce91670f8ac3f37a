//! What is read on this machine: `quell.toml`, keys, secrets, a stopped
//! server's data directory.

use std::path::{Path, PathBuf};

use quell_connectors::{aws, oidc, openbao, openldap::bootstrap_ldif, openssh, postgresql::bootstrap_sql};
use quell_core::secret::FingerprintKey;
use quell_store::{KeyFile, OpenMode};
use zeroize::Zeroizing;

use super::{alert, fault::Fault};
use crate::{
    config::{BadConfig, Config, Overrides},
    wiring::{self, Wired},
};

/// The configuration of this machine, read when a command needs it.
pub struct Local {
    config: Option<PathBuf>,
}

impl Local {
    pub fn new(config: Option<PathBuf>) -> Self {
        Self { config }
    }

    /// The configuration, with what the command line says about it.
    pub fn load(&self, overrides: Overrides) -> Result<Config, Fault> {
        Config::load(Overrides { config: self.config.clone(), ..overrides }).map_err(|e| Fault::usage(e.to_string()))
    }

    /// Where the server of this machine's configuration answers.
    pub fn url(&self) -> Result<String, Fault> {
        let config = self.load(Overrides::default())?;
        if let Some(url) = config.public_url {
            return Ok(url);
        }
        let mut listen = config.listen;
        if listen.ip().is_unspecified() {
            listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        Ok(format!("http://{listen}"))
    }

    /// The key that secrets are fingerprinted with, where one was named.
    pub fn fingerprint_key(&self, flag: Option<&Path>) -> Result<Option<FingerprintKey>, Fault> {
        let file = match flag {
            Some(file) => Some(file.to_owned()),
            None => self.load(Overrides::default())?.fingerprint_key_file,
        };
        let Some(file) = file else { return Ok(None) };
        let key = KeyFile::read(&file).map_err(|e| Fault::refused(e.to_string()))?;
        Ok(Some(key.fingerprint_key()))
    }

    /// The policy set that was named, else the configured one, else `None` for the shipped one.
    pub fn policy_dir(&self, named: Option<PathBuf>) -> Result<Option<PathBuf>, Fault> {
        match named {
            Some(dir) => Ok(Some(dir)),
            None => Ok(self.load(Overrides::default())?.policy_dir),
        }
    }

    /// The script for one configured connector.
    pub fn bootstrap(&self, name: &str, scope: &[String]) -> Result<String, Fault> {
        let config = self.load(Overrides::default())?;
        let Some(wanted) = config.connectors.iter().find(|c| c.name == name) else {
            let known: Vec<&str> = config.connectors.iter().map(|c| c.name.as_str()).collect();
            let known = if known.is_empty() { "none is configured".to_owned() } else { known.join(", ") };
            return Err(Fault::refused(format!("there is no connector `{name}`; {known}. Name it in quell.toml, or give `--config`")));
        };
        let script = match wanted.kind.as_str() {
            "openbao" => openbao::bootstrap_script(&wiring::openbao(wanted).map_err(|e| of_wiring(&e))?, scope),
            "openldap" => bootstrap_ldif(&wiring::openldap(wanted).map_err(|e| of_wiring(&e))?, scope),
            "openssh" => openssh::bootstrap_script(&wiring::openssh(wanted).map_err(|e| of_wiring(&e))?, scope),
            "oidc" => oidc::bootstrap_script(&wiring::oidc(wanted).map_err(|e| of_wiring(&e))?, scope),
            "aws" if !scope.is_empty() => {
                return Err(Fault::refused(format!(
                    "`{name}` is a whole account; leave `--scope` out, and name who is `protected` in quell.toml"
                )));
            }
            "aws" => aws::bootstrap_script(&wiring::aws_to_be(wanted).map_err(|e| of_wiring(&e))?),
            _ => bootstrap_sql(&wiring::postgres(wanted).map_err(|e| of_wiring(&e))?, scope),
        };
        script.map_err(|e| Fault::refused(e.to_string()))
    }

    /// Opens the data directory of a stopped server, alone.
    pub async fn open(&self, data_dir: Option<&Path>, key_file: Option<&Path>) -> Result<Wired, Fault> {
        let overrides = Overrides {
            data_dir: data_dir.map(Path::to_owned),
            fingerprint_key_file: key_file.map(Path::to_owned),
            ..Overrides::default()
        };
        let config = self.load(overrides)?;
        wiring::open(&config, OpenMode::Existing).await.map_err(|e| of_wiring(&e))
    }
}

/// A bad configuration is usage; a data directory in use, or a key that does
/// not fit, is a refusal.
fn of_wiring(error: &anyhow::Error) -> Fault {
    match error.downcast_ref::<BadConfig>() {
        Some(bad) => Fault::usage(bad.to_string()),
        None => Fault::refused(format!("{error:#}")),
    }
}

/// QUELL_TOKEN, taken from the environment alone: a flag would show in the list
/// of processes.
pub fn token() -> Result<Option<Zeroizing<String>>, Fault> {
    match std::env::var("QUELL_TOKEN") {
        Ok(token) if token.trim().is_empty() => Ok(None),
        Ok(token) => Ok(Some(Zeroizing::new(token.trim().to_owned()))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Fault::usage("QUELL_TOKEN is not text; give a token as `quell login` printed it")),
    }
}

/// A secret out of a file, or stdin for `-`; the line's end is not part of it.
pub fn secret_file(file: &Path) -> Result<Zeroizing<String>, Fault> {
    let bytes = alert::read(Some(file))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Fault::refused(format!("`{}` is not UTF-8", file.display())))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Fault::refused(format!("`{}` is empty; put the secret into it", file.display())));
    }
    Ok(Zeroizing::new(text.to_owned()))
}
