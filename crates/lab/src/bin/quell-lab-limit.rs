//! The least that a containment or an intake can cost on this machine, as a
//! process of its own: the yardstick of `make bench`.
//!
//! `/bare` locks a role and ends its sessions over a kept connection. `/honest`
//! does what a proof needs besides: the same statements, logins and durable
//! appends as Quell, and neither policy, plan, tree nor case. `/ingest` checks a
//! token and makes the body durable together with whatever waits beside it.

use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use clap::Parser;
use quell_lab::{actor::Place, dial};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_postgres::{Client, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Kept connections, as Quell keeps them.
const KEPT: usize = 4;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    place: Place,
    /// File with the password of Quell's role on the plane
    #[arg(long)]
    secret_file: PathBuf,
    /// File with the password of the control role
    #[arg(long)]
    control_file: PathBuf,
    /// File with the password of the superuser
    #[arg(long)]
    superuser_file: PathBuf,
    /// Where the durable appends go
    #[arg(long)]
    log: PathBuf,
    /// SHA-256, in hex, of the token that `/ingest` takes
    #[arg(long)]
    token_hash: String,
    /// Milliseconds that the plane may need to settle; waited for by `/honest`
    #[arg(long)]
    settle_ms: u64,
}

struct Limit {
    bare: Vec<(Client, Statement)>,
    quell: Vec<Honest>,
    next: AtomicUsize,
    log: Appender,
    place: Place,
    tls: MakeRustlsConnect,
    control: String,
    settle: Duration,
    token_hash: String,
}

/// The statements of Quell's connector, prepared.
struct Honest {
    client: Client,
    look: Statement,
    sessions: Statement,
    members: Statement,
    verifier: Statement,
    lock: Statement,
    kill_all: Statement,
    rotate: Statement,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a provider of cryptography is there already"))?;
    let tls = dial::trusting_file(&args.place.ca)?;
    let secret = |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("read `{}`", path.display()));
    let (own, control, superuser) = (secret(&args.secret_file)?, secret(&args.control_file)?, secret(&args.superuser_file)?);
    let mut bare = Vec::new();
    let mut quell = Vec::new();
    for _ in 0..KEPT {
        let client = dial::dial(&args.place.config("postgres", superuser.trim(), "limit"), &tls).await?;
        let statement = client.prepare("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1").await?;
        bare.push((client, statement));
        let mut as_quell = args.place.config("quell", own.trim(), "limit");
        // As the connector asks for it.
        as_quell.options("-c jit=off");
        quell.push(Honest::open(dial::dial(&as_quell, &tls).await?).await?);
    }
    let limit = Arc::new(Limit {
        bare,
        quell,
        next: AtomicUsize::new(0),
        log: Appender::open(&args.log)?,
        place: args.place,
        tls,
        control: control.trim().to_owned(),
        settle: Duration::from_millis(args.settle_ms),
        token_hash: args.token_hash,
    });
    let router = Router::new()
        .route("/bare", post(contain_bare))
        .route("/honest", post(contain_honestly))
        .route("/ingest", post(ingest))
        .with_state(limit);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.context("listen")?;
    println!("{}", json!({ "event": "ready", "url": format!("http://{}", listener.local_addr()?) }));
    axum::serve(listener, router).await.context("serve")
}

impl Honest {
    async fn open(client: Client) -> Result<Self> {
        Ok(Self {
            look: client.prepare("SELECT * FROM quell.look($1, 'quell_control')").await?,
            sessions: client.prepare("SELECT * FROM quell.sessions($1, 1000)").await?,
            members: client.prepare("SELECT * FROM quell.members($1, 1000)").await?,
            verifier: client.prepare("SELECT quell.verifier($1)").await?,
            lock: client.prepare("SELECT quell.lock($1)").await?,
            kill_all: client.prepare("SELECT quell.kill_all($1)").await?,
            rotate: client.prepare("SELECT quell.rotate($1, $2)").await?,
            client,
        })
    }
}

#[derive(Deserialize)]
struct Order {
    role: String,
    #[serde(default)]
    secret: String,
    /// Any SCRAM verifier: what the role is rotated to.
    #[serde(default)]
    verifier: String,
}

type Answer = Result<Json<Value>, (StatusCode, String)>;

async fn contain_bare(State(limit): State<Arc<Limit>>, Json(order): Json<Order>) -> Answer {
    if !order.role.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
        return Err((StatusCode::BAD_REQUEST, "expected letters, digits and `_`".to_owned()));
    }
    let (client, ends) = &limit.bare[limit.next.fetch_add(1, Ordering::Relaxed) % KEPT];
    client.batch_execute(&format!("ALTER ROLE \"{}\" NOLOGIN", order.role)).await.map_err(failed)?;
    let ended = client.query(ends, &[&order.role]).await.map_err(failed)?.len();
    Ok(Json(json!({ "ended": ended })))
}

/// In the order in which Quell does it: alert; look, sessions, members; intent,
/// lock, outcome; intent, sessions, end, sessions twice, outcome; settle, and meanwhile
/// intent, verifier, replace, outcome; read and both logins at once; proof.
async fn contain_honestly(State(limit): State<Arc<Limit>>, body: Bytes) -> Answer {
    let order: Order = serde_json::from_slice(&body).map_err(failed)?;
    let plane = &limit.quell[limit.next.fetch_add(1, Ordering::Relaxed) % KEPT];
    let role = &order.role;
    let of_role: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [role];
    limit.log.append(body.to_vec()).await?;
    let (look, sessions, members) = tokio::join!(
        plane.client.query(&plane.look, &of_role),
        plane.client.query(&plane.sessions, &of_role),
        plane.client.query(&plane.members, &of_role)
    );
    let sealed = plane.client.query(&plane.verifier, &of_role).await.map_err(failed)?.len();
    let seen = look.map_err(failed)?.len() + sessions.map_err(failed)?.len() + members.map_err(failed)?.len() + sealed;
    limit.log.append(vec![b'i'; LEAF]).await?;
    plane.client.query(&plane.lock, &of_role).await.map_err(failed)?;
    limit.log.append(vec![b'o'; LEAF]).await?;
    plane.client.query(&plane.kill_all, &of_role).await.map_err(failed)?;
    plane.client.query(&plane.sessions, &of_role).await.map_err(failed)?;
    limit.log.append(vec![b'o'; LEAF]).await?;
    let rotated = async {
        plane.client.query(&plane.rotate, &[role, &order.verifier]).await.map_err(failed)?;
        limit.log.append(vec![b'o'; LEAF]).await
    };
    let (rotated, ()) = tokio::join!(rotated, tokio::time::sleep(limit.settle));
    rotated?;
    let (leaked, control) =
        (limit.place.config(role, &order.secret, "limit"), limit.place.config("quell_control", &limit.control, "limit"));
    let (read, refused, alive) =
        tokio::join!(plane.client.query(&plane.look, &of_role), dial::dial(&leaked, &limit.tls), dial::dial(&control, &limit.tls),);
    read.map_err(failed)?;
    if refused.is_ok() || alive.is_err() {
        return Err((StatusCode::CONFLICT, "the login was not refused while the control was alive".to_owned()));
    }
    limit.log.append(vec![b'p'; LEAF]).await?;
    Ok(Json(json!({ "seen": seen })))
}

/// About as many bytes as the events of one append.
const LEAF: usize = 3_000;

async fn ingest(
    State(limit): State<Arc<Limit>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), (StatusCode, String)> {
    let bearer = headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
    if quell_core::secret::sha256(bearer.as_bytes()) != limit.token_hash {
        return Err((StatusCode::UNAUTHORIZED, "the token is not known".to_owned()));
    }
    limit.log.append(body.to_vec()).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "alert_id": "taken" }))))
}

fn failed(error: impl std::fmt::Display) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// One writer; what waits together becomes durable together.
struct Appender(mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>);

impl Appender {
    fn open(path: &PathBuf) -> Result<Self> {
        let mut file = File::create(path).with_context(|| format!("make `{}`", path.display()))?;
        let (sender, waiting) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
        std::thread::spawn(move || {
            while let Ok((mut bytes, told)) = waiting.recv() {
                let mut told = vec![told];
                for (more, teller) in waiting.try_iter() {
                    bytes.extend_from_slice(&more);
                    told.push(teller);
                }
                if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
                    break;
                }
                // Whoever stopped waiting is not told.
                for teller in told {
                    let _ = teller.send(());
                }
            }
        });
        Ok(Self(sender))
    }

    async fn append(&self, bytes: Vec<u8>) -> Result<(), (StatusCode, String)> {
        let (told, done) = oneshot::channel();
        self.0.send((bytes, told)).map_err(failed)?;
        done.await.map_err(failed)
    }
}
