//! A signed call to a program: JSON, with the HMAC-SHA-256 over time, nonce and body that
//! senders of alerts use, too ([`crate::access::signature`]).

use std::time::Duration;

use quell_core::secret::{Secret, hex};
use quell_engine::port::Chance;
use quell_store::OsChance;
use reqwest::{Client, StatusCode, Url, header::CONTENT_TYPE, redirect::Policy};
use serde_json::{Value, json};

use super::{Channel, Letter, Lost};
use crate::access::signature;

const CONNECT: Duration = Duration::from_secs(5);

/// A program that wants to be told.
pub struct Webhook {
    name: String,
    pages_only: bool,
    address: Address,
    key: Secret,
}

impl Webhook {
    /// `url` is kept secret: whoever has it can call there. `key` signs.
    ///
    /// # Errors
    ///
    /// What of it cannot be called, without the address.
    pub fn new(name: &str, pages_only: bool, url: &Secret, key: Secret) -> Result<Self, String> {
        Ok(Self { name: name.to_owned(), pages_only, address: Address::new(url)?, key })
    }
}

#[async_trait::async_trait]
impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn pages_only(&self) -> bool {
        self.pages_only
    }

    async fn hand(&self, letter: &Letter<'_>) -> Result<(), Lost> {
        let message = letter.message;
        let to: Vec<Value> =
            message.to.iter().map(|a| json!({ "person": a.person, "role": a.role, "name": a.name, "interrupts": a.interrupts })).collect();
        let body = json!({
            "id": letter.id(), "at": letter.at, "case": message.case, "headline": message.headline, "why": message.why,
            "hand_on": message.hand_on, "pages": letter.pages(), "url": letter.url, "to": to,
        })
        .to_string();
        let mut chance = [0; 16];
        OsChance.fill(&mut chance);
        let signed = signature::sign(self.key.expose(), letter.at.as_second(), &hex(&chance), body.as_bytes());
        self.address.call(body, &[(signature::HEADER, signed)]).await
    }
}

/// Where a call goes. Redirects are not followed: they would lead what is told elsewhere.
pub struct Address {
    http: Client,
    url: Secret,
}

impl Address {
    /// # Errors
    ///
    /// What of it cannot be called, without the address.
    pub fn new(url: &Secret) -> Result<Self, String> {
        let wanted = || "`url_file`: expected one https:// address, or an http:// address of this machine".to_owned();
        let parsed = Url::parse(url.expose().trim()).map_err(|_| wanted())?;
        let here = parsed.host_str().is_some_and(crate::client::is_loopback);
        if !(parsed.scheme() == "https" || parsed.scheme() == "http" && here) {
            return Err(wanted());
        }
        let http = Client::builder().connect_timeout(CONNECT).redirect(Policy::none());
        let http = if here { http.no_proxy() } else { http };
        let http = http.build().map_err(|_| "calls cannot be prepared".to_owned())?;
        Ok(Self { http, url: Secret::new(url.expose().trim().to_owned()) })
    }

    /// Calls it with a body of JSON; a status of 200 to 299 counts as taken.
    pub async fn call(&self, body: String, headers: &[(&str, String)]) -> Result<(), Lost> {
        let mut request = self.http.post(self.url.expose()).header(CONTENT_TYPE, "application/json").body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        // An error of the library names the address.
        let answer = request.timeout(super::WAIT).send().await.map_err(|e| match () {
            () if e.is_timeout() => Lost::now("it does not answer"),
            () if e.is_connect() => Lost::now("it cannot be reached"),
            () => Lost::now("the call was broken off"),
        })?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                Err(Lost::now(format!("it refuses for now ({})", status.as_u16())))
            }
            status => Err(Lost::for_good(format!("it refuses ({})", status.as_u16()))),
        }
    }
}
