//! `userIdentity`: who came, and with which key.

use quell_core::trace::{Bearer, LinkKind};
use serde::Deserialize;

use crate::telemetry::{address, text::Text, when};

#[derive(Default, Deserialize)]
pub struct UserIdentity<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default, rename = "principalId")]
    principal: Text<'a>,
    #[serde(borrow, default)]
    arn: Text<'a>,
    #[serde(borrow, default, rename = "accountId")]
    account: Text<'a>,
    #[serde(borrow, default, rename = "accessKeyId")]
    key: Text<'a>,
    #[serde(borrow, default, rename = "userName")]
    user: Text<'a>,
    #[serde(borrow, default, rename = "identityProvider")]
    provider: Text<'a>,
    #[serde(borrow, default, rename = "invokedBy")]
    invoked_by: Text<'a>,
    #[serde(borrow, default, rename = "sessionContext")]
    session: Option<SessionContext<'a>>,
}

#[derive(Deserialize)]
struct SessionContext<'a> {
    #[serde(borrow, default, rename = "sessionIssuer")]
    issuer: Option<Issuer<'a>>,
    #[serde(borrow, default)]
    attributes: Option<Attributes<'a>>,
}

#[derive(Deserialize)]
struct Issuer<'a> {
    #[serde(borrow, default)]
    arn: Text<'a>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default, rename = "creationDate")]
    began: Text<'a>,
}

impl UserIdentity<'_> {
    pub fn account(&self) -> Option<&str> {
        self.account.get()
    }

    pub fn arn(&self) -> Option<&str> {
        self.arn.get()
    }

    /// The service that speaks, where a service speaks for itself.
    pub fn service(&self) -> Option<&str> {
        if self.kind.is("AWSService") { self.invoked_by.get() } else { None }
    }
}

/// Who bears what in this call; nobody where a service or a stranger's account calls.
pub fn bearer(
    identity: &UserIdentity<'_>,
    name: &str,
    from: Option<&str>,
    agent: Option<&str>,
    aliases: &mut Vec<(String, String)>,
) -> Option<Bearer> {
    let kind = identity.kind.get()?;
    let arn = identity.arn.get();
    let mut by = Bearer {
        credential: identity.key.own().filter(|k| !crate::field::is_placeholder(k)),
        address: from.filter(|a| address(a)).map(str::to_owned),
        began: identity.session.as_ref().and_then(|s| s.attributes.as_ref()).and_then(|a| a.began.get()).and_then(when),
        ..Bearer::default()
    };
    by.kind = kind_of_key(by.credential.as_deref());
    // Only a temporary key was drawn for the service; a long-lived one is the caller's own.
    let lent = identity.invoked_by.get().filter(|_| by.kind == LinkKind::Session);
    by.service = lent.map(str::to_owned);
    match kind {
        "IAMUser" | "Root" | "FederatedUser" => {
            by.identity = arn.map(str::to_owned).or_else(|| identity.principal.own());
            if let Some(full) = arn {
                let bare = pathless(full);
                if bare != full {
                    aliases.push((full.to_owned(), bare));
                }
            }
            if by.credential.is_none() && (name == "ConsoleLogin" || name == "ChangePassword") {
                by.credential = by.identity.as_ref().map(|i| format!("{i}#password"));
                by.kind = LinkKind::Password;
            }
        }
        "AssumedRole" => {
            let issuer = identity.session.as_ref().and_then(|s| s.issuer.as_ref()).and_then(|i| i.arn.get());
            let (role, session) = arn.and_then(role_session).unzip();
            by.role = issuer.map(pathless).or(role);
            by.session = session.or_else(|| identity.principal.get().and_then(|p| p.split_once(':')).map(|(_, s)| s.to_owned()));
            by.identity = by.role.clone();
            by.workload = by.session.as_deref().filter(|s| is_machine(s)).map(str::to_owned);
            by.own_agent = by.workload.is_some() && agent.is_some_and(is_machines_agent);
            by.desk_tool =
                by.workload.is_some() && agent.is_some_and(|a| is_desk_tool(a) || (a.contains("aws-cli/") && from.is_some_and(is_public)));
            if by.service.is_none() && by.role.as_deref().is_some_and(|r| r.contains(":role/AWSServiceRoleFor")) {
                by.service = Some(identity.invoked_by.get().unwrap_or("a service-linked role").to_owned());
            }
        }
        "WebIdentityUser" | "SAMLUser" => {
            let who = identity.user.get().or(identity.principal.get())?;
            by.identity = Some(who.to_owned());
            by.kind = LinkKind::Token;
            by.credential = Some(format!("{who}#token"));
            by.session = identity.provider.own();
        }
        _ => return None,
    }
    by.credential.is_some().then_some(by)
}

/// `AKIA` is long-lived, `ASIA` is a session.
pub fn kind_of_key(key: Option<&str>) -> LinkKind {
    match key {
        Some(key) if key.starts_with("AKIA") => LinkKind::AccessKey,
        Some(key) if key.starts_with("ASIA") => LinkKind::Session,
        Some(_) => LinkKind::AccessKey,
        None => LinkKind::Unknown,
    }
}

/// Role and session name of `arn:aws:sts::111111111111:assumed-role/ROLE/SESSION`.
pub fn role_session(arn: &str) -> Option<(String, String)> {
    let (head, tail) = arn.split_once(":assumed-role/")?;
    let (partition, account) = head.strip_prefix("arn:")?.split_once(":sts::")?;
    let (role, session) = tail.split_once('/')?;
    Some((format!("arn:{partition}:iam::{account}:role/{role}"), session.to_owned()))
}

/// The ARN of a role or user without its path, which the calls name it by.
pub fn pathless(arn: &str) -> String {
    for sort in [":role/", ":user/"] {
        if let Some((head, path)) = arn.split_once(sort) {
            return format!("{head}{sort}{}", path.rsplit('/').next().unwrap_or(path));
        }
    }
    arn.to_owned()
}

/// `i-` and 8 or 17 hex digits.
pub fn is_machine(name: &str) -> bool {
    name.strip_prefix("i-").is_some_and(|id| matches!(id.len(), 8 | 17) && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_machines_agent(agent: &str) -> bool {
    ["amazon-ssm-agent", "amazon-cloudwatch-agent", "CWAgent", "Amazon ECS Agent", "codedeploy-agent"].iter().any(|a| agent.contains(a))
}

/// An address of the open network, from which a machine inside of it does not call.
fn is_public(address: &str) -> bool {
    use std::net::IpAddr;
    match address.parse() {
        Ok(IpAddr::V4(a)) => !(a.is_private() || a.is_loopback() || a.is_link_local() || a.is_unspecified()),
        Ok(IpAddr::V6(a)) => !(a.is_loopback() || a.is_unspecified() || a.is_unique_local() || a.is_unicast_link_local()),
        Err(_) => false,
    }
}

/// Command lines and browsers of desktop systems.
fn is_desk_tool(agent: &str) -> bool {
    ["Darwin", "macOS", "Mozilla/", "kali", "S3Console", "console.amazonaws.com"].iter().any(|a| agent.contains(a))
}
