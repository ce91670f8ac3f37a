//! The CLI's side of the HTTP API.
//!
//! One request, one answer: JSON comes back as it is, a problem document
//! becomes a [`Fault`] with the exit of its status. Redirects are not followed,
//! because they would carry the token to another host.

use std::{path::Path, time::Duration};

use reqwest::{
    Certificate, Method, RequestBuilder, Response, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cli::{
    fault::{Fault, Problem},
    terminal,
};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take, where nobody asked the server to wait.
const ANSWER: Duration = Duration::from_secs(60);
/// The most bytes of an answer that are taken into memory: a bundle is one.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// A server, and who asks it.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Zeroizing<String>>,
}

impl Client {
    /// Prepares requests to `url`; nothing is dialled yet.
    pub fn new(url: &str, token: Option<Zeroizing<String>>, ca_file: Option<&Path>) -> Result<Self, Fault> {
        let wanted = || Fault::usage(format!("expected a server as in `http://127.0.0.1:7700`, found `{url}`; see `--url` and QUELL_URL"));
        let base = Url::parse(url).map_err(|_| wanted())?;
        let loopback = match base.host() {
            None => return Err(wanted()),
            Some(host) => is_loopback(&host.to_string()),
        };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wanted());
        }
        if base.scheme() == "http" && !loopback && token.is_some() {
            terminal::progress(&format!("warning: the token travels to `{}` unencrypted; use an https:// address", terminal::safe(url)));
        }
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
        if loopback {
            http = http.no_proxy();
        }
        if let Some(file) = ca_file {
            let pem = std::fs::read(file).map_err(|e| Fault::file("read", file, &e))?;
            let bundle = Certificate::from_pem_bundle(&pem)
                .map_err(|_| Fault::refused(format!("`{}` holds no certificates in PEM", file.display())))?;
            http = http.tls_certs_merge(bundle);
        }
        let http = http.build().map_err(|e| Fault::outside(format!("cannot prepare requests to `{url}`: {}", causes(&e))))?;
        Ok(Self { http, base, token })
    }

    /// `GET /api/v1/{path}`.
    pub async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.json(self.request(Method::GET, path)?.timeout(ANSWER)).await.map(|(_, value)| value)
    }

    /// `POST /api/v1/{path}` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let request = self.request(Method::POST, path)?.timeout(ANSWER).header(CONTENT_TYPE, "application/json");
        self.json(request.body(body.to_string())).await.map(|(_, value)| value)
    }

    /// `POST /api/v1/{path}` with bytes, more headers, and as much more patience
    /// as the server was asked to wait. Answers the status, too.
    pub async fn post_bytes(&self, path: &str, headers: HeaderMap, bytes: Vec<u8>, patience: Duration) -> Result<(u16, Value), Fault> {
        self.json(self.request(Method::POST, path)?.timeout(ANSWER + patience).headers(headers).body(bytes)).await
    }

    /// `POST /api/v1/{path}` with a JSON body, for an answer that is not JSON.
    pub async fn fetch(&self, path: &str, body: &Value) -> Result<(HeaderMap, Vec<u8>), Fault> {
        let request = self.request(Method::POST, path)?.timeout(ANSWER * 5).header(CONTENT_TYPE, "application/json").body(body.to_string());
        let (_, headers, bytes) = self.answer(request).await?;
        Ok((headers, bytes))
    }

    /// The server-sent events, for as long as the connection holds.
    pub async fn stream(&self) -> Result<Events, Fault> {
        let request = self.request(Method::GET, "stream")?.header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(Fault::outside(format!("the event stream answered {}", response.status())));
        }
        Ok(Events { response, rest: Vec::new() })
    }

    /// `GET /{path}` outside the API: is it there at all?
    pub async fn status_of(&self, path: &str) -> Result<u16, Fault> {
        let mut url = self.base.clone();
        url.set_path(path);
        self.http.get(url).timeout(CONNECT).send().await.map(|r| r.status().as_u16()).map_err(|e| self.unreachable(&e))
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Fault> {
        let root = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{root}/api/v1/{path}")).map_err(|_| Fault::usage(format!("`{path}` is not a path of the API")))?;
        let request = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        })
    }

    async fn json(&self, request: RequestBuilder) -> Result<(u16, Value), Fault> {
        let (status, _, bytes) = self.answer(request).await?;
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        let value = serde_json::from_slice(&bytes)
            .map_err(|_| Fault::outside(format!("`{}` answered {status} with what is not JSON; is it a Quell server?", self.base)))?;
        Ok((status, value))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(u16, HeaderMap, Vec<u8>), Fault> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = self.read(response).await?;
        if status.is_success() {
            return Ok((status.as_u16(), headers, bytes));
        }
        let reason = status.canonical_reason().unwrap_or("an error").to_lowercase();
        let problem = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            Problem::plain(status.as_u16(), &reason, format!("`{}` answered {} ({reason})", self.base, status.as_u16()))
        });
        Err(Fault::of_server(status.as_u16(), problem))
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Fault::outside(format!("`{}` answered more than {ANSWER_BYTES_MAX} bytes", self.base)));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Fault {
        Fault::outside(format!(
            "`{}` did not answer: {}; is the server running, and is `--url` or QUELL_URL right?",
            self.base,
            causes(error)
        ))
    }
}

/// A running stream of server-sent events.
pub struct Events {
    response: Response,
    rest: Vec<u8>,
}

impl Events {
    /// The next event's data; `None` once the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let data = line.strip_prefix(b"data:").map(|d| serde_json::from_slice(d.trim_ascii()));
                if let Some(Ok(value)) = data {
                    return Some(value);
                }
                continue;
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.rest.extend_from_slice(&chunk);
            // A line of ours is short; whatever this is, it is not a stream of events.
            if self.rest.len() > 1 << 20 {
                return None;
            }
        }
    }
}

/// One part of a path or query, with everything escaped that would change it.
pub fn part(text: &str) -> String {
    let keep = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~".contains(b);
    let plain = text != "." && text != "..";
    text.as_bytes().iter().map(|b| if plain && keep(b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Whether a host of an address is this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The chain of causes, without the address, which the sentence names already.
fn causes(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stays_one_part() {
        for (text, wanted) in [("C-1", "C-1"), ("a/b", "a%2Fb"), ("..", "%2E%2E"), ("a?b#c", "a%3Fb%23c"), ("ü\0", "%C3%BC%00")] {
            assert_eq!(part(text), wanted);
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (host, is) in [("127.0.0.1", true), ("[::1]", true), ("localhost", true), ("10.0.0.1", false), ("localhost.example", false)] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }
}
