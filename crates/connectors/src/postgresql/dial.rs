//! Opening one connection, and being sure of who answers: TLS with the pinned
//! authority and the pinned name, or a Unix socket whose listener runs as the
//! server's own user.

use std::{net::IpAddr, time::Duration};

use quell_core::secret::Secret;
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::{PostgresConfig, Reach};
use crate::{
    said::{cause, one_line},
    socket,
};

/// An open connection and the task that drives it.
pub(super) struct Dialled {
    pub(super) client: Client,
    /// The server says of itself, while greeting, that it is not a standby.
    pub(super) primary: bool,
    driver: JoinHandle<()>,
}

impl Dialled {
    /// Says good-bye and waits, a moment, until it is sent.
    pub(super) async fn close(self) {
        drop(self.client);
        let _ = timeout(Duration::from_millis(200), self.driver).await;
    }
}

/// A TLS connector that trusts `ca_pem` alone.
pub(super) fn pinned(ca_pem: &str) -> Result<MakeRustlsConnect, String> {
    Ok(MakeRustlsConnect::new(crate::pinned::trusting(ca_pem)?))
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    NoAnswer {
        why: String,
    },
    /// `routine` is where in the server it was refused: it tells one 28000 from
    /// another, in every language.
    Refused {
        code: String,
        routine: String,
        message: String,
    },
}

impl NotOpened {
    fn no_answer(why: impl Into<String>) -> Self {
        Self::NoAnswer { why: why.into() }
    }
}

/// Connects and logs in as `user`.
pub(super) async fn dial(
    config: &PostgresConfig,
    tls: Option<&MakeRustlsConnect>,
    user: &str,
    secret: &Secret,
    application: &str,
) -> Result<Dialled, NotOpened> {
    if user.contains('\0') || secret.expose().contains('\0') {
        return Err(NotOpened::no_answer("a name or secret with a NUL cannot be sent"));
    }
    let mut login = Config::new();
    login
        .user(user)
        .password(secret.expose())
        .dbname(&config.dbname)
        .application_name(application)
        .connect_timeout(config.call_timeout)
        // Not of the server's or the role's choosing: how times are printed, and how
        // long a statement may take. Where a server has many roles it would compile
        // statements that read a handful of rows, which takes longer than to run them.
        .options(format!(
            "-c statement_timeout={} -c timezone=UTC -c datestyle=ISO -c search_path=pg_catalog -c jit=off",
            config.statement_timeout.as_millis()
        ));
    match (&config.reach, tls) {
        (Reach::Tls { host, port, address, .. }, Some(tls)) => {
            at(&mut login, host, *port, *address).ssl_mode(SslMode::Require);
            let (client, connection) = login.connect(tls.clone()).await.map_err(|e| refusal(&e))?;
            Ok(driven(client, connection))
        }
        (Reach::Clear { host, port, address }, _) => {
            at(&mut login, host, *port, *address).ssl_mode(SslMode::Disable);
            let (client, connection) = login.connect(NoTls).await.map_err(|e| refusal(&e))?;
            Ok(driven(client, connection))
        }
        (Reach::Unix { dir, port, owner }, _) => {
            let stream = socket::of_the_server(&dir.join(format!(".s.PGSQL.{port}")), *owner).await.map_err(NotOpened::no_answer)?;
            login.ssl_mode(SslMode::Disable);
            let (client, connection) = login.connect_raw(stream, NoTls).await.map_err(|e| refusal(&e))?;
            Ok(driven(client, connection))
        }
        (Reach::Tls { .. }, None) => Err(NotOpened::no_answer("no authority is pinned")),
    }
}

fn at<'a>(login: &'a mut Config, host: &str, port: u16, address: Option<IpAddr>) -> &'a mut Config {
    login.host(host).port(port);
    if let Some(address) = address {
        login.hostaddr(address);
    }
    login
}

fn driven<S, T>(client: Client, connection: tokio_postgres::Connection<S, T>) -> Dialled
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // Reported from PostgreSQL 14 on; a pooler that leaves it out is not the server.
    let primary = connection.parameter("in_hot_standby") == Some("off");
    let driver = tokio::spawn(async move {
        // A broken line is seen by the statement that waits on it.
        if let Err(e) = connection.await {
            tracing::debug!(why = cause(&e), "a connection to PostgreSQL ended");
        }
    });
    Dialled { client, primary, driver }
}

/// Sorts why there is no connection. The messages of the server name roles and
/// databases, never secrets.
fn refusal(e: &tokio_postgres::Error) -> NotOpened {
    match e.as_db_error() {
        Some(db) => NotOpened::Refused {
            code: db.code().code().to_owned(),
            routine: one_line(db.routine().unwrap_or_default()),
            message: one_line(db.message()),
        },
        None => NotOpened::NoAnswer { why: cause(e) },
    }
}
