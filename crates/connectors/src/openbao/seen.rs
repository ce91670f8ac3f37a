//! The shapes of the server's answers: what one thing is, without any secret of it.

use std::collections::BTreeMap;

use quell_core::time::Timestamp;
use serde::Deserialize;

use super::native::Who;

/// A token, as the token store describes it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TokenSeen {
    pub accessor: String,
    #[serde(default)]
    pub entity_id: String,
    #[serde(default)]
    pub path: String,
    #[serde(default)]
    pub policies: Vec<String>,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub meta: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub orphan: bool,
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub issue_time: Option<Timestamp>,
    #[serde(default)]
    pub expire_time: Option<Timestamp>,
    #[serde(default)]
    pub num_uses: i64,
    pub ttl: i64,
}

impl TokenSeen {
    /// It may do everything, so taking it away is no decision of a case.
    pub(super) fn is_root(&self) -> bool {
        self.policies.iter().any(|p| p == "root")
    }

    /// The login that it came from, where it came from one.
    pub(super) fn who(&self) -> Option<Who> {
        let rest = self.path.strip_prefix("auth/")?;
        if let Some(mount) = rest.strip_suffix("/login")
            && let Some(role) = self.meta.as_ref().and_then(|m| m.get("role_name"))
        {
            return Some(Who::AppRole { mount: mount.to_owned(), role: role.to_lowercase() });
        }
        let (mount, user) = rest.rsplit_once("/login/")?;
        let named = self.meta.as_ref().and_then(|m| m.get("username")).is_some_and(|n| n.eq_ignore_ascii_case(user));
        named.then(|| Who::User { mount: mount.to_owned(), user: user.to_lowercase() })
    }
}

/// An AppRole's own settings.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RoleSeen {
    #[serde(default)]
    pub token_policies: Option<Vec<String>>,
    #[serde(default)]
    pub token_type: String,
    #[serde(default)]
    pub token_ttl: i64,
    #[serde(default)]
    pub token_max_ttl: i64,
    #[serde(default)]
    pub token_explicit_max_ttl: i64,
    /// Without it no secret-id is asked for; users have none.
    #[serde(default)]
    pub bind_secret_id: Option<bool>,
}

/// A secret-id without its value.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SecretIdSeen {
    pub secret_id_accessor: String,
    #[serde(default)]
    pub creation_time: Option<Timestamp>,
    #[serde(default)]
    pub expiration_time: Option<Timestamp>,
    #[serde(default)]
    pub secret_id_num_uses: i64,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
}

impl SecretIdSeen {
    /// The year 1 stands for "never".
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.expiration_time.filter(|t| t.as_second() > 0)
    }
}

/// What a secret-id is now.
#[derive(Clone, Debug)]
pub(super) enum SecretIdNow {
    There(SecretIdSeen),
    Gone,
    /// Its time is over; the server has not tidied it away yet.
    Expired,
    /// The role does not exist, and its secret-ids with it.
    NoRole,
}

/// An entity with the logins that lead to it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct EntitySeen {
    pub id: String,
    pub disabled: bool,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    #[serde(default)]
    pub aliases: Option<Vec<AliasSeen>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct AliasSeen {
    pub name: String,
    pub mount_accessor: String,
    #[serde(default)]
    pub mount_type: String,
    #[serde(default)]
    pub mount_path: String,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// A lease without what it leases.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct LeaseSeen {
    pub id: String,
    #[serde(default)]
    pub issue_time: Option<Timestamp>,
    #[serde(default)]
    pub expire_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PolicySeen {
    pub policy: String,
    #[serde(default)]
    pub version: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct VersionSeen {
    pub destroyed: bool,
    #[serde(default)]
    pub deletion_time: String,
    #[serde(default)]
    pub created_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct KvSeen {
    pub current_version: u64,
    #[serde(default)]
    pub versions: BTreeMap<String, VersionSeen>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct MountSeen {
    #[serde(rename = "type")]
    pub kind: String,
    pub accessor: String,
    #[serde(default)]
    pub config: MountConfig,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct MountConfig {
    #[serde(default)]
    pub token_type: String,
}

/// How long a mount lets anything live.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TuneSeen {
    pub max_lease_ttl: i64,
    #[serde(default)]
    pub audit_non_hmac_response_keys: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct CertSeen {
    pub not_after: Timestamp,
    pub not_before: Timestamp,
    #[serde(default)]
    pub common_name: String,
}

/// The node that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub clock: Timestamp,
    /// It decides itself: neither sealed nor a standby.
    pub active: bool,
    pub version: String,
}
