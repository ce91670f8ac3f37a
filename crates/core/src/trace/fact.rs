//! What one log record says about credentials, in one shape for every log.
//!
//! A reader turns a record into at most one [`Fact`]: who presented what, from
//! where, and what became of credentials by it. A fact holds ids and names only:
//! no reader puts a secret, a token or a statement's text into it.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{signal::CredentialKind, time::Timestamp};

/// Where a record stands: the file's number in the caller's list, and the record from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: u32,
    pub record: u64,
}

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// The vendor's time of the event; it orders and explains, nothing else.
    pub at: Option<Timestamp>,
    /// The vendor's id, equal for two deliveries of one record.
    pub record_id: Option<String>,
    /// Whose clock and whose names these are: `aws:111111111111`, `vault:root`.
    pub system: String,
    /// The vendor's name of the event.
    pub event: String,
    pub outcome: Outcome,
    pub by: Option<Bearer>,
    pub deeds: Vec<Deed>,
    /// Pairs of names that this record gives to one identity.
    pub aliases: Vec<(String, String)>,
}

/// What the system answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    #[default]
    Done,
    /// The credential was good and the act was not permitted, or it failed.
    Refused,
    /// The credential itself was turned away: its use is no use.
    Rejected,
}

/// Who came, with what, from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearer {
    pub identity: Option<String>,
    /// The id of what was presented. A session nobody numbers is `IDENTITY#session`.
    pub credential: Option<String>,
    pub kind: LinkKind,
    /// The role that a session plays, where it plays one.
    pub role: Option<String>,
    /// The name a session was given; several credentials may share it.
    pub session: Option<String>,
    /// The machine that the session was made for.
    pub workload: Option<String>,
    /// When the session began, as the record of its use says.
    pub began: Option<Timestamp>,
    pub address: Option<String>,
    /// The named machine it came from or acted on; an address is not one.
    pub device: Option<String>,
    /// The plane's own service that holds the credential and never hands it out.
    pub service: Option<String>,
    /// The machine's own agent speaks, so the address is the machine's.
    pub own_agent: bool,
    /// A tool speaks that people type into, as machines seldom use.
    pub desk_tool: bool,
    /// Who acts for the identity, the nearest first (RFC 8693 section 4.1).
    pub act: Vec<String>,
}

/// What became of credentials by a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A credential, session or grant was handed out.
    Mint(Minted),
    /// A secret was read; what it opens is not known.
    Read(String),
    /// A secret was read that is, or gives, this credential.
    Take { credential: String, kind: LinkKind, identity: Option<String> },
    /// Recorded as ended. A record is not a proof.
    End(Ended),
    /// Something was changed that outlives the credential that changed it.
    Change { nature: Nature, target: String },
    /// An identity was made, which had nothing before.
    Make(String),
    /// Was at what guards a signing key; too little alone, something beside others.
    Touch(String),
    /// A detector's rule matched it.
    Hit(String),
    /// The plane itself says that an identity is compromised, in our words.
    Accuse { identity: String, why: &'static str },
    /// What would have been one of these was refused; it counts as a try.
    Attempt,
    /// A machine was started; its sessions are not the starter's until seen in its hands.
    Launch(String),
    /// A machine was made to run something.
    Command(String),
}

impl Deed {
    /// What it is about, by the id that tells it from another.
    pub(super) fn about(&self) -> &str {
        match self {
            Self::Mint(minted) => &minted.id,
            Self::Take { credential: about, .. }
            | Self::Read(about)
            | Self::Make(about)
            | Self::Touch(about)
            | Self::Hit(about)
            | Self::Launch(about)
            | Self::Command(about)
            | Self::Accuse { identity: about, .. }
            | Self::Change { target: about, .. }
            | Self::End(Ended::Credential(about) | Ended::Identity(about) | Ended::SessionsOf(about)) => about,
            Self::Attempt => "",
        }
    }
}

/// What was handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minted {
    pub id: String,
    pub kind: LinkKind,
    pub identity: Option<String>,
    pub role: Option<String>,
    pub session: Option<String>,
    pub workload: Option<String>,
    pub expires_at: Option<Timestamp>,
    /// The plane's own service that it was handed to.
    pub service: Option<String>,
    /// Opened by signing in; signing in alone is nothing to look into.
    pub login: bool,
    /// The plane ends it with its parent.
    pub dies_with_parent: bool,
    /// Who acts for the identity with it, the nearest first.
    pub act: Vec<String>,
    /// Other ids of the same thing.
    pub also: Vec<String>,
    /// What bears on how much it is worth, in our words.
    pub note: Option<&'static str>,
}

/// What a record says has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Credential(String),
    /// Every credential and session of an identity.
    Identity(String),
    /// Every session of an identity or role that began before the record.
    SessionsOf(String),
}

/// What kind of thing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// Who may do what.
    Permission,
    /// Who may become whom.
    Trust,
    /// An identity was made, or changed how it signs in.
    Identity,
    /// What is logged or watched: afterwards we may be blind.
    Logging,
    /// Data or access was opened to others.
    Sharing,
    /// What a machine or function runs.
    Code,
}

/// What a link of a chain is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    Password,
    AccessKey,
    ApiKey,
    Token,
    RefreshToken,
    Session,
    Certificate,
    SshKey,
    SecretId,
    ServiceAccountKey,
    Ticket,
    OauthClient,
    /// A grant, or a standing trust: nothing to present, but it opens.
    Entitlement,
    #[default]
    Unknown,
}

impl From<CredentialKind> for LinkKind {
    fn from(kind: CredentialKind) -> Self {
        match kind {
            CredentialKind::Password => Self::Password,
            CredentialKind::AccessKey => Self::AccessKey,
            CredentialKind::ApiKey => Self::ApiKey,
            CredentialKind::Token => Self::Token,
            CredentialKind::RefreshToken => Self::RefreshToken,
            CredentialKind::Session => Self::Session,
            CredentialKind::Certificate => Self::Certificate,
            CredentialKind::SshKey => Self::SshKey,
            CredentialKind::SecretId => Self::SecretId,
            CredentialKind::ServiceAccountKey => Self::ServiceAccountKey,
            CredentialKind::Ticket => Self::Ticket,
            CredentialKind::OauthClient => Self::OauthClient,
            CredentialKind::Unknown => Self::Unknown,
        }
    }
}

impl LinkKind {
    /// Access already granted, which ends by itself or by being ended.
    pub fn is_session(self) -> bool {
        matches!(self, Self::Session | Self::Token | Self::RefreshToken | Self::Ticket)
    }

    /// Its name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::AccessKey => "access key",
            Self::ApiKey => "API key",
            Self::Token => "token",
            Self::RefreshToken => "refresh token",
            Self::Session => "session",
            Self::Certificate => "certificate",
            Self::SshKey => "SSH key",
            Self::SecretId => "secret id",
            Self::ServiceAccountKey => "service account key",
            Self::Ticket => "ticket",
            Self::OauthClient => "application key",
            Self::Entitlement => "grant",
            Self::Unknown => "credential",
        }
    }
}
