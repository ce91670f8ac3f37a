//! The legitimate consumer of the demo: a billing job that must not notice that
//! the credential it began with was contained.
//!
//! It does what a well-made consumer does and no more: it keeps one connection,
//! watches its credential file, opens the new connection before it closes the old
//! one, and counts every payment that failed. It does not repeat a failed one.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use quell_lab::{
    actor::{self, PATIENCE, Place, trouble},
    clock::{rfc3339, wall},
    dial,
    estate::Login,
    journal::Journal,
    source::{Mark, Source, Where},
};
use serde::Serialize;
use tokio::{task::JoinHandle, time::Instant, time::MissedTickBehavior};
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Inserts a payment again and again with the credential of a file, and follows
/// the file when it changes.
///
/// Every payment becomes one line of JSON in --out:
/// {"at","ok","user","latency_ms","error"}. On SIGTERM the last line is
/// {"at","summary":{"attempts","failures","longest_gap_ms","users"}}, where a gap
/// is the time between two accepted payments, and the exit is 0.
#[derive(Parser, Debug)]
#[command(name = "quell-lab-billing-job")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    credential: Where,
    /// File the payments are appended to, as JSON Lines
    #[arg(long)]
    out: PathBuf,
    /// Time between two payments
    #[arg(long, default_value = "50ms", value_parser = actor::duration)]
    every: Duration,
}

/// One payment, as a line of `--out`.
#[derive(Serialize)]
struct Payment<'a> {
    at: String,
    ok: bool,
    user: &'a str,
    latency_ms: f64,
    /// SQLSTATE, `timeout`, `closed` or `unreachable`.
    error: Option<String>,
}

/// The last line of `--out`.
#[derive(Serialize)]
struct Ending<'a> {
    at: String,
    summary: &'a Summary,
}

#[derive(Serialize, Default)]
struct Summary {
    attempts: u64,
    failures: u64,
    longest_gap_ms: f64,
    /// Whose credential accepted payments were made with.
    users: BTreeSet<String>,
}

struct Job {
    place: Place,
    tls: MakeRustlsConnect,
    source: Source,
    /// What the source held when it was last read.
    seen: Option<Mark>,
    login: Login,
    connection: Option<Client>,
    next: Option<Next>,
}

/// A connection with the sink's newer credential, on its way.
struct Next {
    login: Login,
    opening: JoinHandle<Result<Client, String>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match work(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quell-lab-billing-job: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn work(arguments: Arguments) -> Result<()> {
    let mut stop = actor::stop_asked()?;
    let journal = Journal::open(&arguments.out)?;
    let mut job = Job::new(arguments.place, Source::open(&arguments.credential).await?)?;
    let mut ticks = tokio::time::interval(arguments.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut summary = Summary::default();
    let mut last_accepted = Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|asked| *asked) => break,
            _ = ticks.tick() => {}
        }
        let (at, started) = (wall(), Instant::now());
        let error = job.pay().await.err();
        summary.attempts += 1;
        if error.is_none() {
            summary.note_gap(last_accepted);
            last_accepted = Instant::now();
            summary.users.insert(job.login.user.clone());
        } else {
            summary.failures += 1;
        }
        journal.append(&Payment { at: rfc3339(at), ok: error.is_none(), user: &job.login.user, latency_ms: ms(started), error })?;
    }
    summary.note_gap(last_accepted);
    journal.append(&Ending { at: rfc3339(wall()), summary: &summary })
}

impl Summary {
    fn note_gap(&mut self, since: Instant) {
        self.longest_gap_ms = self.longest_gap_ms.max(ms(since));
    }
}

/// Milliseconds since `started`, to the microsecond.
fn ms(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

impl Job {
    fn new(place: Place, source: Source) -> Result<Self> {
        let seen = source.mark();
        let login = source.read().context("the job has no credential")?;
        let tls = dial::trusting_file(&place.ca)?;
        Ok(Self { place, tls, source, seen, login, connection: None, next: None })
    }

    /// Makes one payment, over the kept connection if it is there.
    async fn pay(&mut self) -> Result<(), String> {
        self.follow_the_sink();
        self.take_over().await;
        let client = match self.connection.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.reconnect().await?,
        };
        let inserting = client.execute("INSERT INTO payments (amount, note) VALUES (9.90, 'billing-job')", &[]);
        let outcome = tokio::time::timeout(PATIENCE, inserting).await;
        self.connection = Some(client);
        match outcome {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(trouble(&error)),
            Err(_) => Err("timeout".to_owned()),
        }
    }

    /// Starts opening a connection when the sink holds another credential. The old
    /// one works on meanwhile; what cannot be read now is read again next time.
    fn follow_the_sink(&mut self) {
        let mark = self.source.mark();
        if mark == self.seen || mark.is_none() {
            return;
        }
        let Some(login) = read_or_say(&self.source) else { return };
        self.seen = mark;
        if login == self.login {
            self.next = None;
        } else {
            self.next = Some(Next { opening: tokio::spawn(open(self.place.clone(), self.tls.clone(), login.clone())), login });
        }
    }

    /// Takes the new connection once it is open, and only then lets the old one go.
    async fn take_over(&mut self) {
        let Some(next) = self.next.take_if(|next| next.opening.is_finished()) else { return };
        match next.opening.await {
            Ok(Ok(client)) => {
                self.connection = Some(client);
                self.login = next.login;
            }
            failed => {
                let why = failed.map_or_else(|e| e.to_string(), |opened| opened.err().unwrap_or_default());
                eprintln!("quell-lab-billing-job: cannot log in as `{}` ({why}); staying with `{}`", next.login.user, self.login.user);
                // Forgotten, so that the next payment looks at the sink again.
                self.seen = None;
            }
        }
    }

    /// Without a connection there is nothing to keep: whatever the sink holds now.
    async fn reconnect(&mut self) -> Result<Client, String> {
        self.next = None;
        self.seen = self.source.mark();
        if let Some(login) = read_or_say(&self.source) {
            self.login = login;
        }
        open(self.place.clone(), self.tls.clone(), self.login.clone()).await
    }
}

fn read_or_say(source: &Source) -> Option<Login> {
    source.read().inspect_err(|error| eprintln!("quell-lab-billing-job: {error:#}")).ok()
}

async fn open(place: Place, tls: MakeRustlsConnect, login: Login) -> Result<Client, String> {
    let config = place.config(&login.user, login.password.reveal(), "billing-job");
    match tokio::time::timeout(PATIENCE, dial::dial(&config, &tls)).await {
        Ok(opened) => opened.map_err(|error| trouble(&error)),
        Err(_) => Err("timeout".to_owned()),
    }
}
