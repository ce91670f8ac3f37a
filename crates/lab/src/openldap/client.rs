//! Speaking LDAP to an instance: as administrator, as one of the company, as an
//! intruder.

#![expect(
    clippy::disallowed_types,
    reason = "the library's own interface takes and gives hash sets and maps; only looked up, never iterated"
)]

use std::{collections::BTreeMap, collections::HashSet, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Mod, Scope, SearchEntry, StdStream};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

use super::{ADMIN, Slapd};

/// No client of the lab waits longer for an answer.
const WITHIN: Duration = Duration::from_secs(10);

/// One connection to the server.
#[derive(Debug)]
pub struct Client {
    ldap: Ldap,
    peer: String,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The result code of RFC 4511, such as 0, 32, 49, 50.
    pub code: u32,
    pub text: String,
}

/// One entry of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Entry {
    /// The first value of an attribute.
    #[must_use]
    pub fn first(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute)?.first().map(String::as_str)
    }
}

/// One change of an attribute.
pub type Change = Mod<Vec<u8>>;

/// Adds values.
#[must_use]
pub fn add(attribute: &str, values: &[&str]) -> Change {
    Mod::Add(attribute.into(), set(values))
}

/// Takes values away; all of them where none is named.
#[must_use]
pub fn delete(attribute: &str, values: &[&str]) -> Change {
    Mod::Delete(attribute.into(), set(values))
}

/// Puts values in the place of all others; no value takes the attribute away.
#[must_use]
pub fn replace(attribute: &str, values: &[&str]) -> Change {
    Mod::Replace(attribute.into(), set(values))
}

fn set(values: &[&str]) -> HashSet<Vec<u8>> {
    values.iter().map(|v| v.as_bytes().to_vec()).collect()
}

impl Slapd {
    /// Connects over LDAPS, checking the server against its authority, without a
    /// bind.
    ///
    /// # Errors
    ///
    /// When the server does not answer or is not the one.
    pub async fn connect(&self) -> Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::clone(self.ca.der())).context("trust the lab authority")?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        self.open(LdapConnSettings::new().set_config(Arc::new(config)), &format!("ldaps://localhost:{}", self.ldaps), self.ldaps).await
    }

    /// Connects over clear TCP, without a bind.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn connect_clear(&self) -> Result<Client> {
        self.open(LdapConnSettings::new(), &format!("ldap://localhost:{}", self.ldap), self.ldap).await
    }

    /// Connects over the Unix socket, without a bind.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn connect_unix(&self) -> Result<Client> {
        let stream = std::os::unix::net::UnixStream::connect(self.socket()).context("open the socket of OpenLDAP")?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(stream));
        let (connection, ldap) = LdapConnAsync::with_settings(settings, "ldapi://").await.context("connect to OpenLDAP")?;
        drive(connection);
        Ok(Client { ldap, peer: format!("PATH={}", self.socket().display()) })
    }

    async fn open(&self, settings: LdapConnSettings, url: &str, port: u16) -> Result<Client> {
        let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connect to OpenLDAP")?;
        let peer = format!("IP={}", stream.local_addr().context("read our own address")?);
        let settings = settings.set_conn_timeout(WITHIN).set_std_stream(StdStream::Tcp(stream));
        let (connection, ldap) = LdapConnAsync::with_settings(settings, url).await.context("connect to OpenLDAP")?;
        drive(connection);
        Ok(Client { ldap, peer })
    }

    /// Connects over LDAPS and binds as `dn`.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or refuses; the code is in the error.
    pub async fn bind(&self, dn: &str, password: &str) -> Result<Client> {
        let mut client = self.connect().await?;
        let answer = client.bind(dn, password).await?;
        anyhow::ensure!(answer.code == 0, "bind as `{dn}`: code {}", answer.code);
        Ok(client)
    }

    /// Connects and binds as [`ADMIN`].
    ///
    /// # Errors
    ///
    /// As [`Slapd::bind`].
    pub async fn admin(&self) -> Result<Client> {
        self.bind(ADMIN, self.admin.reveal()).await
    }
}

fn drive(connection: LdapConnAsync) {
    tokio::spawn(async move {
        // A broken connection is seen by the client's next question.
        let _ = connection.drive().await;
    });
}

impl Client {
    /// Our end as the server names it: `IP=127.0.0.1:41234`.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Binds; the answer's code tells whether it was taken.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub async fn bind(&mut self, dn: &str, password: &str) -> Result<Answer> {
        let result = self.ldap.with_timeout(WITHIN).simple_bind(dn, password).await.context("bind")?;
        Ok(Answer { code: result.rc, text: result.text })
    }

    /// The entry of `dn`, or the code why not.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub async fn read(&mut self, dn: &str, attributes: &[&str]) -> Result<Result<Entry, Answer>> {
        let (mut found, answer) = self.ask(dn, Scope::Base, "(objectClass=*)", attributes).await?;
        Ok(found.pop().ok_or(answer))
    }

    /// Everything below `base` that the filter lets through.
    ///
    /// # Errors
    ///
    /// When no answer came, or one other than success.
    pub async fn search(&mut self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let (found, answer) = self.ask(base, Scope::Subtree, filter, attributes).await?;
        anyhow::ensure!(answer.code == 0, "search below `{base}`: code {} {}", answer.code, answer.text);
        Ok(found)
    }

    async fn ask(&mut self, base: &str, scope: Scope, filter: &str, attributes: &[&str]) -> Result<(Vec<Entry>, Answer)> {
        let result = self.ldap.with_timeout(WITHIN).search(base, scope, filter, attributes).await.context("search")?;
        let found = result.0.into_iter().map(|entry| {
            let entry = SearchEntry::construct(entry);
            Entry { dn: entry.dn, attributes: entry.attrs.into_iter().collect() }
        });
        Ok((found.collect(), Answer { code: result.1.rc, text: result.1.text }))
    }

    /// Changes an entry; the answer's code tells whether it was taken.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub async fn modify(&mut self, dn: &str, changes: Vec<Change>) -> Result<Answer> {
        let result = self.ldap.with_timeout(WITHIN).modify(dn, changes).await.context("modify")?;
        Ok(Answer { code: result.rc, text: result.text })
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub async fn add(&mut self, dn: &str, attributes: &[(&str, &[&str])]) -> Result<Answer> {
        let attributes = attributes.iter().map(|(name, values)| (name.as_bytes().to_vec(), set(values))).collect();
        let result = self.ldap.with_timeout(WITHIN).add(dn, attributes).await.context("add")?;
        Ok(Answer { code: result.rc, text: result.text })
    }

    /// Removes an entry.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub async fn remove(&mut self, dn: &str) -> Result<Answer> {
        let result = self.ldap.with_timeout(WITHIN).delete(dn).await.context("delete")?;
        Ok(Answer { code: result.rc, text: result.text })
    }

    /// Gives an entry another name.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub async fn rename(&mut self, dn: &str, rdn: &str, below: Option<&str>) -> Result<Answer> {
        let result = self.ldap.with_timeout(WITHIN).modifydn(dn, rdn, true, below).await.context("rename")?;
        Ok(Answer { code: result.rc, text: result.text })
    }

    /// Says good-bye.
    ///
    /// # Errors
    ///
    /// When the connection is broken already.
    pub async fn close(mut self) -> Result<()> {
        self.ldap.unbind().await.context("unbind")
    }
}
