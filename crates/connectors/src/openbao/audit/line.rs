//! One line of the log: a call, or its answer.

use std::collections::BTreeMap;

use quell_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) time: Timestamp,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) auth: Option<Auth>,
    pub(super) request: Request,
    #[serde(default)]
    pub(super) response: Option<Response>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Auth {
    #[serde(default)]
    pub(super) accessor: Option<String>,
    #[serde(default)]
    pub(super) client_token: Option<String>,
    #[serde(default)]
    pub(super) entity_id: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    pub(super) operation: String,
    #[serde(default)]
    pub(super) path: String,
    #[serde(default)]
    pub(super) mount_type: String,
    #[serde(default)]
    pub(super) client_token: Option<String>,
    #[serde(default)]
    pub(super) remote_address: Option<String>,
    #[serde(default)]
    pub(super) data: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Response {
    #[serde(default)]
    pub(super) auth: Option<Auth>,
    #[serde(default)]
    pub(super) secret: Option<Leased>,
    #[serde(default)]
    pub(super) data: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Leased {
    #[serde(default)]
    pub(super) lease_id: String,
}

impl Line {
    /// It tells how a call ended.
    pub(super) fn is_response(&self) -> bool {
        self.kind == "response"
    }

    /// Of every token that it names, by the hash of its accessor: what stands for the value.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        let made = self.response.as_ref().and_then(|r| r.auth.as_ref());
        [self.auth.as_ref(), made].into_iter().flatten().filter_map(|a| Some((a.accessor.as_deref()?, a.client_token.as_deref()?)))
    }

    /// What was used in this call: the token, or the secret-id or password of a login.
    /// Quell's own questions about a value are no uses of it.
    pub(super) fn used(&self) -> impl Iterator<Item = &str> {
        let login = self.request.path.ends_with("/login") || self.request.path.contains("/login/");
        let data = self.request.data.as_ref().filter(|_| login);
        let presented = ["secret_id", "password"].into_iter().filter_map(move |f| data?.get(f)?.as_str());
        self.request.client_token.as_deref().into_iter().chain(presented)
    }

    /// Of a login the answer must hold a token; any other call must not have failed.
    pub(super) fn is_accepted(&self) -> bool {
        let login = self.request.client_token.is_none();
        self.error.is_none() && (!login || self.response.as_ref().is_some_and(|r| r.auth.is_some()))
    }
}
