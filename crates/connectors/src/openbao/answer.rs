//! What came back: a whole answer of the server, or why there is none.
//!
//! Whatever is not a whole answer of the server itself (a cut line, another
//! certificate, a page of a proxy, a redirect, a sealed server) is told apart here
//! from an answer, once, so that nobody takes silence for a refusal or a refusal
//! for silence.

use std::time::Duration;

use quell_core::secret::Secret;
use quell_engine::port::{Outcome, PlaneError};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{attempt::Failed, http::cause, said};

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A whole answer of the server.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: u16,
    body: Value,
    /// `update` on `auth/token/revoke-accessor`: what a missing privilege is called.
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
    Refused { status: u16, asked: String, said: String },
}

/// A login that was accepted.
#[derive(Clone, Debug)]
pub(super) struct LoggedIn {
    pub token: Secret,
    pub accessor: String,
    pub entity: String,
    pub seconds: i64,
}

/// Sends a request and reads its answer.
pub(super) async fn answer(request: reqwest::RequestBuilder, asked: String) -> Result<Reply, Failure> {
    let mut response = request.send().await.map_err(|e| match e.is_connect() || e.is_builder() {
        true => Failure::NotReached { why: cause(&e) },
        false => Failure::Lost { why: cause(&e) },
    })?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<i64>().ok());
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|e| Failure::Lost { why: format!("the answer broke off: {}", cause(&e)) })? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Garbled { why: "the answer is longer than any answer of OpenBao".to_owned() });
        }
        bytes.extend_from_slice(&chunk);
    }
    let garbled = |why: &str| Failure::Garbled { why: why.to_owned() };
    match status {
        429 => return Err(Failure::Later { retry_after_ms: retry_after.unwrap_or(1).clamp(1, 60) * 1_000 }),
        503 if is_sealed(&bytes) => return Err(Failure::Lost { why: "it is sealed; unseal it".to_owned() }),
        // Not initialised, in maintenance, overwhelmed: it does not answer for itself.
        473 | 472 | 501..=599 => return Err(Failure::Lost { why: format!("it answers {status}: {}", errors_of(&bytes)) }),
        300..=399 => return Err(garbled("it sends somewhere else, so it is not the node that decides; name the active one")),
        200 | 204 | 400 | 403 | 404 | 405 | 413 | 500 => {}
        _ => return Err(Failure::Garbled { why: format!("it answers {status}, which is nothing that OpenBao says") }),
    }
    let body = match (status, bytes.is_empty()) {
        (204, true) => Value::Null,
        // Of a name that the server cannot take at all: nothing was done.
        (400, true) => json!({"errors": ["the server cannot take such a name"]}),
        _ => serde_json::from_slice(&bytes).map_err(|_| garbled("the answer is not JSON"))?,
    };
    if !(body.is_object() || status == 204) {
        return Err(garbled("the answer is not a JSON object"));
    }
    Ok(Reply { status, body, asked })
}

impl Reply {
    /// `errors` of the answer, where it has that shape.
    pub(super) fn errors(&self) -> Option<Vec<String>> {
        self.body.get("errors")?.as_array()?.iter().map(|e| e.as_str().map(str::to_owned)).collect()
    }

    /// One of the errors says `text`.
    pub(super) fn says(&self, text: &str) -> bool {
        self.errors().is_some_and(|all| all.iter().any(|e| e.contains(text)))
    }

    /// There is nothing of that name: 404 and no error at all. A 404 with an error
    /// (`unsupported path`, no handler) is something else.
    pub(super) fn is_absent(&self) -> bool {
        self.status == 404 && self.errors().is_some_and(|e| e.is_empty())
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.status, 200 | 204)
    }

    /// A field beside `data`, as the raw answer has it.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.body.get(name)
    }

    /// What it holds, read as `T`.
    pub(super) fn data<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if !self.is_accepted() {
            return Err(self.refusal());
        }
        let data = self.body.get("data").filter(|d| d.is_object()).ok_or_else(|| self.garbled("it holds no `data`"))?;
        // The parser's message may quote what it read.
        T::deserialize(data).map_err(|_| self.garbled("`data` is not what was asked for"))
    }

    /// The keys of a listing; none where there is nothing to list.
    pub(super) fn keys(&self) -> Result<Vec<String>, Failure> {
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<String>,
        }
        if self.is_absent() { Ok(Vec::new()) } else { self.data::<Keys>().map(|k| k.keys) }
    }

    /// It was accepted; anything else is the refusal.
    pub(super) fn accepted(self) -> Result<Self, Failure> {
        if self.is_accepted() { Ok(self) } else { Err(self.refusal()) }
    }

    /// The login that it accepted.
    pub(super) fn login(&self) -> Result<LoggedIn, Failure> {
        #[derive(Deserialize)]
        struct Auth {
            client_token: String,
            accessor: String,
            #[serde(default)]
            entity_id: String,
            lease_duration: i64,
        }
        if !self.is_accepted() {
            return Err(self.refusal());
        }
        let auth = self.body.get("auth").filter(|a| a.is_object()).ok_or_else(|| self.garbled("it holds no `auth`"))?;
        let auth = Auth::deserialize(auth).map_err(|_| self.garbled("`auth` is not a login"))?;
        Ok(LoggedIn {
            token: Secret::new(auth.client_token),
            accessor: auth.accessor,
            entity: auth.entity_id,
            seconds: auth.lease_duration,
        })
    }

    pub(super) fn refusal(&self) -> Failure {
        let said = self.errors().map(|e| e.join("; ")).unwrap_or_default();
        Failure::Refused { status: self.status, asked: self.asked.clone(), said: one_line(&said) }
    }

    pub(super) fn garbled(&self, why: &str) -> Failure {
        Failure::Garbled { why: format!("asked for {}: {why}", self.asked) }
    }
}

fn errors_of(bytes: &[u8]) -> String {
    let errors = serde_json::from_slice::<Value>(bytes).ok();
    let errors = errors.as_ref().and_then(|v| v.get("errors")).and_then(Value::as_array).cloned().unwrap_or_default();
    one_line(&errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "))
}

/// It says so in its own answer, or as the error of any other.
fn is_sealed(bytes: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    answer.get("sealed") == Some(&Value::Bool(true)) || errors_of(bytes).contains("sealed")
}

/// At most 300 characters, on one line, without anything that moves a cursor.
pub(super) fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(said::CHARACTERS_MAX).collect();
    flat.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How long to wait where nothing else is said.
const RETRY: Duration = Duration::from_millis(500);

impl Failure {
    /// For a question.
    pub(super) fn plane_error(self, plane: &str) -> PlaneError {
        let plane = plane.to_owned();
        match self {
            Self::NotReached { why } | Self::Lost { why } => PlaneError::Unreachable { plane, why },
            Self::Garbled { why } => PlaneError::Garbled { plane, why },
            Self::Later { retry_after_ms } => PlaneError::Throttled { plane, retry_after_ms },
            Self::Refused { status: 500.., said, asked } => PlaneError::Garbled { plane, why: format!("asked for {asked}: {said}") },
            Self::Refused { status, asked, said } => PlaneError::NotPermitted { plane, why: refused(status, &asked, &said) },
        }
    }

    /// For an act.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            // Even where nothing was sent, reading again is what tells.
            Self::NotReached { why } | Self::Lost { why } | Self::Garbled { why } => Outcome::Unknown { reason: why },
            Self::Later { retry_after_ms } => Outcome::Throttled { retry_after_ms: retry_after_ms.max(RETRY.as_millis() as i64) },
            // Some of it may have been done before it failed.
            Self::Refused { status: 500.., said, asked } => Outcome::Unknown { reason: format!("{asked} failed: {said}") },
            Self::Refused { status, asked, said } => Outcome::Refused { reason: refused(status, &asked, &said) },
        }
    }
}

fn refused(status: u16, asked: &str, said: &str) -> String {
    match status {
        403 if asked.ends_with("login`") => {
            format!("refused Quell's own login ({said}); give it the configured secret again, or unlock it")
        }
        400 if asked.ends_with("login`") => format!("refused Quell's own login ({said}); give it the configured secret again"),
        403 if asked.contains("self") => {
            "refused Quell's own token; it expired or was revoked: put a new one into `secret_file`".to_owned()
        }
        403 => format!("does not let Quell {asked}; run the script of `quell connector bootstrap` again"),
        404 => format!("knows no {asked}: is it mounted elsewhere?"),
        _ => format!("refused {asked} with {status}: {said}"),
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

    fn reply(status: u16, body: Value) -> Reply {
        Reply { status, body, asked: "`read` on `x`".to_owned() }
    }

    #[test]
    fn silence_is_never_a_refusal_and_a_refusal_names_the_privilege() {
        let why = || "x".to_owned();
        for silent in [Failure::NotReached { why: why() }, Failure::Lost { why: why() }, Failure::Garbled { why: why() }] {
            assert!(matches!(silent.outcome(), Outcome::Unknown { .. }));
        }
        let failed = Failure::Refused { status: 500, asked: why(), said: why() };
        assert!(matches!(failed.outcome(), Outcome::Unknown { .. }), "it may be half done");
        let denied = reply(403, json!({"errors": ["permission denied"]})).refusal();
        assert!(
            matches!(denied.outcome(), Outcome::Refused { reason } if reason.contains("`read` on `x`") && reason.contains("bootstrap"))
        );
        assert!(matches!(Failure::Later { retry_after_ms: 1_000 }.outcome(), Outcome::Throttled { .. }));
    }

    #[test]
    fn only_a_404_without_an_error_is_an_absence() {
        assert!(reply(404, json!({"errors": []})).is_absent());
        for other in [json!({"errors": ["unsupported path"]}), json!({"data": {"error": "x"}}), json!({}), json!({"errors": "none"})] {
            assert!(!reply(404, other.clone()).is_absent(), "{other}");
        }
        assert!(!reply(200, json!({"errors": []})).is_absent());
    }

    #[test]
    fn an_answer_of_another_shape_is_not_understood() {
        for body in [json!({}), json!({"data": null}), json!({"data": []}), json!({"data": {"keys": "x"}}), json!({"data": {"keys": [1]}})]
        {
            assert!(matches!(reply(200, body.clone()).keys(), Err(Failure::Garbled { .. })), "{body}");
        }
        assert!(
            matches!(reply(200, json!({"auth": {"client_token": 1}})).login(), Err(Failure::Garbled { why }) if !why.contains("client_token"))
        );
    }
}
