//! Speaking to the server: connecting, keeping connections, one statement at a
//! time with a deadline, and logins of others for probes.
//!
//! What becomes of the world is sorted here, once, by how far a call came: an
//! error before the statement was sent changed nothing, an error that the server
//! answered rolled back, and silence after sending is unknown.

use std::{collections::BTreeMap, fmt, time::Duration};

use quell_core::{proof::Channel, secret::Secret};
use quell_engine::port::{Outcome, PlaneError};
use tokio::time::timeout;
use tokio_postgres::{
    Client, Row, SimpleQueryMessage, Statement,
    types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

use super::{
    config::{PostgresConfig, Reach},
    dial::{self, Dialled, NotOpened},
};
use crate::{
    attempt::Failed,
    pool::{Broken, Ours, Pool},
    said::{cause, one_line},
    vantage::NOT_PROVEN,
};

/// Kept connections to one server, and the way to open others.
pub(super) struct Wire {
    config: PostgresConfig,
    tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
    pool: Pool<Kept>,
    /// Process and start of the sessions.
    ours: Ours<(i32, i64)>,
}

struct Kept {
    client: Client,
    statements: BTreeMap<&'static str, Statement>,
}

/// Why a statement has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing was sent.
    NotReached { why: String },
    /// The server answered with an error; what the statement did is rolled back.
    Answered { code: String, message: String },
    /// It was sent, and what became of it is not known.
    Lost { why: String },
}

/// A parameter that holds a verifier: the driver shows parameters in its debug log.
pub(super) struct Sealed<'a>(pub &'a str);

impl fmt::Debug for Sealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

impl ToSql for Sealed<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.to_sql(ty, out)
    }
    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }
    to_sql_checked!();
}

/// One parameter of a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

impl Wire {
    pub(super) fn new(config: PostgresConfig) -> Result<Self, PlaneError> {
        let tls = match &config.reach {
            Reach::Tls { ca_pem, .. } => {
                Some(dial::pinned(ca_pem).map_err(|why| PlaneError::NotPermitted { plane: config.name.clone(), why })?)
            }
            Reach::Unix { .. } | Reach::Clear { .. } => None,
        };
        let pool = Pool::new(config.connections_max);
        Ok(Self { config, tls, pool, ours: Ours::default() })
    }

    /// How the server is known to be the one that was meant. A connection that
    /// fails its check is never used, so this holds for every answer.
    pub(super) fn channel(&self) -> Channel {
        match self.config.reach {
            Reach::Tls { .. } => Channel::TlsPinned,
            Reach::Unix { .. } => Channel::UnixSocket,
            Reach::Clear { .. } => Channel::Unauthenticated,
        }
    }

    /// Asks what changes nothing. A kept connection that turns out to be closed
    /// is replaced and asked once more.
    pub(super) async fn ask(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        match self.run(sql, params).await {
            Err(broken) if broken.was_kept => self.run(sql, params).await,
            other => other,
        }
        .map_err(|broken| broken.failure)
    }

    /// Runs what changes something: once, whatever happens.
    pub(super) async fn tell(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        self.run(sql, params).await.map_err(|broken| broken.failure)
    }

    async fn run(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Broken<Failure>> {
        let within = self.config.call_timeout;
        let turn = self.pool.gate().turn(within).await;
        let _turn = turn.map_err(|why| Broken::at_last(Failure::NotReached { why }))?;

        let (mut kept, was_kept) = match self.pool.take(|kept| kept.client.is_closed()) {
            Some(kept) => (kept, true),
            None => {
                let dialled = self.dial(&self.config.username, &self.config.secret, "quell").await;
                let client = dialled.map_err(|not_opened| Broken::at_last(Failure::from(not_opened)))?.client;
                (Kept { client, statements: BTreeMap::new() }, false)
            }
        };

        // From here on something may have been sent.
        let outcome = timeout(within, async {
            let statement = match kept.statements.get(sql) {
                Some(statement) => statement.clone(),
                None => {
                    let statement = kept.client.prepare(sql).await?;
                    kept.statements.insert(sql, statement.clone());
                    statement
                }
            };
            kept.client.query(&statement, params).await
        })
        .await;
        match outcome {
            Ok(Ok(rows)) => {
                self.pool.give_back(kept);
                Ok(rows)
            }
            Ok(Err(e)) => match answered(&e) {
                Some(failure @ Failure::Answered { .. }) => {
                    // A statement of before the functions were made anew is of no use.
                    if !kept.client.is_closed() && !stale_statement(&failure) {
                        self.pool.give_back(kept);
                    }
                    Err(Broken::at_last(failure))
                }
                _ => Err(Broken { failure: Failure::Lost { why: cause(&e) }, was_kept: was_kept && kept.client.is_closed() }),
            },
            // Dropping the connection is what tells the server that nobody waits.
            Err(_) => Err(Broken::at_last(Failure::Lost { why: format!("no answer within {} ms", within.as_millis()) })),
        }
    }

    async fn dial(&self, user: &str, secret: &Secret, application: &str) -> Result<Dialled, NotOpened> {
        let within = self.config.call_timeout;
        let late = || NotOpened::NoAnswer { why: format!("no connection within {} ms", within.as_millis()) };
        timeout(within, dial::dial(&self.config, self.tls.as_ref(), user, secret, application)).await.unwrap_or_else(|_| Err(late()))
    }

    /// One of our own probes opened this session.
    pub(super) fn is_ours(&self, pid: i32, started_us: i64) -> bool {
        self.ours.has(&(pid, started_us))
    }

    /// Logs in as somebody and ends the session at once. Answers whether it was
    /// a primary.
    ///
    /// # Errors
    ///
    /// What the server answered, or that it did not.
    pub(super) async fn login(&self, user: &str, secret: &Secret) -> Result<bool, NotOpened> {
        // Over clear TCP whoever listens could ask for the password itself.
        if self.channel() == Channel::Unauthenticated {
            return Err(NotOpened::NoAnswer { why: NOT_PROVEN.to_owned() });
        }
        let dialled = self.dial(user, secret, "quell-probe").await?;
        // The session may be listed for a moment after it was closed, and must not
        // be taken for the consumer's or the intruder's. Its name would not do:
        // everybody may call a session that.
        if let Ok(Some(own)) = timeout(self.config.call_timeout, which(&dialled.client)).await {
            self.ours.add(own);
        }
        let primary = dialled.primary;
        dialled.close().await;
        Ok(primary)
    }
}

/// The process and start of this very session.
async fn which(client: &Client) -> Option<(i32, i64)> {
    let own = "SELECT a.pid, (extract(epoch FROM a.backend_start) * 1000000)::bigint
        FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a";
    client.simple_query(own).await.ok()?.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?.parse().ok()?, row.get(1)?.parse().ok()?)),
        _ => None,
    })
}

impl From<NotOpened> for Failure {
    fn from(not_opened: NotOpened) -> Self {
        match not_opened {
            NotOpened::NoAnswer { why } => Self::NotReached { why },
            NotOpened::Refused { code, message, .. } => Self::Answered { code, message },
        }
    }
}

fn stale_statement(failure: &Failure) -> bool {
    matches!(failure, Failure::Answered { code, .. } if matches!(code.as_str(), "0A000" | "26000" | "42883" | "XX000"))
}

/// The error that the server itself answered with.
fn answered(e: &tokio_postgres::Error) -> Option<Failure> {
    let db = e.as_db_error()?;
    let code = db.code().code().to_owned();
    // The server ends the session: what the statement did is not known.
    if matches!(code.as_str(), "57P01" | "57P02" | "57P05" | "57014") {
        return Some(Failure::Lost { why: format!("the server ended it with `{code}`") });
    }
    Some(Failure::Answered { code, message: one_line(db.message()) })
}

/// How long to wait where the server is starting, stopping or full.
const RETRY: Duration = Duration::from_millis(500);

impl Failure {
    /// For a question.
    pub(super) fn plane_error(self, plane: &str) -> PlaneError {
        let plane = plane.to_owned();
        match self {
            Self::NotReached { why } | Self::Lost { why } => PlaneError::Unreachable { plane, why },
            Self::Answered { code, .. } if later(&code) => PlaneError::Throttled { plane, retry_after_ms: RETRY.as_millis() as i64 },
            Self::Answered { code, message } if code == "42501" || code == "42883" || code == "3F000" || code.starts_with("28") => {
                PlaneError::NotPermitted { plane, why: refused(&code, &message) }
            }
            Self::Answered { code, message } => PlaneError::Garbled { plane, why: format!("`{code}`: {message}") },
        }
    }

    /// For an act.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            // The time ran out or the line broke: even where nothing was sent,
            // reading again is what tells.
            Self::NotReached { why } | Self::Lost { why } => Outcome::Unknown { reason: why },
            Self::Answered { code, .. } if later(&code) => Outcome::Throttled { retry_after_ms: RETRY.as_millis() as i64 },
            Self::Answered { code, message } => Outcome::Refused { reason: refused(&code, &message) },
        }
    }
}

/// Full, starting, stopping, locked, or in conflict with another transaction.
fn later(code: &str) -> bool {
    matches!(code, "53300" | "57P03" | "53200" | "53400" | "40001" | "40P01" | "55P03" | "55006")
}

fn refused(code: &str, message: &str) -> String {
    match code {
        "42883" | "3F000" => {
            format!("has no functions of Quell in this database (`{code}`); run the script of `quell connector bootstrap`")
        }
        "28P01" | "28000" => format!("refused Quell's own login (`{code}`); give it the configured secret again"),
        _ => format!("refused with `{code}`: {message}"),
    }
}

impl Failed for Failure {
    fn outcome(self: Box<Self>) -> Outcome {
        (*self).outcome()
    }

    fn plane_error(self: Box<Self>, plane: &str) -> PlaneError {
        (*self).plane_error(plane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_parameter_shows_nothing_in_the_drivers_log() {
        let verifier = "SCRAM-SHA-256$4096:c2FsdA==$a:b";
        let params: [Param<'_>; 2] = [&Sealed(verifier), &Some(Sealed(verifier))];
        assert!(!format!("{params:?} {params:#?}").contains("SCRAM"));
    }

    #[test]
    fn silence_is_never_a_refusal_and_a_refusal_names_its_code() {
        let why = || "x".to_owned();
        for silent in [Failure::NotReached { why: why() }, Failure::Lost { why: why() }] {
            assert!(matches!(silent.clone().outcome(), Outcome::Unknown { .. }));
            assert!(matches!(silent.plane_error("pg"), PlaneError::Unreachable { .. }));
        }
        for code in ["53300", "57P03", "40001", "55P03"] {
            let later = Failure::Answered { code: code.to_owned(), message: why() };
            assert!(matches!(later.clone().outcome(), Outcome::Throttled { .. }), "{code}");
            assert!(matches!(later.plane_error("pg"), PlaneError::Throttled { .. }), "{code}");
        }
        for code in ["42501", "28P01", "42883", "22023", "25006"] {
            let refused = Failure::Answered { code: code.to_owned(), message: why() };
            assert!(matches!(refused.outcome(), Outcome::Refused { reason } if reason.contains(code)), "{code}");
        }
    }
}
