//! E-mail by SMTP (RFC 5321), always encrypted: `smtps` from the first byte, `smtp` by
//! STARTTLS, which is demanded and not asked for.
//!
//! Each addressee has a letter of their own. The Message-ID is the notice's, and letters of
//! one case refer to one message: by that mail programs drop repeats and make threads.

use std::path::Path;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Mailed, Tokio1Executor,
    message::{
        Mailbox,
        header::{self, ContentType, Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};
use quell_core::secret::{Secret, sha256};

use quell_engine::port::{Failed, Handed};

use super::{Channel, Letter, Lost};

/// A mail server.
pub struct Mail {
    name: String,
    pages_only: bool,
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

/// RFC 3834: no machine answers it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }
    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Mail {
    /// `url` is `smtps://HOST[:465]` or `smtp://HOST[:587]`; `ca_file` takes the place of the
    /// usual authorities.
    ///
    /// # Errors
    ///
    /// What of it is no mail server, as a sentence about its field.
    pub fn new(
        name: &str,
        pages_only: bool,
        url: &str,
        ca_file: Option<&Path>,
        login: Option<(String, Secret)>,
        from: &str,
    ) -> Result<Self, String> {
        let wanted = || format!("`url`: expected `smtps://HOST:PORT` or `smtp://HOST:PORT`, found `{url}`");
        let parsed = reqwest::Url::parse(url).map_err(|_| wanted())?;
        let host = parsed.host_str().filter(|h| !h.is_empty()).ok_or_else(wanted)?.to_owned();
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("`url` carries a login; use `username` and `secret_file`".to_owned());
        }
        let from: Mailbox =
            from.parse().map_err(|_| format!("`from`: expected an address such as `Quell <quell@corp.example>`, found `{from}`"))?;
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(file) = ca_file {
            let pem = std::fs::read(file).map_err(|e| format!("`ca_file`: cannot read `{}`: {e}", file.display()))?;
            let authority =
                Certificate::from_pem(&pem).map_err(|_| format!("`ca_file`: `{}` holds no certificate in PEM", file.display()))?;
            tls = tls.certificate_store(CertificateStore::None).add_root_certificate(authority);
        }
        let tls = tls.build().map_err(|e| format!("`ca_file`: {e}"))?;
        let (tls, port) = match parsed.scheme() {
            "smtps" => (Tls::Wrapper(tls), 465),
            "smtp" => (Tls::Required(tls), 587),
            _ => return Err(wanted()),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
            .port(parsed.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(super::WAIT));
        if let Some((user, secret)) = login {
            transport = transport.credentials(Credentials::new(user, secret.expose().to_owned()));
        }
        Ok(Self { name: name.to_owned(), pages_only, from, transport: transport.build() })
    }

    fn letter(&self, letter: &Letter<'_>, to: Mailbox, person: &str, pages: bool) -> Result<Mailed, Lost> {
        let message = letter.message;
        let of = |what: &str| format!("<{}@{}>", &sha256(what.as_bytes())[..32], self.from.email.domain());
        let thread = of(&format!("case {}", message.case));
        Mailed::builder()
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject(pages))
            .message_id(Some(of(&format!("notice {} {} {person}", message.case, message.id))))
            .in_reply_to(thread.clone())
            .references(thread)
            .header(AutoSubmitted)
            .header(header::ContentTransferEncoding::QuotedPrintable)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.lines().join("\r\n"))
            .map_err(|e| Lost::for_good(format!("the letter cannot be written: {e}")))
    }
}

/// Why the server did not take it, without a word of what it said.
fn lost(error: &lettre::transport::smtp::Error) -> Lost {
    let code = error.status().map(|code| code.to_string());
    match code {
        Some(code) if error.is_permanent() => Lost::for_good(format!("the mail server refuses it for good ({code})")),
        Some(code) => Lost::now(format!("the mail server refuses it for now ({code})")),
        None if error.is_timeout() => Lost::now("the mail server does not answer"),
        None if error.is_tls() => Lost::now("the mail server's TLS is not what was configured"),
        None => Lost::now("the mail server cannot be reached"),
    }
}

#[async_trait::async_trait]
impl Channel for Mail {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "smtp"
    }

    fn pages_only(&self) -> bool {
        self.pages_only
    }

    async fn hand(&self, letter: &Letter<'_>) -> Result<(), Lost> {
        match self.hand_each(letter).await.failed.into_iter().next() {
            None => Ok(()),
            Some(Failed { why, may_pass, .. }) => Err(Lost { why, may_pass }),
        }
    }

    /// Whoever has their letter is not sent another one because somebody else has none.
    async fn hand_each(&self, letter: &Letter<'_>) -> Handed {
        let mut handed = Handed::default();
        let mut written = 0;
        for one in &letter.message.to {
            let Some(address) = one.email.as_ref().and_then(|e| e.parse().ok()) else { continue };
            written += 1;
            let person = one.person.as_ref().map_or(one.name.as_str(), |p| p.as_str());
            let mark = format!("{}/{person}", self.name);
            if letter.message.settled.contains(&mark) || (self.pages_only && !one.interrupts) {
                continue;
            }
            // A name may hold what an address may not; the address alone is enough.
            let sent = match self.letter(letter, Mailbox::new(None, address), person, one.interrupts) {
                Ok(mailed) => match tokio::time::timeout(super::WAIT, self.transport.send(mailed)).await {
                    Ok(sent) => sent.map(|_| ()).map_err(|e| lost(&e)),
                    Err(_) => Err(Lost::now("the mail server does not answer")),
                },
                Err(lost) => Err(lost),
            };
            match sent {
                Ok(()) => handed.over.push(mark),
                Err(Lost { why, may_pass }) => handed.failed.push(Failed { channel: mark, why, may_pass }),
            }
        }
        if written == 0 {
            let why = "none of them has an e-mail address".to_owned();
            handed.failed.push(Failed { channel: self.name.clone(), why, may_pass: false });
        }
        handed
    }
}
