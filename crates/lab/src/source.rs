//! Where the billing job reads its credential: a file, or a secret of a vault that it
//! looks at again and again with a login of its own.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{actor::PATIENCE, dial, estate::Login, secret::Secret, sink};

/// How often the vault is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// The same arguments for every job.
#[derive(Args, Clone, Debug)]
pub struct Where {
    /// Credential file, mode 0600: JSON with `user` and `password`
    #[arg(long, required_unless_present = "vault")]
    sink: Option<PathBuf>,
    /// Instead of a file: `https://HOST:PORT` of an OpenBao
    #[arg(long, requires_all = ["vault_ca", "role_id", "secret_id_file"])]
    vault: Option<String>,
    /// PEM file with the one certificate authority to trust for it
    #[arg(long)]
    vault_ca: Option<PathBuf>,
    /// The job's own AppRole there
    #[arg(long)]
    role_id: Option<String>,
    /// File with its secret-id
    #[arg(long)]
    secret_id_file: Option<PathBuf>,
    /// The secret, with `username` and `password`
    #[arg(long, default_value = "secret/data/billing")]
    vault_path: String,
}

/// What the job follows.
pub enum Source {
    File(PathBuf),
    Vault(watch::Receiver<(u64, Login)>),
}

/// Tells two contents apart without reading them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    File(sink::Mark),
    Version(u64),
}

impl Source {
    /// Begins to follow. A vault is read once before this comes back.
    ///
    /// # Errors
    ///
    /// When the vault does not give the secret out, or an authority cannot be read.
    pub async fn open(place: &Where) -> Result<Self> {
        let Some(url) = &place.vault else { return Ok(Self::File(place.sink.clone().context("give `--sink` or `--vault`")?)) };
        let (ca, role, file) = match (&place.vault_ca, &place.role_id, &place.secret_id_file) {
            (Some(ca), Some(role), Some(file)) => (ca, role, file),
            _ => bail!("`--vault` wants `--vault-ca`, `--role-id` and `--secret-id-file`"),
        };
        let http = dial::http(ca, PATIENCE)?;
        let secret_id = Secret::known(std::fs::read_to_string(file).context("read the secret-id")?.trim());
        let mut reader = Reader { http, url: url.clone(), role_id: role.clone(), secret_id, path: place.vault_path.clone(), token: None };
        let (tell, told) = watch::channel(reader.read().await?);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            while !tell.is_closed() {
                ticks.tick().await;
                match reader.read().await {
                    Ok(now) => {
                        tell.send_if_modified(|held| {
                            let newer = held.0 != now.0;
                            *held = now;
                            newer
                        });
                    }
                    Err(error) => eprintln!("quell-lab-billing-job: {error:#}"),
                }
            }
        });
        Ok(Self::Vault(told))
    }

    /// The mark of what stands there now; none where nothing does.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        match self {
            Self::File(path) => sink::mark(path).map(Mark::File),
            Self::Vault(told) => Some(Mark::Version(told.borrow().0)),
        }
    }

    /// The credential that stands there now.
    ///
    /// # Errors
    ///
    /// As [`sink::read`]; the vault was read before.
    pub fn read(&self) -> Result<Login> {
        match self {
            Self::File(path) => sink::read(path),
            Self::Vault(told) => Ok(told.borrow().1.clone()),
        }
    }
}

struct Reader {
    http: Client,
    url: String,
    role_id: String,
    secret_id: Secret,
    path: String,
    token: Option<Secret>,
}

impl Reader {
    async fn read(&mut self) -> Result<(u64, Login)> {
        let token = match self.token.take() {
            Some(token) => token,
            None => self.log_in().await?,
        };
        let answer = self.http.get(format!("{}/v1/{}", self.url, self.path)).header("X-Vault-Token", token.reveal()).send().await?;
        if !answer.status().is_success() {
            bail!("the vault answered {} for `{}`", answer.status().as_u16(), self.path);
        }
        let body: Value = answer.json().await.context("read the vault's answer")?;
        self.token = Some(token);
        let text =
            |name: &str| body["data"]["data"][name].as_str().map(str::to_owned).with_context(|| format!("the secret has no `{name}`"));
        let version = body["data"]["metadata"]["version"].as_u64().context("the secret has no version")?;
        Ok((version, Login { user: text("username")?, password: Secret::known(text("password")?) }))
    }

    async fn log_in(&self) -> Result<Secret> {
        let body = json!({"role_id": self.role_id, "secret_id": self.secret_id.reveal()});
        let answer = self.http.post(format!("{}/v1/auth/approle/login", self.url)).json(&body).send().await?;
        if !answer.status().is_success() {
            bail!("the vault answered {} to the job's login", answer.status().as_u16());
        }
        let body: Value = answer.json().await.context("read the vault's answer")?;
        Ok(Secret::known(body["auth"]["client_token"].as_str().context("no token was given")?))
    }
}
