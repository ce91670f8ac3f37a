//! What IAM holds of one user or role now. Every look is Quell's own call and changes
//! nothing.

use percent_encoding::percent_decode_str;
use quell_core::time::Timestamp;

use super::{
    Aws, deny,
    native::Who,
    wire::{Failure, Fields, Reply},
};

/// Most pages of one listing.
const PAGES_MAX: usize = 40;

/// An access key as IAM lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyNow {
    pub id: String,
    pub active: bool,
    pub created: Option<Timestamp>,
}

/// What of Quell's stands against an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Denials {
    /// Everything, to the identity and its sessions.
    pub everything: bool,
    /// Sessions that were issued before.
    pub older: Option<Timestamp>,
}

/// A user or a role.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub who: Who,
    /// `AIDA...`, `AROA...`: what log records name.
    pub id: String,
    pub arn: String,
    pub path: String,
    /// Of a user; at most two.
    pub keys: Vec<KeyNow>,
    /// A user's login profile is there.
    pub console: bool,
    pub denials: Denials,
    /// The policy that bounds what it may do, by its ARN.
    pub boundary: Option<String>,
    /// Who may assume a role, as its trust policy has it.
    pub trust: Option<String>,
    /// When the plane says that it is.
    pub plane_clock: Option<Timestamp>,
}

impl Look {
    /// Why nobody may change it, where AWS keeps it.
    pub(super) fn kept_by_aws(&self) -> Option<&'static str> {
        match self.who {
            Who::Role(_) if self.path.starts_with("/aws-service-role/") => Some("AWS keeps this role for one of its services"),
            Who::Role(_) if self.path.starts_with("/aws-reserved/") => Some("AWS keeps this role; end the sessions where people sign in"),
            _ => None,
        }
    }

    /// Nothing is left that it may do.
    pub(super) fn is_fenced(&self) -> bool {
        self.boundary.is_some() && self.boundary == deny::fence_of(&self.arn)
    }

    pub(super) fn key(&self, id: &str) -> Option<&KeyNow> {
        self.keys.iter().find(|k| k.id == id)
    }
}

impl Aws {
    /// A user or role with everything that Quell treats; none where there is none.
    pub(super) async fn look(&self, who: &Who) -> Result<Option<Look>, Failure> {
        let (action, parameter) = match who {
            Who::User(_) => ("GetUser", "UserName"),
            Who::Role(_) => ("GetRole", "RoleName"),
        };
        let reply = match self.wire.iam(action, &[(parameter, who.name())]).await {
            Ok(reply) => reply,
            Err(failure) if failure.is("NoSuchEntity") => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let of_user = async {
            match who {
                Who::User(user) => Ok((self.keys_of(user).await?, self.has_console(user).await?)),
                Who::Role(_) => Ok((Vec::new(), false)),
            }
        };
        let (of_user, denials) = tokio::join!(of_user, self.denials(who));
        let (keys, console) = of_user?;
        let (id, named) = match who {
            Who::User(_) => ("UserId", "UserName"),
            Who::Role(_) => ("RoleId", "RoleName"),
        };
        // Names are compared without case and kept with it: another spelling is the same one.
        if !reply.must(named)?.eq_ignore_ascii_case(who.name()) {
            return Err(Failure::Garbled { why: "the answer is about another identity".to_owned() });
        }
        Ok(Some(Look {
            who: who.clone(),
            id: reply.must(id)?,
            arn: reply.must("Arn")?,
            path: reply.text("Path").unwrap_or_default(),
            keys,
            console,
            denials: denials?,
            boundary: reply.text("PermissionsBoundaryArn"),
            trust: reply.text("AssumeRolePolicyDocument").map(|text| decoded(&text)),
            plane_clock: reply.date,
        }))
    }

    pub(super) async fn keys_of(&self, user: &str) -> Result<Vec<KeyNow>, Failure> {
        let listed = self.listed("ListAccessKeys", &[("UserName", user)], "AccessKeyMetadata").await?;
        let key = |fields: &Fields| {
            let status = fields.get("Status").map(String::as_str);
            let active = match status {
                Some("Active") => true,
                Some("Inactive" | "Expired") => false,
                _ => return Err(Failure::Garbled { why: "a key has neither of the known states".to_owned() }),
            };
            let id = fields.get("AccessKeyId").cloned().ok_or(Failure::Garbled { why: "a key has no id".to_owned() })?;
            Ok(KeyNow { id, active, created: fields.get("CreateDate").and_then(|t| t.parse().ok()) })
        };
        listed.iter().map(key).collect()
    }

    async fn has_console(&self, user: &str) -> Result<bool, Failure> {
        match self.wire.iam("GetLoginProfile", &[("UserName", user)]).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is("NoSuchEntity") => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// What of Quell's stands against it.
    pub(super) async fn denials(&self, who: &Who) -> Result<Denials, Failure> {
        let (everything, older) = tokio::join!(self.policy(who, deny::SUSPENDED), self.policy(who, deny::OLDER));
        Ok(Denials {
            everything: everything?.is_some_and(|text| deny::is_everything(&text)),
            older: older?.and_then(|text| deny::older_than(&text)),
        })
    }

    /// The text of an inline policy.
    pub(super) async fn policy(&self, who: &Who, name: &str) -> Result<Option<String>, Failure> {
        let (action, parameter) = match who {
            Who::User(_) => ("GetUserPolicy", "UserName"),
            Who::Role(_) => ("GetRolePolicy", "RoleName"),
        };
        match self.wire.iam(action, &[(parameter, who.name()), ("PolicyName", name)]).await {
            Ok(reply) => Ok(Some(decoded(&reply.must("PolicyDocument")?))),
            Err(failure) if failure.is("NoSuchEntity") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Whose an access key is; none where nobody of this account has it.
    pub(super) async fn owner_of(&self, key: &str) -> Result<Option<String>, Failure> {
        let reply = match self.wire.iam("GetAccessKeyLastUsed", &[("AccessKeyId", key)]).await {
            Ok(reply) => reply,
            Err(failure) if failure.is("NoSuchEntity") => return Ok(None),
            Err(failure) => return Err(failure),
        };
        // Of a key that is there no more some name nobody.
        let Some(user) = reply.text("UserName").filter(|u| !u.is_empty()) else { return Ok(None) };
        let user = super::native::name(&user).map_err(|why| Failure::Garbled { why })?;
        Ok(self.keys_of(&user).await?.iter().any(|k| k.id == key).then_some(user))
    }

    /// Every member of a listing, page by page.
    pub(super) async fn listed(&self, action: &'static str, of: &[(&str, &str)], list: &str) -> Result<Vec<Fields>, Failure> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut parameters = of.to_vec();
            if let Some(marker) = &marker {
                parameters.push(("Marker", marker));
            }
            let reply = self.wire.iam(action, &parameters).await?;
            all.extend(reply.members(list)?);
            marker = next(&reply)?;
            if marker.is_none() {
                return Ok(all);
            }
        }
        Err(Failure::Garbled { why: format!("`{action}` has more than {PAGES_MAX} pages") })
    }
}

/// Where the next page begins. `IsTruncated` may be left out where nothing follows.
fn next(reply: &Reply) -> Result<Option<String>, Failure> {
    match (reply.text("IsTruncated").as_deref(), reply.text("Marker")) {
        (Some("false"), _) | (None, None) => Ok(None),
        (Some("true"), Some(marker)) => Ok(Some(marker)),
        _ => Err(Failure::Garbled { why: "the answer does not say whether there is more".to_owned() }),
    }
}

/// Policies are percent-encoded in answers (RFC 3986).
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
