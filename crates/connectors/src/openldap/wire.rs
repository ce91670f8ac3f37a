//! Speaking to the server: kept connections of Quell's own entry, one question or
//! change at a time with a deadline, and binds of others for probes.
//!
//! What becomes of the world is sorted here, once, by how far a call came: an
//! error before it was sent changed nothing, a result code other than success
//! changed nothing (one modify is one transaction), and silence after sending is
//! unknown. The library panics on answers that are no LDAP; such a panic is caught
//! and is silence too.

#![expect(clippy::disallowed_types, reason = "the library takes hash sets of values; each change here holds one")]

use std::{
    collections::{BTreeMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use ldap3::{
    Ldap, LdapError, LdapResult, Mod, ResultEntry, Scope, SearchEntry, SearchOptions,
    controls::{Control, RawControl},
};
use quell_core::{proof::Channel, secret::Secret};
use quell_engine::port::{Outcome, PlaneError};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::{
    config::{OpenLdapConfig, Reach},
    dial::{self, Dialled},
    policy::{self, BindPolicy, Usability},
};
use crate::{
    pinned,
    pool::{Broken, Ours, Pool},
    said::{cause, one_line},
    vantage::NOT_PROVEN,
};

/// Kept connections to one server, and the way to open others.
pub(super) struct Wire {
    config: OpenLdapConfig,
    tls: Option<Arc<ClientConfig>>,
    pool: Pool<Ldap>,
    /// Our ends of the connections.
    ours: Ours<String>,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing was sent.
    NotReached { why: String },
    /// The server answered with a result code; nothing was changed.
    Answered { code: u32, text: String },
    /// It was sent, and what became of it is not known.
    Lost { why: String },
}

/// One question.
pub(super) struct Question<'a> {
    pub base: &'a str,
    pub scope: Scope,
    pub filter: &'a str,
    pub attributes: &'a [&'a str],
    /// Most entries; 0 for no limit.
    pub most: i32,
    /// Ask the policy overlay whether each entry could log in.
    pub usability: bool,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub entries: Vec<Entry>,
    /// More was there than the limit.
    pub truncated: bool,
}

/// One entry, attribute names in lower case.
#[derive(Clone)]
pub(super) struct Entry {
    pub dn: String,
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
    pub usability: Option<Usability>,
}

impl Entry {
    pub(super) fn values(&self, attribute: &str) -> &[Vec<u8>] {
        self.attributes.get(&attribute.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn texts(&self, attribute: &str) -> Vec<String> {
        self.values(attribute).iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect()
    }

    pub(super) fn first(&self, attribute: &str) -> Option<String> {
        self.texts(attribute).into_iter().next()
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("dn", &self.dn).finish_non_exhaustive()
    }
}

/// One change of one attribute.
#[derive(Clone)]
pub(super) enum Change {
    Add(&'static str, Vec<u8>),
    /// One value, or all of them.
    Delete(&'static str, Option<Vec<u8>>),
    /// One value in the place of all, or none.
    Replace(&'static str, Option<Vec<u8>>),
}

/// What a bind met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub code: u32,
    pub policy: BindPolicy,
}

/// A bound connection that is kept by whoever opened it.
pub(super) struct Session {
    ldap: Ldap,
    pub peer: String,
}

/// How long to wait where the server is busy.
const RETRY_MS: i64 = 500;

impl Wire {
    pub(super) fn new(config: OpenLdapConfig) -> Result<Self, PlaneError> {
        let tls = match &config.reach {
            Reach::Tls { ca_pem, .. } => {
                Some(Arc::new(pinned::trusting(ca_pem).map_err(|why| PlaneError::NotPermitted { plane: config.name.clone(), why })?))
            }
            Reach::Unix { .. } | Reach::Clear { .. } => None,
        };
        let pool = Pool::new(config.connections_max);
        Ok(Self { config, tls, pool, ours: Ours::default() })
    }

    /// How the server is known to be the one that was meant. A connection that
    /// fails its check is never used, so this holds for every answer.
    pub(super) fn channel(&self) -> Channel {
        match self.config.reach {
            Reach::Tls { .. } => Channel::TlsPinned,
            Reach::Unix { .. } => Channel::UnixSocket,
            Reach::Clear { .. } => Channel::Unauthenticated,
        }
    }

    /// Asks what changes nothing. A kept connection that turns out to be closed is
    /// replaced and asked once more. Where there is no such entry, nothing is found.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Found, Failure> {
        match self.run(async |ldap: &mut Ldap| search(ldap, question).await).await {
            Err(broken) if broken.was_kept => self.run(async |ldap: &mut Ldap| search(ldap, question).await).await,
            other => other,
        }
        .map_err(|broken| broken.failure)
    }

    /// Changes one entry, whole or not at all: once, whatever happens.
    pub(super) async fn tell(&self, dn: &str, changes: &[Change]) -> Result<(), Failure> {
        self.run(async |ldap: &mut Ldap| {
            let result = ldap.modify(dn, changes.iter().map(Mod::from).collect()).await.map_err(|e| lost(&e))?;
            taken(&result)
        })
        .await
        .map_err(|broken| broken.failure)
    }

    async fn run<T>(&self, call: impl AsyncFnOnce(&mut Ldap) -> Result<T, Failure>) -> Result<T, Broken<Failure>> {
        let within = self.config.call_timeout;
        let turn = self.pool.gate().turn(within).await;
        let _turn = turn.map_err(|why| Broken::at_last(Failure::NotReached { why }))?;

        let (mut ldap, was_kept) = match self.pool.take(Ldap::is_closed) {
            Some(ldap) => (ldap, true),
            None => (self.own().await.map_err(Broken::at_last)?, false),
        };
        // From here on something may have been sent.
        match guarded(within, call(&mut ldap)).await {
            Ok(value) => {
                self.pool.give_back(ldap);
                Ok(value)
            }
            Err(failure @ Failure::Answered { .. }) => {
                self.pool.give_back(ldap);
                Err(Broken::at_last(failure))
            }
            Err(failure @ Failure::Lost { .. }) => Err(Broken { failure, was_kept }),
            Err(failure) => Err(Broken::at_last(failure)),
        }
    }

    /// A connection bound as Quell itself.
    async fn own(&self) -> Result<Ldap, Failure> {
        let mut dialled = self.dial().await?;
        let (dn, secret) = (&self.config.username, &self.config.secret);
        let bound = guarded(self.config.call_timeout, bind(&mut dialled.ldap, dn, secret)).await;
        // Nothing but a bind was sent, and that changes nothing.
        let bound = bound.map_err(|failure| match failure {
            Failure::Lost { why } => Failure::NotReached { why },
            other => other,
        })?;
        match bound.code {
            0 => Ok(dialled.ldap),
            code => Err(Failure::Answered { code, text: "Quell's own bind was refused".to_owned() }),
        }
    }

    async fn dial(&self) -> Result<Dialled, Failure> {
        let within = self.config.call_timeout;
        let late = || Failure::NotReached { why: format!("no connection within {} ms", within.as_millis()) };
        let dialled = AssertUnwindSafe(timeout(within, dial::dial(&self.config, self.tls.as_ref()))).catch_unwind().await;
        match dialled {
            Ok(Ok(Ok(dialled))) => Ok(dialled),
            Ok(Ok(Err(why))) => Err(Failure::NotReached { why }),
            Ok(Err(_)) => Err(late()),
            Err(_) => Err(Failure::NotReached { why: "what answered does not speak LDAP".to_owned() }),
        }
    }

    /// One of our own probes opened the connection with this end.
    pub(super) fn is_ours(&self, peer: &str) -> bool {
        self.ours.has(peer)
    }

    /// Binds as somebody and hangs up at once.
    ///
    /// # Errors
    ///
    /// When no answer came, or none was asked for.
    pub(super) async fn login(&self, dn: &str, secret: &Secret) -> Result<Bound, String> {
        let (bound, session) = self.open(dn, secret).await?;
        if let Some(session) = session {
            session.close().await;
        }
        Ok(bound)
    }

    /// Binds as somebody; the session is there where the bind was taken.
    ///
    /// # Errors
    ///
    /// When no answer came, or none was asked for.
    pub(super) async fn open(&self, dn: &str, secret: &Secret) -> Result<(Bound, Option<Session>), String> {
        // Over clear TCP whoever listens would be handed the password.
        if self.channel() == Channel::Unauthenticated {
            return Err(NOT_PROVEN.to_owned());
        }
        // RFC 4513 5.1.2: a name without a password binds as nobody, with success.
        if dn.is_empty() || secret.expose().is_empty() {
            return Err("an empty name or password would bind as nobody, which looks like success".to_owned());
        }
        let mut dialled = self.dial().await.map_err(Failure::in_words)?;
        // It may be listed as soon as it is bound.
        self.ours.add(dialled.peer.clone());
        let bound = guarded(self.config.call_timeout, bind(&mut dialled.ldap, dn, secret)).await.map_err(Failure::in_words)?;
        let session = Session { ldap: dialled.ldap, peer: dialled.peer };
        if bound.code == 0 {
            return Ok((bound, Some(session)));
        }
        session.close().await;
        Ok((bound, None))
    }

    /// Looks for one entry over somebody's session: the code, and whether it was shown.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub(super) async fn look_over(&self, session: &mut Session, dn: &str) -> Result<(u32, bool), String> {
        let question =
            Question { base: dn, scope: Scope::Base, filter: "(objectClass=*)", attributes: &["1.1"], most: 0, usability: false };
        match guarded(self.config.call_timeout, search_for(&mut session.ldap, &question)).await {
            Ok((found, code)) => Ok((code, !found.entries.is_empty())),
            Err(Failure::Answered { code, .. }) => Ok((code, false)),
            Err(other) => Err(other.in_words()),
        }
    }
}

impl Session {
    /// Says good-bye and waits, a moment, until it is sent.
    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_millis(200), AssertUnwindSafe(self.ldap.unbind()).catch_unwind()).await;
    }
}

/// Waits for a call, at most `within`, whatever it does.
async fn guarded<T>(within: Duration, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match AssertUnwindSafe(timeout(within, call)).catch_unwind().await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Failure::Lost { why: format!("no answer within {} ms", within.as_millis()) }),
        Err(_) => Err(Failure::Lost { why: "the answer is not LDAP".to_owned() }),
    }
}

async fn bind(ldap: &mut Ldap, dn: &str, secret: &Secret) -> Result<Bound, Failure> {
    let control = RawControl { ctype: policy::PPOLICY.to_owned(), crit: false, val: None };
    let result = ldap.with_controls(vec![control]).simple_bind(dn, secret.expose()).await.map_err(|e| lost(&e))?;
    let policy = BindPolicy::of(value_of(&result.ctrls, policy::PPOLICY));
    Ok(Bound { code: result.rc, policy })
}

async fn search(ldap: &mut Ldap, question: &Question<'_>) -> Result<Found, Failure> {
    Ok(search_for(ldap, question).await?.0)
}

async fn search_for(ldap: &mut Ldap, question: &Question<'_>) -> Result<(Found, u32), Failure> {
    if question.usability {
        ldap.with_controls(vec![RawControl { ctype: policy::USABILITY.to_owned(), crit: false, val: None }]);
    }
    ldap.with_search_options(SearchOptions::new().sizelimit(question.most));
    let mut stream =
        ldap.streaming_search(question.base, question.scope, question.filter, question.attributes.to_vec()).await.map_err(|e| lost(&e))?;
    let mut entries = Vec::new();
    while let Some(item) = stream.next().await.map_err(|e| lost(&e))? {
        if !item.is_ref() && !item.is_intermediate() {
            entries.push(entry(item));
        }
    }
    let result = stream.finish().await;
    match result.rc {
        // 32: no such entry, or none that we may see.
        0 | 32 => Ok((Found { entries, truncated: false }, result.rc)),
        // 4 and 11: more was there than the limit of ours or of the server.
        code @ (4 | 11) => Ok((Found { entries, truncated: true }, code)),
        _ => taken(&result).map(|()| (Found::default(), result.rc)),
    }
}

fn entry(item: ResultEntry) -> Entry {
    let usability = value_of(&item.1, policy::USABILITY).and_then(Usability::of);
    let SearchEntry { dn, attrs, bin_attrs } = SearchEntry::construct(item);
    let texts = attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values.into_iter().map(String::into_bytes).collect()));
    let bytes = bin_attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values));
    Entry { dn, attributes: texts.chain(bytes).collect(), usability }
}

fn value_of<'a>(controls: &'a [Control], oid: &str) -> Option<&'a [u8]> {
    controls.iter().find(|c| c.1.ctype == oid).map(|c| c.1.val.as_deref().unwrap_or_default())
}

fn taken(result: &LdapResult) -> Result<(), Failure> {
    match result.rc {
        0 => Ok(()),
        // The server ends the connection, or says that it does not know itself.
        80 | 88 => Err(Failure::Lost { why: format!("the server answered {} (`{}`)", one_line(&result.text), result.rc) }),
        code => {
            let refers = if result.refs.is_empty() { String::new() } else { format!("it refers to {}", one_line(&result.refs.join(", "))) };
            Err(Failure::Answered { code, text: if result.text.is_empty() { refers } else { one_line(&result.text) } })
        }
    }
}

fn lost(e: &LdapError) -> Failure {
    match e {
        // Its channel to the connection's task is closed: it was not sent.
        LdapError::OpSend { .. } | LdapError::FilterParsing | LdapError::AddNoValues => Failure::NotReached { why: cause(e) },
        _ => Failure::Lost { why: cause(e) },
    }
}

impl From<&Change> for Mod<Vec<u8>> {
    fn from(change: &Change) -> Self {
        let set = |value: &Option<Vec<u8>>| value.iter().cloned().collect::<HashSet<_>>();
        match change {
            Change::Add(attribute, value) => Self::Add((*attribute).into(), set(&Some(value.clone()))),
            Change::Delete(attribute, value) => Self::Delete((*attribute).into(), set(value)),
            Change::Replace(attribute, value) => Self::Replace((*attribute).into(), set(value)),
        }
    }
}

impl Failure {
    pub(super) fn in_words(self) -> String {
        match self {
            Self::NotReached { why } | Self::Lost { why } => why,
            Self::Answered { code, text } => refused(code, &text),
        }
    }

    /// For a question.
    pub(super) fn plane_error(self, plane: &str) -> PlaneError {
        let plane = plane.to_owned();
        match self {
            Self::NotReached { why } | Self::Lost { why } => PlaneError::Unreachable { plane, why },
            Self::Answered { code, .. } if later(code) => PlaneError::Throttled { plane, retry_after_ms: RETRY_MS },
            Self::Answered { code: code @ (8 | 13 | 49 | 50), text } => PlaneError::NotPermitted { plane, why: refused(code, &text) },
            Self::Answered { code, text } => PlaneError::Garbled { plane, why: refused(code, &text) },
        }
    }

    /// For an act that needs `privilege`.
    pub(super) fn outcome(self, privilege: &str) -> Outcome {
        match self {
            // The time ran out or the line broke: even where nothing was sent,
            // reading again is what tells.
            Self::NotReached { why } | Self::Lost { why } => Outcome::Unknown { reason: why },
            Self::Answered { code, .. } if later(code) => Outcome::Throttled { retry_after_ms: RETRY_MS },
            Self::Answered { code: 50, text } => Outcome::Refused {
                reason: format!("Quell's entry needs {privilege} (`50` {text}); run the script of `quell connector bootstrap`"),
            },
            Self::Answered { code, text } => Outcome::Refused { reason: refused(code, &text) },
        }
    }
}

/// Busy, or not available now.
fn later(code: u32) -> bool {
    matches!(code, 51 | 52)
}

fn refused(code: u32, text: &str) -> String {
    match code {
        10 => format!("this server is a consumer and changes nothing (`10` {text}); name the provider in `url`"),
        13 => "the server asks for TLS (`13`); use `ldaps://`, or `ldap://` with `ca_file`".to_owned(),
        32 => "there is no such entry (`32`)".to_owned(),
        49 => "refused Quell's own bind (`49`); give it the configured secret again".to_owned(),
        _ => format!("refused with `{code}`: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_never_a_refusal_and_a_refusal_names_its_code() {
        let why = || "x".to_owned();
        for silent in [Failure::NotReached { why: why() }, Failure::Lost { why: why() }] {
            assert!(matches!(silent.clone().outcome("x"), Outcome::Unknown { .. }));
            assert!(matches!(silent.plane_error("ldap"), PlaneError::Unreachable { .. }));
        }
        for code in [51, 52] {
            let later = Failure::Answered { code, text: why() };
            assert!(matches!(later.clone().outcome("x"), Outcome::Throttled { .. }), "{code}");
            assert!(matches!(later.plane_error("ldap"), PlaneError::Throttled { .. }), "{code}");
        }
        for code in [10, 16, 19, 20, 32, 49, 50, 53, 65] {
            let refused = Failure::Answered { code, text: why() };
            assert!(matches!(refused.outcome("x"), Outcome::Refused { reason } if reason.contains(&code.to_string())), "{code}");
        }
        let result = LdapResult { rc: 80, matched: String::new(), text: why(), refs: Vec::new(), ctrls: Vec::new() };
        assert!(matches!(taken(&result), Err(Failure::Lost { .. })), "`other` says nothing about what became of it");
    }

    #[test]
    fn what_is_held_is_not_shown() {
        let attributes = [("userpassword".to_owned(), vec![b"a secret".to_vec()])].into();
        let entry = Entry { dn: "cn=x".to_owned(), attributes, usability: None };
        assert!(!format!("{entry:?} {entry:#?}").contains("secret"));
    }
}
