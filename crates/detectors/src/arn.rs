//! Amazon Resource Names and what they say of an identity.
//!
//! `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`; an identity's resource is
//! `user/PATH/NAME`, `role/PATH/NAME`, `assumed-role/ROLE/SESSION`,
//! `federated-user/NAME` or `root` (IAM user guide, read 2026-11).

/// The parts of an ARN.
pub struct Arn<'a> {
    pub service: &'a str,
    pub account: &'a str,
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes `text` apart, if it is an ARN.
    pub fn of(text: &'a str) -> Option<Self> {
        let mut parts = text.trim().splitn(6, ':');
        let (head, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        (head == "arn" && !resource.is_empty()).then_some(Self { service, account, resource })
    }

    /// Whether it names somebody who can act: a user, role, session or the root.
    pub fn is_identity(&self) -> bool {
        let kind = self.resource.split('/').next().unwrap_or_default();
        matches!(self.service, "iam" | "sts") && ["user", "role", "assumed-role", "federated-user", "root"].contains(&kind)
    }

    /// The name without type and path: the user, the role, `ROLE/SESSION`, `root`.
    pub fn name(&self) -> &'a str {
        match self.resource.split_once('/') {
            Some(("assumed-role", session)) => session,
            Some((_, path)) => path.rsplit('/').next().unwrap_or(path),
            None => self.resource,
        }
    }
}

/// The system whose identities have their ids in an AWS account.
pub fn system(account: &str) -> String {
    format!("aws:{account}")
}
