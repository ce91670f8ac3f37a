//! The intruder of the demo: holds a leaked password and a session opened with it,
//! and keeps trying both.
//!
//! It is the outside witness of a containment: what it still gets after a proof of
//! death contradicts that proof. So it shares no state with Quell, and the two ways
//! in are tried by two tasks that never wait for each other.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use quell_lab::{
    actor::{self, PATIENCE, Place, trouble},
    clock::{rfc3339, wall},
    dial,
    journal::Journal,
};
use serde::Serialize;
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Tries a leaked password and a live session against a server, again and again.
///
/// Every attempt becomes one line of JSON in --out:
/// {"started_at","ended_at","plane","credential","via":"login|session","ok","error"},
/// where ok means that the plane served data or accepted a write. Ends with 0 on
/// SIGTERM, after the attempt that is under way.
#[derive(Parser, Debug)]
#[command(name = "quell-lab-intruder")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Role to log in as
    #[arg(long)]
    user: String,
    /// File with the leaked password; white space around it is ignored
    #[arg(long)]
    password_file: PathBuf,
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

/// One attempt, as a line of `--out`.
#[derive(Serialize)]
struct Attempt<'a> {
    started_at: String,
    ended_at: String,
    plane: &'a str,
    credential: &'a str,
    via: Via,
    ok: bool,
    /// SQLSTATE, `timeout`, `closed` or `unreachable`.
    error: Option<String>,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Via {
    Login,
    Session,
}

/// What both ways in need; the tasks share it and nothing else.
struct Intruder {
    config: Config,
    tls: MakeRustlsConnect,
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
    let Arguments { place, user, password_file, out, every, plane, credential } = arguments;
    let stop = actor::stop_asked()?;
    let password =
        std::fs::read_to_string(&password_file).with_context(|| format!("read the password file `{}`", password_file.display()))?;
    let intruder = Arc::new(Intruder {
        config: place.config(&user, password.trim(), "psql"),
        tls: dial::trusting_file(&place.ca)?,
        credential: credential.unwrap_or_else(|| format!("{plane}/{user}#password")),
        plane,
        every,
        journal: Journal::open(&out)?,
    });
    let by_login = tokio::spawn(Arc::clone(&intruder).keep_logging_in(stop.clone()));
    let by_session = tokio::spawn(intruder.keep_the_session(stop));
    by_login.await.context("the login task broke")??;
    by_session.await.context("the session task broke")?
}

impl Intruder {
    async fn keep_logging_in(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut ticks = self.ticks();
        while next(&mut ticks, &mut stop).await {
            self.attempt(Via::Login, self.log_in()).await?;
        }
        Ok(())
    }

    async fn keep_the_session(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut ticks = self.ticks();
        let mut session: Option<Client> = None;
        while next(&mut ticks, &mut stop).await {
            session = match session {
                // Also on a session that died since: its end is a line, too.
                Some(client) => {
                    self.attempt(Via::Session, write(&client)).await?;
                    Some(client).filter(|client| !client.is_closed())
                }
                // Opening it, again or for the first time, is a login like any.
                None => self.attempt(Via::Login, self.log_in()).await?,
            };
        }
        Ok(())
    }

    /// A fresh login counts once the plane has served data through it.
    async fn log_in(&self) -> Result<Client, tokio_postgres::Error> {
        let client = dial::dial(&self.config, &self.tls).await?;
        client.query("SELECT id, amount, note FROM payments ORDER BY id DESC LIMIT 1", &[]).await?;
        Ok(client)
    }

    /// Runs one attempt and records it. A session that does not answer in time is
    /// kept: the next write waits behind the unanswered one, so what the plane
    /// accepts later shows as the next success.
    async fn attempt<T>(&self, via: Via, trying: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<Option<T>> {
        let started_at = wall();
        let outcome = tokio::time::timeout(PATIENCE, trying).await;
        let ended_at = wall();
        let (got, error) = match outcome {
            Ok(Ok(got)) => (Some(got), None),
            Ok(Err(error)) => (None, Some(trouble(&error))),
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

async fn write(client: &Client) -> Result<u64, tokio_postgres::Error> {
    client.execute("INSERT INTO payments (amount, note) VALUES (0.01, 'intruder')", &[]).await
}

/// Waits for the next tick; false once the intruder is asked to stop.
async fn next(ticks: &mut tokio::time::Interval, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        _ = stop.wait_for(|asked| *asked) => false,
        _ = ticks.tick() => true,
    }
}
