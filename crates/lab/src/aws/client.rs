//! Calls as anybody: IAM and STS over their query protocol, signed with Signature
//! Version 4.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;

use crate::{ca::Ca, dial, secret::Secret};

/// The region that calls are signed for.
pub const REGION: &str = "us-east-1";

/// What a client of AWS signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// `AKIA...`, or `ASIA...` of a temporary credential.
    pub id: String,
    pub secret: Secret,
    /// Of a temporary credential.
    pub token: Option<Secret>,
}

impl Keys {
    /// Long-lived keys that were made elsewhere.
    #[must_use]
    pub fn known(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: Secret::known(secret), token: None }
    }

    /// `ID:SECRET`, as a file of them holds it.
    #[must_use]
    pub fn in_one(&self) -> String {
        format!("{}:{}", self.id, self.secret.reveal())
    }
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub xml: String,
}

impl Answer {
    /// The text of the first element of this name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let document = roxmltree::Document::parse(&self.xml).ok()?;
        document.descendants().find(|n| n.tag_name().name() == name).and_then(|n| n.text()).map(str::to_owned)
    }

    /// The code of a refusal: `AccessDenied`.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        if self.status == 200 { None } else { self.text("Code") }
    }

    /// It was served.
    ///
    /// # Errors
    ///
    /// With what it was refused.
    pub fn served(self) -> Result<Self> {
        if self.status != 200 {
            bail!("refused with {} `{}`", self.status, self.code().unwrap_or_default());
        }
        Ok(self)
    }

    /// The keys that it holds.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn keys(&self) -> Result<Keys> {
        let text = |name: &str| self.text(name).with_context(|| format!("the answer holds no `{name}`"));
        let token = self.text("SessionToken").map(Secret::known);
        Ok(Keys { id: text("AccessKeyId")?, secret: Secret::known(text("SecretAccessKey")?), token })
    }
}

/// The way to one server.
#[derive(Clone)]
pub struct Http {
    client: Client,
    port: u16,
}

impl Http {
    pub(super) fn new(ca: &Ca, port: u16) -> Result<Self> {
        let client = Client::builder()
            .tls_backend_preconfigured(dial::client_config(ca.der())?)
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .context("make a client for AWS")?;
        Ok(Self { client, port })
    }

    /// One call of the query protocol; `service` is `iam` or `sts`.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn call(&self, keys: &Keys, service: &str, action: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
        let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
        let pairs = [("Action", action), ("Version", version)].into_iter().chain(parameters.iter().copied());
        let body: Vec<String> = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let body = body.join("&");
        let url = format!("https://localhost:{}/", self.port);
        let mut request = self.client.post(&url).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in signed(keys, service, &url, &body)? {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.context("ask AWS")?;
        let status = response.status().as_u16();
        Ok(Answer { status, xml: response.text().await.context("read the answer of AWS")? })
    }

    /// A plain call of the server's own administration.
    pub(super) async fn plain(&self, path: &str, body: Option<&'static str>) -> Result<u16> {
        let url = format!("https://localhost:{}{path}", self.port);
        let request = match body {
            Some(body) => self.client.post(url).header("content-type", "text/plain").body(body),
            None => self.client.get(url),
        };
        Ok(request.send().await.context("ask the server")?.status().as_u16())
    }
}

/// As AWS writes a form: what RFC 3986 calls unreserved stands for itself.
fn encoded(text: &str) -> impl std::fmt::Display {
    const LEFT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, &LEFT)
}

fn signed(keys: &Keys, service: &str, url: &str, body: &str) -> Result<Vec<(String, String)>> {
    let token = keys.token.as_ref().map(|t| t.reveal().to_owned());
    let identity = Credentials::new(&keys.id, keys.secret.reveal(), token, None, "lab").into();
    let now: SystemTime = crate::clock::wall();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .context("sign a call")?
        .into();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let request = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body.as_bytes())).context("sign a call")?;
    let (instructions, _) = sign(request, &parameters).context("sign a call")?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
