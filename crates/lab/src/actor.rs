//! What the two actors share: how they are told where the plane is, how they are
//! asked to stop, and how a demo or a test starts and ends one.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Pid, Signal};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_postgres::{Config, config::SslMode};

use crate::keeper::{End, Keeper};

/// How long an actor waits for any one answer.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Where the plane is; the same arguments for every actor.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Name or address of the server; its certificate must be made for it
    #[arg(long, default_value = "localhost")]
    pub host: String,
    /// TCP port of the server
    #[arg(long)]
    pub port: u16,
    /// Database with the table `payments`, on PostgreSQL
    #[arg(long, default_value = "billing")]
    pub dbname: String,
    /// PEM file with the one certificate authority to trust
    #[arg(long)]
    pub ca: PathBuf,
}

impl Place {
    /// How `user` logs in over TLS here, seen by the server as `application`.
    #[must_use]
    pub fn config(&self, user: &str, password: &str, application: &str) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.dbname)
            .user(user)
            .password(password)
            .application_name(application)
            .connect_timeout(PATIENCE)
            .ssl_mode(SslMode::Require);
        config
    }
}

/// Reads `100ms` or `2s`.
///
/// # Errors
///
/// For anything else, with what was wanted.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.parse().map(Duration::from_millis),
        (None, Some(seconds)) => seconds.parse().map(Duration::from_secs),
        (None, None) => return Err("wanted a number with `ms` or `s`, such as `100ms`".to_owned()),
    };
    match parsed {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => Err("wanted a whole number above 0 before the unit".to_owned()),
    }
}

/// Becomes true once the actor is asked to stop (SIGTERM or SIGINT). The actor
/// then ends its current attempt and leaves with 0.
///
/// # Errors
///
/// When signals cannot be heard.
pub fn stop_asked() -> Result<watch::Receiver<bool>> {
    let mut term = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        let _ = tell.send(true);
    });
    Ok(told)
}

/// One word for what went wrong: the SQLSTATE where the server gave one.
#[must_use]
pub fn trouble(error: &tokio_postgres::Error) -> String {
    match error.code() {
        Some(state) => state.code().to_owned(),
        None if error.is_closed() => "closed".to_owned(),
        None => "unreachable".to_owned(),
    }
}

/// A program of the lab, running as a process of its own that does not outlive
/// its owner.
#[derive(Debug)]
pub struct Actor(Keeper);

impl Actor {
    /// Starts the program `name` with `args`; what it says goes to `log`.
    ///
    /// # Errors
    ///
    /// When the program is not built or cannot be started.
    pub fn start<A: Into<OsString>>(name: &str, args: impl IntoIterator<Item = A>, log: &Path) -> Result<Self> {
        let mut argv = vec![program(name)?.into_os_string()];
        argv.extend(args.into_iter().map(Into::into));
        let here = env::current_dir().context("find the current directory")?;
        let mut keeper = Keeper::new(None, log, &here, End::Kill, &argv)?;
        keeper.start()?;
        Ok(Self(keeper))
    }

    /// The actor's process id.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.0.pid()
    }

    /// Asks it to stop and answers its exit status.
    ///
    /// # Errors
    ///
    /// When it cannot be asked.
    pub fn stop(mut self) -> Result<i32> {
        self.0.signal(Signal::TERM)?;
        self.0.wait()
    }
}

/// The program `name` beside the running one; a test runs one directory below.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let exe = env::current_exe().context("find the running program")?;
    exe.ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("`{name}` is not built; run `cargo build -p quell-lab --bins`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        for refused in ["", "100", "ms", "0ms", "-1s", "1.5s", "s"] {
            assert!(duration(refused).is_err(), "`{refused}` was read");
        }
    }
}
