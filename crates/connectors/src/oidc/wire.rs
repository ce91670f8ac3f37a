//! Speaking to the provider: one call at a time with a deadline, as Quell's client, as
//! another one, or as nobody. What becomes of the world is sorted here, once: whatever is
//! not a whole answer of the provider itself (a cut line, another certificate, a page of a
//! proxy, a redirect) is neither yes nor no.

use std::{net::SocketAddr, sync::Arc};

use quell_core::{
    proof::Channel,
    secret::Secret,
    time::{Timestamp, after},
};
use quell_engine::port::{Clock, Outcome, PlaneError};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    config::{OidcConfig, Reach},
    discovery::{self, Metadata},
};
use crate::{attempt::Failed, http::cause, pool::Gate, said::one_line};

/// The scope of Quell's own token.
pub(super) const SCOPE: &str = "quell:admin";
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How long to wait where nothing else is said.
const RETRY_MS: i64 = 500;

/// A whole answer of the provider.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: u16,
    body: Value,
    asked: String,
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing was sent.
    NotReached { why: String },
    /// It was sent, and what became of it is not known.
    Lost { why: String },
    /// It answered and is not to be understood.
    Garbled { why: String },
    /// It asks to wait.
    Later { retry_after_ms: i64 },
    /// It said no.
    Refused { why: String },
}

impl Failed for Failure {
    fn outcome(self: Box<Self>) -> Outcome {
        match *self {
            // Even where nothing was sent, reading again is what tells.
            Self::NotReached { why } | Self::Lost { why } | Self::Garbled { why } => Outcome::Unknown { reason: why },
            Self::Later { retry_after_ms } => Outcome::Throttled { retry_after_ms: retry_after_ms.max(RETRY_MS) },
            Self::Refused { why } => Outcome::Refused { reason: why },
        }
    }

    fn plane_error(self: Box<Self>, plane: &str) -> PlaneError {
        self.for_plane(plane)
    }
}

impl Failure {
    pub(super) fn for_plane(self, plane: &str) -> PlaneError {
        let plane = plane.to_owned();
        match self {
            Self::NotReached { why } | Self::Lost { why } => PlaneError::Unreachable { plane, why },
            Self::Garbled { why } => PlaneError::Garbled { plane, why },
            Self::Later { retry_after_ms } => PlaneError::Throttled { plane, retry_after_ms },
            Self::Refused { why } => PlaneError::NotPermitted { plane, why },
        }
    }

    /// For a control, in a line.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::NotReached { why } | Self::Lost { why } => format!("no answer: {why}"),
            Self::Garbled { why } | Self::Refused { why } => why,
            Self::Later { .. } => "it asks to wait".to_owned(),
        }
    }
}

impl Reply {
    /// `error` of the answer (RFC 6749 section 5.2), where it has one.
    pub(super) fn error(&self) -> Option<&str> {
        self.body.get("error")?.as_str()
    }

    pub(super) fn is(&self, status: u16, error: &str) -> bool {
        self.status == status && self.error() == Some(error)
    }

    /// What it holds, read as `T`. The parser's message may quote what it read, so it is
    /// left out.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.status != 200 {
            return Err(self.refusal());
        }
        T::deserialize(&self.body).map_err(|_| self.garbled("it is not what was asked for"))
    }

    pub(super) fn refusal(&self) -> Failure {
        let said = one_line(self.error().unwrap_or("no reason"));
        match self.status {
            500.. => Failure::Lost { why: format!("asked for {} it answers {}: {said}", self.asked, self.status) },
            status => Failure::Refused { why: format!("refused {} with {status}: {said}", self.asked) },
        }
    }

    pub(super) fn garbled(&self, why: &str) -> Failure {
        Failure::Garbled { why: format!("asked for {}: {why}", self.asked) }
    }
}

/// Quell's own token while it is good.
#[derive(Clone)]
struct Own {
    token: Secret,
    renew_at: Timestamp,
}

/// Who authenticates at an endpoint of the provider.
#[derive(Clone, Copy)]
pub(super) enum As<'a> {
    /// HTTP Basic (RFC 6749 section 2.3.1).
    Client { id: &'a str, secret: &'a Secret },
    /// A client that keeps no secret.
    Public { id: &'a str },
}

/// A token that the provider handed out.
pub(super) struct Granted {
    pub token: Secret,
    pub seconds: i64,
}

/// The way to one provider.
pub(super) struct Wire {
    config: OidcConfig,
    http: Client,
    base: Url,
    /// Scheme and host of the issuer, and the path behind them.
    issuer: (String, String),
    clock: Arc<dyn Clock>,
    gate: Gate,
    own: Mutex<Option<Own>>,
    known: Mutex<Option<Metadata>>,
}

impl Wire {
    pub(super) fn new(config: OidcConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        let refuse = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
        let (ca_pem, host, port, address) = match &config.reach {
            Reach::Tls { host, port, address, ca_pem } => (Some(ca_pem.as_str()), host, *port, *address),
            Reach::Clear { host, port, address } => (None, host, *port, *address),
        };
        let at = address.map(|address| SocketAddr::new(address, port));
        let http = crate::http::client(ca_pem, host, at, config.call_timeout, config.calls_max).map_err(refuse)?;
        let base = Url::parse(&config.endpoint()).map_err(|e| refuse(format!("has no usable host and port: {e}")))?;
        let issuer = config.issuer_parts().ok_or_else(|| refuse("has an `issuer` that is no URL".to_owned()))?;
        let gate = Gate::new(config.calls_max);
        Ok(Self { config, http, base, issuer, clock, gate, own: Mutex::new(None), known: Mutex::new(None) })
    }

    /// How the provider is known to be the one that was meant. A connection that fails
    /// its check is never used, so this holds for every answer.
    pub(super) fn channel(&self) -> Channel {
        match self.config.reach {
            Reach::Tls { .. } => Channel::TlsPinned,
            Reach::Clear { .. } => Channel::Unauthenticated,
        }
    }

    /// Where its endpoints are, asked once (RFC 8414).
    pub(super) async fn metadata(&self) -> Result<Metadata, Failure> {
        let mut known = self.known.lock().await;
        if let Some(metadata) = known.as_ref() {
            return Ok(metadata.clone());
        }
        let path = format!("{}/.well-known/openid-configuration", self.issuer.1);
        let reply = self.send(self.http.get(self.at(&path)), "its metadata").await?;
        let metadata = discovery::read(&reply, &self.config.issuer(), &self.issuer.0)?;
        *known = Some(metadata.clone());
        Ok(metadata)
    }

    /// Its keys (RFC 7517), asked each time: they change without notice.
    pub(super) async fn keys(&self) -> Result<Reply, Failure> {
        let metadata = self.metadata().await?;
        self.send(self.http.get(self.at(&metadata.keys)), "its keys").await
    }

    /// A form to an endpoint of the provider.
    pub(super) async fn post(&self, path: &str, who: As<'_>, form: &[(&str, &str)], asked: &str) -> Result<Reply, Failure> {
        let mut form = form.to_vec();
        let mut request = self.http.post(self.at(path));
        match who {
            As::Client { id, secret } => request = request.basic_auth(encoded(id), Some(encoded(secret.expose()))),
            As::Public { id } => form.push(("client_id", id)),
        }
        self.send(request.form(&form), asked).await
    }

    /// A token of a client for itself (RFC 6749 section 4.4).
    pub(super) async fn client_token(&self, id: &str, secret: &Secret, scope: Option<&str>) -> Result<Granted, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            #[serde(default)]
            expires_in: Option<i64>,
        }
        let metadata = self.metadata().await?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.map(|scope| ("scope", scope)));
        let asked = format!("a token of the client `{id}`");
        let answer: Answer = self.post(&metadata.token, As::Client { id, secret }, &form, &asked).await?.read()?;
        Ok(Granted { token: Secret::new(answer.access_token), seconds: answer.expires_in.unwrap_or(60).clamp(1, 86_400) })
    }

    /// A call of the admin plane as Quell. A token that is not good any more is replaced
    /// once: a 401 changed nothing.
    pub(super) async fn admin(&self, method: Method, parts: &[&str], body: Option<&Value>) -> Result<Reply, Failure> {
        let token = self.own().await?;
        let reply = self.send_admin(method.clone(), parts, body, &token).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        self.forget(&token).await;
        let token = self.own().await?;
        self.send_admin(method, parts, body, &token).await
    }

    /// A document to an endpoint of the provider, with Quell's own token.
    pub(super) async fn post_document(&self, path: &str, body: &Value, asked: &str) -> Result<Reply, Failure> {
        let token = self.own().await?;
        self.send(self.http.post(self.at(path)).bearer_auth(token.expose()).json(body), asked).await
    }

    async fn send_admin(&self, method: Method, parts: &[&str], body: Option<&Value>, token: &Secret) -> Result<Reply, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(self.issuer.1.split('/').filter(|part| !part.is_empty()));
            path.extend(["admin", "v1"]).extend(parts);
        }
        let asked = format!("`{} {}` of the admin plane", method.as_str(), parts.first().copied().unwrap_or_default());
        let mut request = self.http.request(method, url).bearer_auth(token.expose());
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request, &asked).await
    }

    async fn own(&self) -> Result<Secret, Failure> {
        let mut kept = self.own.lock().await;
        let now = self.clock.now();
        if let Some(own) = kept.as_ref().filter(|own| now < own.renew_at) {
            return Ok(own.token.clone());
        }
        let new = self.client_token(&self.config.client, &self.config.secret, Some(SCOPE)).await?;
        *kept = Some(Own { token: new.token.clone(), renew_at: after(now, new.seconds / 2) });
        Ok(new.token)
    }

    async fn forget(&self, token: &Secret) {
        let mut kept = self.own.lock().await;
        if kept.as_ref().is_some_and(|own| own.token.expose() == token.expose()) {
            *kept = None;
        }
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        url
    }

    async fn send(&self, request: RequestBuilder, asked: &str) -> Result<Reply, Failure> {
        let _turn = self.gate.turn(self.config.call_timeout).await.map_err(|why| Failure::NotReached { why })?;
        let mut response = request.send().await.map_err(|e| match e.is_connect() || e.is_builder() {
            true => Failure::NotReached { why: cause(&e) },
            false => Failure::Lost { why: cause(&e) },
        })?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<i64>().ok());
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|e| Failure::Lost { why: format!("the answer broke off: {}", cause(&e)) })? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Garbled { why: "the answer is longer than 16 MiB".to_owned() });
            }
            bytes.extend_from_slice(&chunk);
        }
        let garbled = |why: String| Failure::Garbled { why };
        match status {
            429 => return Err(Failure::Later { retry_after_ms: retry_after.unwrap_or(1).clamp(1, 60) * 1_000 }),
            503 => return Err(Failure::Lost { why: "it answers 503: it does not serve now".to_owned() }),
            300..=399 => return Err(garbled("it sends somewhere else, so it is not the one that decides".to_owned())),
            200 | 204 | 400 | 401 | 403 | 404 | 405 | 500 => {}
            _ => return Err(garbled(format!("it answers {status}, which is nothing that a provider says here"))),
        }
        let body = match bytes.is_empty() {
            true if status == 204 || status == 200 => Value::Null,
            _ => serde_json::from_slice(&bytes).map_err(|_| garbled(format!("asked for {asked}: the answer is not JSON")))?,
        };
        Ok(Reply { status, body, asked: asked.to_owned() })
    }
}

/// Names and secrets in HTTP Basic are of a form first (RFC 6749 section 2.3.1).
fn encoded(text: &str) -> String {
    let mut url = Url::parse("x:?").expect("a URL");
    url.query_pairs_mut().append_pair("", text);
    url.query().unwrap_or_default().trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(status: u16, body: Value) -> Reply {
        Reply { status, body, asked: "it".to_owned() }
    }

    #[test]
    fn silence_is_never_a_refusal() {
        let why = || "x".to_owned();
        for silent in [Failure::NotReached { why: why() }, Failure::Lost { why: why() }, Failure::Garbled { why: why() }] {
            assert!(matches!(Box::new(silent).outcome(), Outcome::Unknown { .. }));
        }
        assert!(matches!(reply(500, json!({"error": "server_error"})).refusal(), Failure::Lost { .. }), "some of it may be done");
        assert!(matches!(reply(403, json!({"error": "protected"})).refusal(), Failure::Refused { why } if why.contains("protected")));
        assert!(reply(404, json!({"error": "not_found"})).is(404, "not_found"));
        assert!(!reply(404, json!({"error": ["not_found"]})).is(404, "not_found"));
    }

    #[test]
    fn an_answer_of_another_shape_is_not_understood_and_not_quoted() {
        #[derive(Debug, Deserialize)]
        struct Active {
            #[expect(dead_code, reason = "its shape is what is asked for")]
            active: bool,
        }
        for body in [json!({}), json!([]), json!(null), json!({"active": "secret-value"})] {
            let failure = reply(200, body).read::<Active>().expect_err("another shape");
            assert!(matches!(&failure, Failure::Garbled { why } if !why.contains("secret-value")), "{failure:?}");
        }
    }

    #[test]
    fn what_goes_into_basic_is_encoded_first() {
        assert_eq!(encoded("a:b c%/\u{fc}"), "a%3Ab+c%25%2F%C3%BC");
        assert_eq!(encoded("quell-lab-secret-0af"), "quell-lab-secret-0af");
        assert_eq!(encoded("=x"), "%3Dx");
    }
}
