//! One private PostgreSQL with the billing estate, by hand.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use quell_lab::{
    actor,
    estate::Estate,
    postgres::{Options, Postgres},
    sink,
};
use serde::Serialize;

/// Starts a private PostgreSQL on 127.0.0.1 with the billing estate.
///
/// Prints one line of JSON when it is ready:
/// {"event":"ready","host","port","database","ca","socket_dir","pid","logins"},
/// where each of `logins` is a 0600 file with `user` and `password`. Ends on
/// SIGTERM or SIGINT; nothing is left behind, also after SIGKILL.
#[derive(Parser, Debug)]
#[command(name = "quell-lab-postgres")]
struct Arguments {
    /// Directory the private directory is made in; the system's temporary one
    /// unless given
    #[arg(long)]
    base: Option<PathBuf>,
    /// Commits reach the disk, as in a bench
    #[arg(long)]
    durable: bool,
}

#[derive(Serialize)]
struct Ready<'a> {
    event: &'a str,
    host: &'a str,
    port: u16,
    database: &'a str,
    ca: PathBuf,
    socket_dir: PathBuf,
    pid: Option<i32>,
    logins: [PathBuf; 2],
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quell-lab-postgres: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> Result<()> {
    let mut stop = actor::stop_asked()?;
    let server = Postgres::start(Options { base: arguments.base, durable: arguments.durable, ..Options::default() }).await?;
    let estate = Estate::billing(&server).await?;
    let mut logins = [PathBuf::new(), PathBuf::new()];
    for (path, login) in logins.iter_mut().zip([&estate.app, &estate.reporting]) {
        *path = server.dir().join(format!("{}.json", login.user));
        sink::write(path, login)?;
    }
    let ready = Ready {
        event: "ready",
        host: server.host(),
        port: server.port(),
        database: &estate.database,
        ca: server.ca_pem_path(),
        socket_dir: server.socket_dir(),
        pid: server.processes().first().map(|pid| pid.as_raw_nonzero().get()),
        logins,
    };
    println!("{}", serde_json::to_string(&ready)?);
    stop.wait_for(|asked| *asked).await?;
    Ok(())
}
