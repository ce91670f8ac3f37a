//! `quell serve`: opens the installation, answers, and ends without losing a step.
//!
//! ```text
//! lock, open -> policy in force -> engine, checkpoints, clock -> listening -> ready line
//! SIGTERM -> no new requests, waiters and streams end -> running steps are recorded -> checkpoint -> 0
//! ```
//!
//! A kill at any line leaves what a crash leaves; the next start reads it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use quell_core::{
    secret::Secret,
    time::{SignedDuration, Timestamp},
};
use quell_engine::{
    Engine, lookup,
    port::{Clock, Policy, Store},
};
use quell_store::{OpenMode, OsChance, SqliteStore, SystemClock};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use crate::{
    access::setup::SetupDoor,
    config::Config,
    http::{self, App},
    wiring::{self, Wired},
};

/// How `quell serve` was called.
pub struct Options {
    pub config: Config,
    /// Print the ready line as JSON.
    pub json: bool,
}

/// How long open requests may take to end once the server is to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a checkpoint may be behind what is committed.
const CHECKPOINT_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How often sources and owners are looked after.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(300);
/// From how much on a difference of clocks is a step and no drift.
const STEP: SignedDuration = SignedDuration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
pub async fn run(options: Options) -> Result<()> {
    // Installed first: a signal while opening must not kill the process half way.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stopping, stop) = watch::channel(false);

    let config = options.config;
    let wired = wiring::open(&config, OpenMode::Create).await?;
    let engine = wired.engine.clone();
    let (store, clock) = (wired.store.clone(), wired.clock.clone());
    put_in_force(&wired).await?;
    let (door, code) = door(&engine).await?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let at = listener.local_addr()?;
    if !at.ip().is_loopback() {
        tracing::warn!(%at, "listening beyond this host without TLS; put a proxy that does TLS before it");
    }

    let app = App::new(wired, &config, door, measures()?, stop.clone());
    let background = [
        tokio::spawn(engine.clone().run(stop.clone())),
        tokio::spawn(sign_checkpoints(engine.clone(), store, app.clone(), stop.clone())),
        tokio::spawn(watch_clock(engine.clone(), clock, stop.clone())),
        tokio::spawn(count_events(engine.clone(), stop.clone())),
        tokio::spawn(look_after(engine.clone(), stop.clone())),
    ];
    let server = axum::serve(listener, http::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>());
    let mut ended = stop.clone();
    let server = server.with_graceful_shutdown(async move {
        // The sender lives as long as this function.
        let _ = ended.wait_for(|stop| *stop).await;
    });
    let mut serving: JoinHandle<std::io::Result<()>> = tokio::spawn(async move { server.await });
    ready(at, code, options.json)?;

    let early = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        served = &mut serving => Some(served),
    };
    tracing::info!("stopping: the running steps are recorded first");
    // Nobody listening any more is no fault.
    let _ = stopping.send(true);
    if early.is_none() && tokio::time::timeout(DRAIN, &mut serving).await.is_err() {
        tracing::warn!("some requests did not end and are cut off");
        serving.abort();
    }
    for task in background {
        task.await?;
    }
    app.refusals.write_down(&engine).await;
    sign(&engine).await;
    match early {
        Some(served) => Ok(served??),
        None => Ok(()),
    }
}

/// The line that says where the server is.
fn ready(at: SocketAddr, code: Option<Secret>, as_json: bool) -> Result<()> {
    use std::io::Write;

    let url = format!("http://{at}");
    let code = code.as_ref().map(Secret::expose);
    let mut out = std::io::stdout().lock();
    if as_json {
        let line = json!({ "event": "ready", "url": url, "setup_code": code, "pid": std::process::id() });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "Quell is ready at {url}")?;
        if let Some(code) = code {
            writeln!(out, "Make the first administrator within 15 minutes, on this host:")?;
            writeln!(out, "  quell setup --url {url} --code {code} --admin NAME --password-file FILE")?;
        }
    }
    Ok(out.flush()?)
}

/// Until there is an account, a code lets one be made.
async fn door(engine: &Arc<Engine>) -> Result<(SetupDoor, Option<Secret>)> {
    let accounts = engine.ports.store.lookup_range(lookup::PERSON, "", None, 1).await?;
    if !accounts.is_empty() {
        return Ok((SetupDoor::shut(), None));
    }
    let (door, code) = SetupDoor::open(&OsChance, &*engine.ports.clock);
    Ok((door, Some(code)))
}

/// Which policy holds from now on is an event, where it is another one.
async fn put_in_force(wired: &Wired) -> Result<()> {
    let mut files: Vec<String> = wired.policy.rules().iter().map(|r| r.file.clone()).collect();
    files.sort();
    files.dedup();
    let digest = wired.policy.digest();
    let files = files.into_iter().map(|file| (file, digest.clone())).collect();
    Ok(wired.engine.policy_loaded(files).await?)
}

fn measures() -> Result<PrometheusHandle> {
    let seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
    let recorder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("measures are collected already"))?;
    Ok(handle)
}

/// Signs when the log has grown, once a second at most, apart from every commit
/// of a response. What was refused is written down in the same breath.
async fn sign_checkpoints(engine: Arc<Engine>, store: Arc<SqliteStore>, app: http::State, mut stop: watch::Receiver<bool>) {
    let mut signed = None;
    while !*stop.borrow() {
        app.refusals.write_down(&engine).await;
        let size = store.size().await.ok();
        if size.is_some_and(|size| size > 0) && size != signed && sign(&engine).await {
            signed = size;
        }
        tokio::select! {
            () = engine.ports.clock.sleep(CHECKPOINT_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Says which sources fell silent, and which subjects of cases nobody answers for.
async fn look_after(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = engine.look_after_sources().await {
            tracing::warn!(%error, "nobody could look after the sources; it is tried again");
        }
        if let Err(error) = engine.look_after_owners().await {
            tracing::warn!(%error, "nobody could look after the owners; it is tried again");
        }
        tokio::select! {
            () = engine.ports.clock.sleep(LOOK_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn sign(engine: &Arc<Engine>) -> bool {
    match engine.sign_checkpoint().await {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(%error, "no checkpoint was signed");
            false
        }
    }
}

/// Notices a wall clock that was set back or forth: the clock of the engine goes
/// on by the monotonic source, and what was armed lapses (invariant 17).
async fn watch_clock(engine: Arc<Engine>, clock: Arc<SystemClock>, mut stop: watch::Receiver<bool>) {
    let mut at = (clock.now(), tokio::time::Instant::now());
    let mut behind = SignedDuration::ZERO;
    while !*stop.borrow() {
        tokio::select! {
            () = clock.sleep(SignedDuration::from_secs(1)) => {}
            _ = stop.changed() => {}
        }
        let (now, ahead) = (clock.now(), clock.ahead_of_wall());
        let steady = SignedDuration::try_from(at.1.elapsed()).unwrap_or(SignedDuration::MAX);
        let expected = at.0.checked_add(steady).unwrap_or(Timestamp::MAX);
        at = (now, tokio::time::Instant::now());
        let step = if now.duration_since(expected) > STEP {
            Some((expected, now))
        } else if ahead.checked_sub(behind).unwrap_or(SignedDuration::ZERO) > STEP {
            now.checked_sub(ahead).ok().map(|wall| (now, wall))
        } else {
            None
        };
        behind = ahead;
        if let Some((from, to)) = step {
            tracing::error!(%from, %to, "the clock stepped; what was armed lapses");
            if let Err(error) = engine.clock_stepped(from, to).await {
                tracing::error!(%error, "the step of the clock was not recorded");
            }
        }
    }
}

/// Counts what is recorded, by type.
async fn count_events(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    use tokio::sync::broadcast::error::RecvError;

    let mut told = engine.watch();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            event = told.recv() => match event {
                Ok(event) => metrics::counter!("quell_events_total", "type" => event.kind).increment(1),
                Err(RecvError::Lagged(n)) => metrics::counter!("quell_events_total", "type" => "not_counted_apart").increment(n),
                Err(RecvError::Closed) => return,
            },
        }
    }
}
