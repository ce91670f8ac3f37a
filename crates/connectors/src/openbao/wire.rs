//! Speaking to the server: one call at a time with a deadline, as Quell or as
//! somebody else. A path is filled from what [`super::native`] has read, so that it
//! asks about nothing else than what was meant.

use std::{net::SocketAddr, sync::Arc};

use quell_core::{
    proof::Channel,
    secret::Secret,
    time::{Timestamp, after, seconds_between},
};
use quell_engine::port::{Clock, PlaneError};
use reqwest::{Client, Method, Url, header::HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

use super::{
    answer::{Failure, LoggedIn, Reply, answer},
    config::{Login, OWN_MOUNT, OpenBaoConfig, Reach},
};
use crate::pool::Gate;

/// What a call does, as policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    List,
    Update,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Update => "update",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Read => Method::GET,
            Self::List => Method::from_bytes(b"LIST").expect("a token of HTTP"),
            Self::Update => Method::POST,
        }
    }
}

/// One call: a path as a policy writes it, and what stands for its `+` and `*`.
/// What fills a `+` or `*` has been read by [`super::native`], so it stays there.
#[derive(Clone, Debug)]
pub(super) struct Call {
    verb: Verb,
    pattern: &'static str,
    args: Vec<String>,
    query: Vec<(&'static str, String)>,
}

impl Call {
    pub(super) fn new(verb: Verb, pattern: &'static str, args: &[&str]) -> Self {
        Self { verb, pattern, args: args.iter().map(|a| (*a).to_owned()).collect(), query: Vec::new() }
    }

    /// The same with a parameter.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }
}

/// Quell's own token while it is good.
#[derive(Clone, Debug)]
pub(super) struct Own {
    token: Secret,
    pub accessor: String,
    pub entity: String,
    pub policies: Vec<String>,
    renew_at: Option<Timestamp>,
}

/// The way to one server.
pub(super) struct Wire {
    config: OpenBaoConfig,
    http: Client,
    base: Url,
    clock: Arc<dyn Clock>,
    gate: Gate,
    own: Mutex<Option<Own>>,
}

impl Wire {
    pub(super) fn new(config: OpenBaoConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        let refuse = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
        let (ca_pem, host, port, address) = match &config.reach {
            Reach::Tls { host, port, address, ca_pem } => (Some(ca_pem.as_str()), host, *port, *address),
            Reach::Clear { host, port, address } => (None, host, *port, *address),
        };
        let at = address.map(|address| SocketAddr::new(address, port));
        let http = crate::http::client(ca_pem, host, at, config.call_timeout, config.calls_max).map_err(refuse)?;
        let base = Url::parse(&config.endpoint()).map_err(|e| refuse(format!("has no usable host and port: {e}")))?;
        let gate = Gate::new(config.calls_max);
        Ok(Self { config, http, base, clock, gate, own: Mutex::new(None) })
    }

    /// How the server is known to be the one that was meant. A connection that
    /// fails its check is never used, so this holds for every answer.
    pub(super) fn channel(&self) -> Channel {
        match self.config.reach {
            Reach::Tls { .. } => Channel::TlsPinned,
            Reach::Clear { .. } => Channel::Unauthenticated,
        }
    }

    /// Calls as Quell. A token that is not good any more is replaced once: a 403
    /// changed nothing.
    pub(super) async fn call(&self, call: Call, body: Option<Value>) -> Result<Reply, Failure> {
        let own = self.own().await?;
        let reply = self.send(&call, body.as_ref(), Some(&own.token)).await?;
        if reply.status == 403
            && matches!(self.config.login, Login::AppRole { .. })
            && reply.errors().as_deref() == Some(&["permission denied".to_owned()])
        {
            self.forget(&own.accessor).await;
            let again = self.own().await?;
            return self.send(&call, body.as_ref(), Some(&again.token)).await;
        }
        Ok(reply)
    }

    /// Calls as nobody, or with somebody else's token.
    pub(super) async fn call_as(&self, call: Call, body: Option<Value>, token: Option<&Secret>) -> Result<Reply, Failure> {
        self.send(&call, body.as_ref(), token).await
    }

    /// Logs an AppRole in; the role-id is the role's name for Quell's own.
    pub(super) async fn login_role(&self, mount: &str, role_id: &str, secret_id: &Secret) -> Result<LoggedIn, Failure> {
        let call = Call::new(Verb::Update, "auth/+/login", &[mount]);
        self.send(&call, Some(&json!({"role_id": role_id, "secret_id": secret_id.expose()})), None).await?.login()
    }

    /// Logs a user in by password.
    pub(super) async fn login_user(&self, mount: &str, user: &str, password: &Secret) -> Result<LoggedIn, Failure> {
        let call = Call::new(Verb::Update, "auth/+/login/+", &[mount, user]);
        self.send(&call, Some(&json!({"password": password.expose()})), None).await?.login()
    }

    /// Ends a token of our own making, with itself.
    pub(super) async fn end(&self, token: &Secret) {
        let ended = self.send(&Call::new(Verb::Update, "auth/token/revoke-self", &[]), None, Some(token)).await;
        if let Err(failure) = ended {
            tracing::warn!(plane = self.config.name, ?failure, "a token of our own probe was not ended and lives until its time is over");
        }
    }

    /// Quell's own token: the one that is kept, renewed, or a new one.
    pub(super) async fn own(&self) -> Result<Own, Failure> {
        let mut kept = self.own.lock().await;
        let now = self.clock.now();
        if let Some(own) = kept.as_ref()
            && own.renew_at.is_none_or(|at| now < at)
        {
            return Ok(own.clone());
        }
        let own = match &self.config.login {
            Login::AppRole { role, secret_id } => {
                let new = self.login_role(OWN_MOUNT, role, secret_id).await?;
                Own {
                    renew_at: Some(after(now, new.seconds / 2)),
                    policies: Vec::new(),
                    accessor: new.accessor,
                    entity: new.entity,
                    token: new.token,
                }
            }
            Login::Token(token) => self.examine(token, kept.is_some(), now).await?,
        };
        *kept = Some(own.clone());
        Ok(own)
    }

    /// A configured token: what it is, and renewed where that is due.
    async fn examine(&self, token: &Secret, renew: bool, now: Timestamp) -> Result<Own, Failure> {
        if renew {
            // A token that cannot be renewed is used until it is refused.
            let _ = self.send(&Call::new(Verb::Update, "auth/token/renew-self", &[]), None, Some(token)).await?;
        }
        #[derive(Deserialize)]
        struct Seen {
            accessor: String,
            #[serde(default)]
            entity_id: String,
            ttl: i64,
            #[serde(default)]
            policies: Vec<String>,
        }
        let seen: Seen = self.send(&Call::new(Verb::Read, "auth/token/lookup-self", &[]), None, Some(token)).await?.data()?;
        let renew_at = (seen.ttl > 0).then(|| after(now, (seen.ttl / 2).max(1)));
        Ok(Own { token: token.clone(), accessor: seen.accessor, entity: seen.entity_id, policies: seen.policies, renew_at })
    }

    async fn forget(&self, accessor: &str) {
        let mut kept = self.own.lock().await;
        if kept.as_ref().is_some_and(|own| own.accessor == accessor) {
            *kept = None;
        }
    }

    async fn send(&self, call: &Call, body: Option<&Value>, token: Option<&Secret>) -> Result<Reply, Failure> {
        let within = self.config.call_timeout;
        let not_reached = |why: &str| Failure::NotReached { why: why.to_owned() };
        let url = self.url(call).ok_or_else(|| not_reached("the name cannot be part of a path"))?;
        let mut request = self.http.request(call.verb.method(), url);
        if let Some(token) = token {
            // A token with a character that no header may hold is no token of this server.
            let mut value = HeaderValue::from_str(token.expose()).map_err(|_| not_reached("the token holds what cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header("X-Vault-Token", value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let _turn = self.gate.turn(within).await.map_err(|why| Failure::NotReached { why })?;

        // From here on something may have been sent.
        let asked = format!("`{}` on `{}`", call.verb.name(), call.pattern);
        timeout(within, answer(request, asked))
            .await
            .unwrap_or_else(|_| Err(Failure::Lost { why: format!("no answer within {} ms", within.as_millis()) }))
    }

    fn url(&self, call: &Call) -> Option<Url> {
        let mut url = self.base.clone();
        let mut args = call.args.iter();
        {
            let mut parts = url.path_segments_mut().ok()?;
            parts.clear().push("v1");
            for part in call.pattern.split('/') {
                if matches!(part, "+" | "*") {
                    for piece in args.next()?.split('/') {
                        // The URL would resolve it, and ask about something else.
                        if matches!(piece, "" | "." | "..") {
                            return None;
                        }
                        parts.push(piece);
                    }
                } else {
                    parts.push(part);
                }
            }
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        args.next().is_none().then_some(url)
    }

    /// Seconds that a kept thing of ours is still good for, never negative.
    pub(super) fn seconds_left(&self, until: Timestamp) -> i64 {
        seconds_between(self.clock.now(), until)
    }
}
