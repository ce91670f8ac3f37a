//! The intruder of the demo: holds a stolen credential and a session opened with it,
//! and keeps trying both.
//!
//! It is the outside witness of a containment: what it still gets after a proof of
//! death contradicts that proof. So it shares no state with Quell, and the two ways
//! in are tried by two tasks that never wait for each other.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use quell_lab::{
    actor::{self, PATIENCE, Place},
    clock::{rfc3339, wall},
    dial,
    intrusion::{Database, Directory, Vault, Way},
    journal::Journal,
    secret::Secret,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Serialize;
use tokio::{sync::watch, time::MissedTickBehavior};

/// Tries a stolen credential and a live session against a server, again and again.
///
/// Every attempt becomes one line of JSON in --out:
/// {"started_at","ended_at","plane","credential","via":"login|session","ok","error"},
/// where ok means that the plane served data or accepted a write. Ends with 0 on
/// SIGTERM, after the attempt that is under way.
#[derive(Parser, Debug)]
#[command(name = "quell-lab-intruder")]
struct Arguments {
    /// What kind of plane it is
    #[arg(long, value_enum, default_value = "postgresql")]
    kind: Kind,
    #[command(flatten)]
    place: Place,
    /// Role, role-id or DN to log in as
    #[arg(long)]
    user: String,
    /// File with the stolen secret; white space around it is ignored
    #[arg(long)]
    password_file: PathBuf,
    /// What it reads, on OpenBao
    #[arg(long, default_value = "secret/data/billing")]
    reads: String,
    /// The login may only read
    #[arg(long)]
    read_only: bool,
    /// File the attempts are appended to, as JSON Lines
    #[arg(long)]
    out: PathBuf,
    /// Time between two attempts of one way in
    #[arg(long, default_value = "100ms", value_parser = actor::duration)]
    every: Duration,
    /// Name of the plane in the lines
    #[arg(long, default_value = "pg-main")]
    plane: String,
    /// Name of the credential in the lines; PLANE/USER#password unless given
    #[arg(long)]
    credential: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Postgresql,
    Openbao,
    Openldap,
}

/// One attempt, as a line of `--out`.
#[derive(Serialize)]
struct Attempt<'a> {
    started_at: String,
    ended_at: String,
    plane: &'a str,
    credential: &'a str,
    via: Via,
    ok: bool,
    /// SQLSTATE, status, result code, `timeout`, `closed` or `unreachable`.
    error: Option<String>,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Via {
    Login,
    Session,
}

/// What both ways in need; the tasks share it and nothing else.
struct Intruder<W> {
    way: W,
    plane: String,
    credential: String,
    every: Duration,
    journal: Journal,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match intrude(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quell-lab-intruder: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn intrude(arguments: Arguments) -> Result<()> {
    let Arguments { kind, place, user, password_file, reads, read_only, out, every, plane, credential } = arguments;
    let secret =
        std::fs::read_to_string(&password_file).with_context(|| format!("read the password file `{}`", password_file.display()))?;
    let secret = Secret::known(secret.trim());
    let credential = match (credential, kind) {
        (Some(name), _) => name,
        (None, Kind::Postgresql | Kind::Openldap) => format!("{plane}/{user}#password"),
        (None, Kind::Openbao) => bail!("give `--credential`: the secret-id's accessor is not known to who stole it"),
    };
    let journal = Journal::open(&out)?;
    match kind {
        Kind::Postgresql => {
            let way =
                Database { config: place.config(&user, secret.reveal(), "psql"), tls: dial::trusting_file(&place.ca)?, reads: read_only };
            both(Intruder { way, plane, credential, every, journal }).await
        }
        Kind::Openbao => {
            let http = dial::http(&place.ca, PATIENCE)?;
            let url = format!("https://{}:{}", place.host, place.port);
            both(Intruder { way: Vault { http, url, role_id: user, secret_id: secret, reads }, plane, credential, every, journal }).await
        }
        Kind::Openldap => {
            let ca = CertificateDer::from_pem_file(&place.ca).map_err(|e| anyhow::anyhow!("`{}`: {e}", place.ca.display()))?;
            let way = Directory { tls: Arc::new(dial::client_config(&ca)?), port: place.port, dn: user, password: secret };
            both(Intruder { way, plane, credential, every, journal }).await
        }
    }
}

async fn both<W: Way>(intruder: Intruder<W>) -> Result<()> {
    let stop = actor::stop_asked()?;
    let intruder = Arc::new(intruder);
    let by_login = tokio::spawn(Arc::clone(&intruder).keep_logging_in(stop.clone()));
    let by_session = tokio::spawn(intruder.keep_the_session(stop));
    by_login.await.context("the login task broke")??;
    by_session.await.context("the session task broke")?
}

impl<W: Way> Intruder<W> {
    async fn keep_logging_in(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut ticks = self.ticks();
        while next(&mut ticks, &mut stop).await {
            self.attempt(Via::Login, self.way.log_in()).await?;
        }
        Ok(())
    }

    async fn keep_the_session(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut ticks = self.ticks();
        let mut session: Option<W::Session> = None;
        while next(&mut ticks, &mut stop).await {
            session = match session {
                // Also on a session that died since: its end is a line, too.
                Some(mut open) => {
                    self.attempt(Via::Session, self.way.use_it(&mut open)).await?;
                    Some(open).filter(|open| !self.way.is_over(open))
                }
                // Opening it, again or for the first time, is a login like any.
                None => self.attempt(Via::Login, self.way.log_in()).await?,
            };
        }
        Ok(())
    }

    /// Runs one attempt and records it. A session that does not answer in time is
    /// kept: the next write waits behind the unanswered one, so what the plane
    /// accepts later shows as the next success.
    async fn attempt<T>(&self, via: Via, trying: impl Future<Output = Result<T, String>>) -> Result<Option<T>> {
        let started_at = wall();
        let outcome = tokio::time::timeout(PATIENCE, trying).await;
        let ended_at = wall();
        let (got, error) = match outcome {
            Ok(Ok(got)) => (Some(got), None),
            Ok(Err(error)) => (None, Some(error)),
            Err(_) => (None, Some("timeout".to_owned())),
        };
        self.journal.append(&Attempt {
            started_at: rfc3339(started_at),
            ended_at: rfc3339(ended_at),
            plane: &self.plane,
            credential: &self.credential,
            via,
            ok: got.is_some(),
            error,
        })?;
        Ok(got)
    }

    fn ticks(&self) -> tokio::time::Interval {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks
    }
}

/// Waits for the next tick; false once the intruder is asked to stop.
async fn next(ticks: &mut tokio::time::Interval, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        _ = stop.wait_for(|asked| *asked) => false,
        _ = ticks.tick() => true,
    }
}
