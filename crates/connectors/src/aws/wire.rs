//! Speaking to IAM and STS: one signed call of the query protocol at a time, with a
//! deadline, as Quell or as somebody else.
//!
//! Whatever is no whole answer of AWS (a cut line, a page of a proxy, a redirect) is told
//! apart here, once, from a refusal with its code.

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quell_core::{proof::Channel, secret::Secret, time::Timestamp};
use quell_engine::port::{Clock, Outcome, PlaneError};
use reqwest::{Client, Url};
use roxmltree::Document;
use tokio::time::timeout;

use super::config::{AwsConfig, Keys, Reach};
use crate::{attempt::Failed, http::cause, pool::Gate, said::one_line};

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How long to wait where AWS asks for it.
const RETRY_MS: i64 = 1_000;
const FORM: &str = "application/x-www-form-urlencoded";

/// Which part of AWS is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Iam,
    Sts,
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
    /// It asks to wait; nothing was done.
    Later,
    /// It said no, by this code.
    Refused { code: String, action: &'static str, said: String },
}

impl Failure {
    /// It said no by this code.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    pub(super) fn in_words(self) -> String {
        match self {
            Self::NotReached { why } | Self::Lost { why } | Self::Garbled { why } => why,
            Self::Later => "it asks to wait".to_owned(),
            Self::Refused { code, action, said } => format!("`{action}` is refused with `{code}`: {said}"),
        }
    }

    pub(super) fn for_plane(self, plane: &str) -> PlaneError {
        let plane = plane.to_owned();
        match self {
            Self::NotReached { why } | Self::Lost { why } => PlaneError::Unreachable { plane, why },
            Self::Garbled { why } => PlaneError::Garbled { plane, why },
            Self::Later => PlaneError::Throttled { plane, retry_after_ms: RETRY_MS },
            refused @ Self::Refused { .. } => PlaneError::NotPermitted { plane, why: refused.in_words() },
        }
    }
}

impl Failed for Failure {
    fn outcome(self: Box<Self>) -> Outcome {
        match *self {
            Self::NotReached { .. } | Self::Later => Outcome::Throttled { retry_after_ms: RETRY_MS },
            Self::Lost { why } | Self::Garbled { why } => Outcome::Unknown { reason: why },
            refused @ Self::Refused { .. } => Outcome::Refused { reason: refused.in_words() },
        }
    }

    fn plane_error(self: Box<Self>, plane: &str) -> PlaneError {
        self.for_plane(plane)
    }
}

/// A whole answer that was no refusal.
pub(super) struct Reply {
    body: Secret,
    /// The plane's clock, as the answer's `Date` tells it.
    pub date: Option<Timestamp>,
}

/// One `member` of a listing, or the whole of an answer: its texts by name.
pub(super) type Fields = std::collections::BTreeMap<String, String>;

impl Reply {
    /// The text of the first element of this name, anywhere in it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let document = Document::parse(self.body.expose()).ok()?;
        document.descendants().find(|n| n.tag_name().name() == name).map(|n| n.text().unwrap_or_default().to_owned())
    }

    /// The text that must be there.
    pub(super) fn must(&self, name: &str) -> Result<String, Failure> {
        self.text(name).ok_or_else(|| Failure::Garbled { why: format!("the answer holds no `{name}`") })
    }

    /// The direct texts of every `member` of the list `name`; a list that is not there
    /// is no empty one.
    pub(super) fn members(&self, name: &str) -> Result<Vec<Fields>, Failure> {
        let garbled = || Failure::Garbled { why: format!("the answer holds no list `{name}`") };
        let document = Document::parse(self.body.expose()).map_err(|_| garbled())?;
        let list = document.descendants().find(|n| n.tag_name().name() == name).ok_or_else(garbled)?;
        let fields = |member: roxmltree::Node<'_, '_>| {
            let texts = member.children().filter(roxmltree::Node::is_element);
            texts.map(|n| (n.tag_name().name().to_owned(), n.text().unwrap_or_default().to_owned())).collect()
        };
        Ok(list.children().filter(|n| n.tag_name().name() == "member").map(fields).collect())
    }
}

/// The way to one account.
pub(super) struct Wire {
    config: AwsConfig,
    own: Keys,
    http: Client,
    iam: Url,
    sts: Url,
    clock: Arc<dyn Clock>,
    gate: Gate,
}

impl Wire {
    pub(super) fn new(config: AwsConfig, own: Keys, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        let refuse = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
        let (ca_pem, host, port, address) = match &config.reach {
            Reach::Tls { host, port, address, ca_pem } => (Some(ca_pem.as_str()), host, *port, *address),
            Reach::Clear { host, port, address } => (None, host, *port, *address),
        };
        let at = address.map(|address| SocketAddr::new(address, port));
        let http = crate::http::client(ca_pem, host, at, config.call_timeout, config.calls_max).map_err(refuse)?;
        let url = |text: String| Url::parse(&text).map_err(|e| refuse(format!("has no usable host and port: {e}")));
        let (iam, sts) = (url(config.endpoint())?, url(config.sts_endpoint())?);
        let gate = Gate::new(config.calls_max);
        Ok(Self { own, http, iam, sts, clock, gate, config })
    }

    /// How the server is known to be the one that was meant.
    pub(super) fn channel(&self) -> Channel {
        match self.config.reach {
            Reach::Tls { .. } => Channel::TlsPinned,
            Reach::Clear { .. } => Channel::Unauthenticated,
        }
    }

    /// A call of IAM as Quell.
    pub(super) async fn iam(&self, action: &'static str, parameters: &[(&str, &str)]) -> Result<Reply, Failure> {
        self.call(&self.own, Service::Iam, action, parameters).await
    }

    /// A call as anybody.
    pub(super) async fn call(
        &self,
        keys: &Keys,
        service: Service,
        action: &'static str,
        parameters: &[(&str, &str)],
    ) -> Result<Reply, Failure> {
        let within = self.config.call_timeout;
        let (url, version, name) = match service {
            Service::Iam => (&self.iam, "2010-05-08", "iam"),
            Service::Sts => (&self.sts, "2011-06-15", "sts"),
        };
        let pairs = [("Action", action), ("Version", version)].into_iter().chain(parameters.iter().copied());
        let body: Vec<String> = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let body = body.join("&");
        let not_reached = |why: String| Failure::NotReached { why };
        let mut request = self.http.post(url.clone()).header("content-type", FORM);
        for (header, value) in self.signed(keys, name, url, &body).map_err(not_reached)? {
            request = request.header(header, value);
        }
        let _turn = self.gate.turn(within).await.map_err(not_reached)?;

        // From here on something may have been sent.
        timeout(within, answer(request.body(body), action))
            .await
            .unwrap_or_else(|_| Err(Failure::Lost { why: format!("no answer within {} ms", within.as_millis()) }))
    }

    fn signed(&self, keys: &Keys, service: &str, url: &Url, body: &str) -> Result<Vec<(String, String)>, String> {
        let token = keys.token.as_ref().map(|t| t.expose().to_owned());
        let identity = Credentials::new(&keys.id, keys.secret.expose(), token, None, "quell").into();
        // No cause is told: it may quote what it was given.
        let why = || "the call could not be signed".to_owned();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.config.region)
            .name(service)
            .time(UNIX_EPOCH + Duration::from_micros(u64::try_from(self.clock.now().as_microsecond()).unwrap_or(0)))
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| why())?
            .into();
        let headers = [("content-type", FORM)];
        let request = SignableRequest::new("POST", url.as_str(), headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let (instructions, _) = sign(request.map_err(|_| why())?, &parameters).map_err(|_| why())?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// As AWS writes a form: what RFC 3986 calls unreserved stands for itself. A server that
/// puts the form together anew before it looks at the signature does so, too.
fn encoded(text: &str) -> impl fmt::Display {
    const LEFT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, &LEFT)
}

async fn answer(request: reqwest::RequestBuilder, action: &'static str) -> Result<Reply, Failure> {
    let mut response = request.send().await.map_err(|e| match e.is_connect() || e.is_builder() {
        true => Failure::NotReached { why: cause(&e) },
        false => Failure::Lost { why: cause(&e) },
    })?;
    let status = response.status().as_u16();
    let date = response.headers().get("date").and_then(|v| v.to_str().ok()).and_then(http_date);
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|e| Failure::Lost { why: format!("the answer broke off: {}", cause(&e)) })? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Garbled { why: "the answer is longer than any answer of AWS".to_owned() });
        }
        bytes.extend_from_slice(&chunk);
    }
    let garbled = |why: &str| Failure::Garbled { why: why.to_owned() };
    let text = std::str::from_utf8(&bytes).map_err(|_| garbled("the answer is not text"))?;
    let document = Document::parse(text).map_err(|_| match status {
        500..=599 => Failure::Lost { why: format!("it answers {status}") },
        _ => garbled(&format!("it answers {status}, and not in XML")),
    })?;
    let root = document.root_element().tag_name().name().to_owned();
    if status == 200 {
        // Another call's answer, or somebody else's page, is none.
        if root != format!("{action}Response") {
            return Err(garbled("the answer is of another call"));
        }
        return Ok(Reply { body: Secret::new(text), date });
    }
    if !matches!(status, 400..=599) || !matches!(root.as_str(), "ErrorResponse" | "Error" | "Response") {
        return Err(garbled(&format!("it answers {status}, which is nothing that AWS says")));
    }
    let of = |name: &str| document.descendants().find(|n| n.tag_name().name() == name).and_then(|n| n.text()).unwrap_or_default();
    // The message about a signature quotes the request.
    let said = if of("Code") == "SignatureDoesNotMatch" { String::new() } else { one_line(of("Message")) };
    let code = of("Code").to_owned();
    match (status, code.as_str()) {
        (_, "") => Err(garbled("it refuses without a code")),
        (429, _) | (_, "Throttling" | "ThrottlingException" | "RequestLimitExceeded") => Err(Failure::Later),
        (500..=599, _) => Err(Failure::Lost { why: format!("it answers {status} `{}`", one_line(&code)) }),
        _ => Err(Failure::Refused { code: one_line(&code), action, said }),
    }
}

/// `Mon, 30 Nov 2026 19:15:38 GMT` (RFC 9110 section 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|m| m == month)? + 1;
    format!("{year}-{month:02}-{day:0>2}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_date_of_an_answer_is_read() {
        let read = |text| super::http_date(text).map(|t| t.to_string());
        assert_eq!(read("Mon, 30 Nov 2026 19:15:38 GMT").as_deref(), Some("2026-11-30T19:15:38Z"));
        for text in ["", "yesterday", "Mon, 30 Foo 2026 19:15:38 GMT", "Mon, 30 Nov 2026 19:15:38 CET"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
