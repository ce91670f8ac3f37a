//! Somebody with a browser, and applications: what they hold is tried against the
//! provider by the standards alone, and nothing here knows of Quell.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Where applications of the lab are sent back to; nobody listens there.
pub const REDIRECT: &str = "https://app.example/cb";
/// The resource whose access tokens are JWTs (RFC 8707, RFC 9068).
pub const RESOURCE: &str = "urn:lab:billing";
/// Of PKCE (RFC 7636). The lab's is always the same: nobody listens in.
const VERIFIER: &str = "quell-lab-verifier-of-forty-three-characters-x";

/// An application: its id, and its secret where it keeps one.
#[derive(Clone, Debug)]
pub struct App {
    pub id: String,
    pub secret: Option<Secret>,
}

/// What an application holds for somebody.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: Secret,
    pub refresh: Option<Secret>,
}

/// Where the authorization endpoint led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landing {
    /// It hands out a code.
    Code(String),
    /// It shows the login page, at this place.
    Login(String),
    /// It sends back with this error (`login_required`).
    Error(String),
}

/// One way to the provider, and the cookies of one browser.
#[derive(Clone)]
pub struct Browser {
    http: Client,
    issuer: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn new(http: Client, issuer: &str) -> Self {
        Self { http, issuer: issuer.to_owned(), cookies: BTreeMap::new() }
    }

    /// A client that follows nothing by itself.
    pub(super) fn client(tls: rustls::ClientConfig) -> Result<Client> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(20));
        client.build().context("make a client for the provider")
    }

    /// What somebody who steals the browser's session holds.
    #[must_use]
    pub fn session_cookie(&self) -> Option<Secret> {
        self.cookies.get("_session").map(Secret::known)
    }

    /// Asks the authorization endpoint for a code; `further` are more parameters.
    ///
    /// # Errors
    ///
    /// When the provider does not answer, or with something else.
    pub async fn authorize(&mut self, app: &App, further: &[(&str, &str)]) -> Result<Landing> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let mut url = reqwest::Url::parse(&format!("{}/auth", self.issuer)).context("the issuer is no URL")?;
        url.query_pairs_mut()
            .extend_pairs([
                ("client_id", app.id.as_str()),
                ("response_type", "code"),
                ("redirect_uri", REDIRECT),
                ("scope", "openid email billing:read"),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ])
            .extend_pairs(further);
        let next = self.go(url.as_str(), None).await?;
        self.landed(&next)
    }

    /// Logs in where it is asked to, and comes back with tokens.
    ///
    /// # Errors
    ///
    /// When the login is refused, or the provider does not answer.
    pub async fn log_in(&mut self, app: &App, account: &str, password: &Secret, otp: &str, further: &[(&str, &str)]) -> Result<Tokens> {
        let code = match self.authorize(app, further).await? {
            Landing::Code(code) => code,
            Landing::Error(error) => bail!("the provider says `{error}`"),
            Landing::Login(page) => {
                let form = [("login", account), ("password", password.reveal()), ("otp", otp)];
                let next = self.go(&page, Some(&form)).await.context("the login was refused")?;
                let next = self.go(&next, None).await?;
                match self.landed(&next)? {
                    Landing::Code(code) => code,
                    other => bail!("after the login the provider leads to {other:?}"),
                }
            }
        };
        let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)];
        let mut form = form.to_vec();
        form.extend(further.iter().filter(|(name, _)| *name == "resource"));
        self.tokens(app, &form).await?.map_err(|error| anyhow::anyhow!("the code was refused with `{error}`"))
    }

    /// A prompt-less login with the cookies of this browser: is it still somebody?
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn is_in(&mut self, app: &App) -> Result<bool> {
        match self.authorize(app, &[("prompt", "none")]).await? {
            Landing::Code(_) => Ok(true),
            Landing::Error(error) if error == "login_required" => Ok(false),
            other => bail!("a login without a prompt leads to {other:?}"),
        }
    }

    /// Exchanges a refresh token; the error of the provider where it refuses.
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn refresh(&self, app: &App, refresh: &Secret) -> Result<Result<Tokens, String>> {
        self.tokens(app, &[("grant_type", "refresh_token"), ("refresh_token", refresh.reveal())]).await
    }

    /// An application's own token.
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn client_credentials(&self, app: &App, further: &[(&str, &str)]) -> Result<Result<Tokens, String>> {
        let form = [&[("grant_type", "client_credentials")], further].concat();
        self.tokens(app, &form).await
    }

    /// Whether a token is active, as the application that it belongs to asks (RFC 7662).
    ///
    /// # Errors
    ///
    /// When the provider does not answer, or refuses the question.
    pub async fn is_active(&self, app: &App, token: &Secret) -> Result<bool> {
        let (status, answer) = self.post("/token/introspection", app, &[("token", token.reveal())]).await?;
        ensure!(status == 200, "introspection answered {status}: {}", answer["error"]);
        answer["active"].as_bool().context("introspection does not say whether it is active")
    }

    /// Whether the provider itself serves a bearer token (OpenID Connect Core 5.3).
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn is_served(&self, token: &Secret) -> Result<bool> {
        let asked = self.http.get(format!("{}/me", self.issuer)).bearer_auth(token.reveal());
        Ok(asked.send().await.context("ask the provider")?.status().is_success())
    }

    /// Revokes a token as the application that it belongs to (RFC 7009).
    ///
    /// # Errors
    ///
    /// When the provider does not answer.
    pub async fn revoke(&self, app: &App, token: &Secret) -> Result<u16> {
        Ok(self.post("/token/revocation", app, &[("token", token.reveal())]).await?.0)
    }

    async fn tokens(&self, app: &App, form: &[(&str, &str)]) -> Result<Result<Tokens, String>> {
        let (status, answer) = self.post("/token", app, form).await?;
        let text = |name: &str| answer[name].as_str().map(Secret::known);
        match (status, text("access_token")) {
            (200, Some(access)) => Ok(Ok(Tokens { access, refresh: text("refresh_token") })),
            (400 | 401, None) => Ok(Err(answer["error"].as_str().unwrap_or("no reason").to_owned())),
            _ => bail!("the token endpoint answered {status}"),
        }
    }

    async fn post(&self, path: &str, app: &App, form: &[(&str, &str)]) -> Result<(u16, Value)> {
        let mut form = form.to_vec();
        let mut asked = self.http.post(format!("{}{path}", self.issuer));
        match &app.secret {
            Some(secret) => asked = asked.basic_auth(&app.id, Some(secret.reveal())),
            None => form.push(("client_id", &app.id)),
        }
        let answer = asked.form(&form).send().await.context("ask the provider")?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.context("read the provider's answer")?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// One step of a browser: where it is sent to next.
    async fn go(&mut self, url: &str, form: Option<&[(&str, &str)]>) -> Result<String> {
        let mut asked = match form {
            Some(form) => self.http.post(url).form(form),
            None => self.http.get(url),
        };
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            asked = asked.header("cookie", cookies.join("; "));
        }
        let answer = asked.send().await.context("ask the provider")?;
        for cookie in answer.headers().get_all("set-cookie").iter().filter_map(|v| v.to_str().ok()) {
            let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else { continue };
            match value.is_empty() {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        let status = answer.status().as_u16();
        let next = answer.headers().get("location").and_then(|v| v.to_str().ok());
        let next = next.and_then(|next| answer.url().join(next).ok()).map(|url| url.to_string());
        next.with_context(|| format!("the provider answered {status} and leads nowhere"))
    }

    fn landed(&self, next: &str) -> Result<Landing> {
        let url = reqwest::Url::parse(next).context("the provider leads to what is no URL")?;
        let of = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        if !next.starts_with(REDIRECT) {
            ensure!(next.starts_with(&self.issuer), "the provider leads to `{next}`");
            return Ok(Landing::Login(next.to_owned()));
        }
        match (of("code"), of("error")) {
            (Some(code), None) => Ok(Landing::Code(code)),
            (None, Some(error)) => Ok(Landing::Error(error)),
            _ => bail!("the provider sends back with neither a code nor an error"),
        }
    }
}
