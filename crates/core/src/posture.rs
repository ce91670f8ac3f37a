//! The path of what is not as it should be, and is no emergency.
//!
//! Over-privilege, an orphan, a dormant account, a long-lived secret and a missing
//! owner ask one function for one thing. They cut nothing, page nobody, corroborate
//! no attack and have cases of their own, so that no emergency waits for them and
//! none of them waits for an emergency. Which one it is, is read from the sender's
//! title; what is done about it consists of our words.

use crate::decision::Role;

/// What is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Posture {
    NoOwner,
    Orphan,
    Dormant,
    LongLivedSecret,
    OverPrivilege,
    /// Quell's own: whoever answers for an identity did not say so for too long.
    StaleOwner,
    /// Quell's own: a source is not heard as often as it was.
    SilentSource,
    /// Quell's own: a source's messages lack what they always had.
    ChangedSchema,
    /// Something else; a person reads it.
    Other,
}

/// Who is asked for what, and with which outcome the finding ends then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub owner: Role,
    pub task: &'static str,
    pub ends_as: &'static str,
}

/// Words of titles, most telling first: an orphan is often dormant, too.
const WORDS: [(Posture, &[&str]); 5] = [
    (Posture::NoOwner, &["no owner", "without owner", "without an owner", "unowned", "owner missing", "missing owner", "ownerless"]),
    (Posture::Orphan, &["orphan", "leaver", "offboarded", "off-boarded", "left the company", "terminated employee"]),
    (Posture::Dormant, &["dormant", "inactive", "unused", "stale account", "not used", "never used", "never logged in"]),
    (
        Posture::LongLivedSecret,
        &[
            "long-lived",
            "long lived",
            "not rotated",
            "rotation",
            "rotate",
            "old key",
            "old secret",
            "never expires",
            "does not expire",
            "no expiry",
        ],
    ),
    (
        Posture::OverPrivilege,
        &[
            "over-privilege",
            "overprivilege",
            "over privilege",
            "over-permission",
            "overpermission",
            "excessive",
            "admin privileges",
            "wildcard",
            "least privilege",
        ],
    ),
];

impl Posture {
    /// Which one a sender's title tells of.
    pub fn of(title: &str) -> Self {
        let title = title.to_lowercase();
        WORDS.iter().find(|(_, words)| words.iter().any(|w| title.contains(w))).map_or(Self::Other, |(posture, _)| *posture)
    }

    /// Its own path.
    pub fn path(self) -> Path {
        let (owner, task, ends_as) = match self {
            Self::NoOwner => (Role::Iam, "nobody answers for this identity: name its owner, or retire it", "expected"),
            Self::StaleOwner => {
                (Role::Iam, "nobody confirmed lately who answers for this identity: have its owner confirmed, or name another", "expected")
            }
            Self::Orphan => (Role::Iam, "whoever this identity belonged to is gone: retire it, or name its owner", "retired"),
            Self::Dormant => (Role::Iam, "nobody uses this identity: retire it, or say who still needs it", "retired"),
            Self::LongLivedSecret => (
                Role::PlatformOwner,
                "this identity's secret is too old: replace it with one that ends, in the consumers' own time",
                "retired",
            ),
            Self::OverPrivilege => (Role::Iam, "this identity may do more than it does: take the rest away", "privilege_reduced"),
            Self::SilentSource => {
                (Role::TelemetryOwner, "a source is silent: find out whether it still sends, and say why it does not", "expected")
            }
            Self::ChangedSchema => (
                Role::TelemetryOwner,
                "a source's messages lack what they always had: change what reads them, or what sends them",
                "expected",
            ),
            Self::Other => {
                (Role::Secops, "something of this identity is not as it should be: correct it, or say why it stands", "expected")
            }
        };
        Path { owner, task, ends_as }
    }
}
