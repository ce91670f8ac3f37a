//! Speaking to sshd: one command of Quell's own account, or one question whether a key
//! would be let in, each over a connection of its own with a deadline.
//!
//! What becomes of the world is sorted here, once, by how far a call came: before the
//! command was sent nothing changed, an answer that ends with `end` is whole, and
//! anything else is unknown. The library tells a connection that broke while a key was
//! asked about like a refusal, without naming a method to go on with; sshd names one
//! always, so a refusal without is none.

use std::{sync::Arc, time::Duration};

use quell_engine::port::{Outcome, PlaneError};
use russh::{
    ChannelMsg, Disconnect, Preferred,
    client::{self, AuthResult, Handle},
    keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, agent::AgentIdentity},
};
use tokio::{net::TcpStream, time::timeout};

use super::{
    config::{Keys, OpenSshConfig},
    keys::Presented,
};
use crate::{
    attempt::Failed,
    pool::Gate,
    said::{cause, one_line},
};

/// The longest answer that is read.
const ANSWER_MAX: usize = 16 * 1024 * 1024;
/// How long to wait where the host is busy.
const RETRY_MS: i64 = 500;

/// The way to one sshd.
pub(super) struct Wire {
    config: OpenSshConfig,
    keys: Keys,
    client: Arc<client::Config>,
    gate: Gate,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing was sent.
    NotReached { why: String },
    /// sshd does not let Quell in.
    Denied { why: String },
    /// The host said no; nothing was changed.
    Refused { why: String },
    /// Another attempt has the lock; nothing was changed.
    Busy,
    /// It was sent, and what became of it is not known.
    Lost { why: String },
    /// It was answered, and not in words that are known here.
    Garbled { why: String },
}

impl Failed for Failure {
    fn outcome(self: Box<Self>) -> Outcome {
        match *self {
            Self::NotReached { .. } | Self::Busy => Outcome::Throttled { retry_after_ms: RETRY_MS },
            Self::Denied { why } | Self::Refused { why } => Outcome::Refused { reason: why },
            Self::Lost { why } | Self::Garbled { why } => Outcome::Unknown { reason: why },
        }
    }

    fn plane_error(self: Box<Self>, plane: &str) -> PlaneError {
        self.for_plane(plane)
    }
}

impl Failure {
    pub(super) fn for_plane(self, plane: &str) -> PlaneError {
        let plane = plane.to_owned();
        match self {
            Self::NotReached { why } | Self::Lost { why } => PlaneError::Unreachable { plane, why },
            Self::Denied { why } | Self::Refused { why } => PlaneError::NotPermitted { plane, why },
            Self::Busy => PlaneError::Throttled { plane, retry_after_ms: RETRY_MS },
            Self::Garbled { why } => PlaneError::Garbled { plane, why },
        }
    }
}

/// What sshd answers to "would this key be let in?" (RFC 4252 section 7, without a
/// signature).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// `SSH_MSG_USERAUTH_PK_OK`
    Accepted,
    /// `SSH_MSG_USERAUTH_FAILURE`
    Refused,
}

impl Wire {
    pub(super) fn new(config: OpenSshConfig, keys: Keys) -> Self {
        let mut kinds: Vec<Algorithm> = keys.hosts.iter().map(PublicKey::algorithm).collect();
        kinds.sort();
        kinds.dedup();
        let preferred = Preferred { key: kinds.into(), ..Preferred::default() };
        let client = client::Config { preferred, inactivity_timeout: Some(config.call_timeout), ..client::Config::default() };
        let gate = Gate::new(config.connections_max);
        Self { config, keys, client: Arc::new(client), gate }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Runs `words` as Quell's own account, and answers its lines without the last.
    pub(super) async fn call(&self, words: &str) -> Result<Vec<String>, Failure> {
        let not_reached = |why: String| Failure::NotReached { why };
        let _turn = self.gate.turn(self.config.call_timeout).await.map_err(not_reached)?;
        let opened = timeout(self.config.call_timeout, self.log_in()).await;
        let handle = opened.map_err(|_| not_reached(self.too_late()))??;
        let said = timeout(self.config.call_timeout, run(&handle, words)).await;
        let said = said.unwrap_or_else(|_| Err(Failure::Lost { why: self.too_late() }));
        close(&handle).await;
        whole(&said?)
    }

    /// Asks whether `account` would be let in with a key, without signing anything.
    pub(super) async fn ask(&self, account: &str, presented: &Presented) -> Result<Asked, String> {
        let _turn = self.gate.turn(self.config.call_timeout).await?;
        let asked = async {
            let mut handle = self.connect().await?;
            let answer = question(&mut handle, account, presented).await;
            close(&handle).await;
            answer
        };
        timeout(self.config.call_timeout, asked).await.unwrap_or_else(|_| Err(self.too_late()))
    }

    async fn log_in(&self) -> Result<Handle<Pinned>, Failure> {
        let mut handle = self.connect().await.map_err(|why| Failure::NotReached { why })?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(self.keys.own.clone()), Some(HashAlg::Sha512));
        match handle.authenticate_publickey(&self.config.username, key).await {
            Ok(AuthResult::Success) => Ok(handle),
            Ok(AuthResult::Failure { remaining_methods, .. }) if remaining_methods.is_empty() => {
                Err(Failure::NotReached { why: "the connection ended while Quell logged in".to_owned() })
            }
            Ok(AuthResult::Failure { .. }) => Err(Failure::Denied {
                why: format!("does not let `{}` in with the key of `secret_file`; run the bootstrap", self.config.username),
            }),
            Err(e) => Err(Failure::NotReached { why: cause(&e) }),
        }
    }

    /// A connection whose other end signed with a pinned host key.
    async fn connect(&self) -> Result<Handle<Pinned>, String> {
        let stream = match self.config.address {
            Some(address) => TcpStream::connect((address, self.config.port)).await,
            None => TcpStream::connect((self.config.host.as_str(), self.config.port)).await,
        };
        let stream = stream.map_err(|e| cause(&e))?;
        let _ = stream.set_nodelay(true);
        let handler = Pinned { hosts: self.keys.hosts.clone() };
        client::connect_stream(self.client.clone(), stream, handler).await.map_err(|e| match e {
            russh::Error::UnknownKey => "whoever answers there has another host key than the pinned one".to_owned(),
            e => cause(&e),
        })
    }

    fn too_late(&self) -> String {
        format!("no answer within {} s", self.config.call_timeout.as_secs_f32())
    }
}

async fn run(handle: &Handle<Pinned>, words: &str) -> Result<Vec<u8>, Failure> {
    let not_reached = |e: russh::Error| Failure::NotReached { why: cause(&e) };
    let mut channel = handle.channel_open_session().await.map_err(not_reached)?;
    let lost = |why: &str| Failure::Lost { why: why.to_owned() };
    channel.exec(true, words).await.map_err(|e| Failure::Lost { why: cause(&e) })?;
    let (mut out, mut complaint) = (Vec::new(), Vec::new());
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => out.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => complaint.extend_from_slice(&data),
            ChannelMsg::Failure => return Err(lost("sshd did not run the command")),
            _ => {}
        }
        if out.len() > ANSWER_MAX {
            return Err(lost("the answer is longer than 16 MiB"));
        }
    }
    if out.is_empty() {
        let complaint = one_line(&String::from_utf8_lossy(&complaint));
        let why = if complaint.is_empty() { "the answer was cut short".to_owned() } else { complaint };
        return Err(Failure::Lost { why });
    }
    Ok(out)
}

/// The lines of an answer that came whole.
fn whole(bytes: &[u8]) -> Result<Vec<String>, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let Some(body) = text.strip_suffix("end\n") else {
        return Err(Failure::Lost { why: "the answer was cut short".to_owned() });
    };
    let lines: Vec<String> = body.lines().map(str::to_owned).collect();
    match lines.last().map(String::as_str) {
        Some("busy") => Err(Failure::Busy),
        Some(line) if line.starts_with("refused ") => Err(Failure::Refused { why: one_line(line.trim_start_matches("refused ")) }),
        _ => Ok(lines),
    }
}

async fn question(handle: &mut Handle<Pinned>, account: &str, presented: &Presented) -> Result<Asked, String> {
    let hash = |algorithm: Algorithm| matches!(algorithm, Algorithm::Rsa { .. }).then_some(HashAlg::Sha512);
    let mut unsigned = Unsigned;
    let answer = match presented {
        Presented::Key(key) => handle.authenticate_publickey_with(account, key.clone(), hash(key.algorithm()), &mut unsigned).await,
        Presented::Certificate(one) => {
            let kind = one.public_key().algorithm();
            handle.authenticate_certificate_with(account, (**one).clone(), hash(kind), &mut unsigned).await
        }
    };
    match answer {
        Err(Stopped::AskedToSign) => Ok(Asked::Accepted),
        Err(Stopped::Broke) => Err("the connection ended before the answer".to_owned()),
        Ok(AuthResult::Success) => Ok(Asked::Accepted),
        Ok(AuthResult::Failure { partial_success: true, .. }) => Ok(Asked::Accepted),
        Ok(AuthResult::Failure { remaining_methods, .. }) if remaining_methods.is_empty() => {
            Err("the connection ended before the answer".to_owned())
        }
        Ok(AuthResult::Failure { .. }) => Ok(Asked::Refused),
    }
}

async fn close(handle: &Handle<Pinned>) {
    let _ = timeout(Duration::from_millis(200), handle.disconnect(Disconnect::ByApplication, "", "")).await;
}

/// Believes the pinned host keys and no other, and no certificate of a host.
struct Pinned {
    hosts: Vec<PublicKey>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.hosts.iter().any(|known| known.key_data() == key.key_data()),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

/// Signs nothing: that sshd asks for a signature is the answer.
struct Unsigned;

/// Why there is no answer to a login that was not meant to succeed.
enum Stopped {
    AskedToSign,
    Broke,
}

impl From<russh::SendError> for Stopped {
    fn from(_: russh::SendError) -> Self {
        Self::Broke
    }
}

impl russh::Signer for Unsigned {
    type Error = Stopped;

    async fn auth_sign(&mut self, _: &AgentIdentity, _: Option<HashAlg>, _: Vec<u8>) -> Result<Vec<u8>, Stopped> {
        Err(Stopped::AskedToSign)
    }
}
