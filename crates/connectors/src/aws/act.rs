//! The cleared attempts. Each sets a state, so a crash between any two calls leaves one
//! that is denied already, and doing it again changes nothing more.
//!
//! ```text
//! suspend    a policy that denies everything, then every key inactive
//! terminate  a policy that denies everything to what was issued until this second
//! restrict   a boundary that leaves nothing of what the identity may do
//! revoke     a key: inactive, seen so, deleted; a login profile: deleted
//! ```
//!
//! The denial comes first: whoever may change keys, and is in with a session, would
//! make them active again.

use quell_core::{action::Action, clear::Clearance};
use quell_engine::port::{Attempt, Connector, Outcome};

use super::{
    Aws, deny,
    look::Look,
    native::{self, Native, Who},
};
use crate::attempt::{self, Changed, Stop, change, change_if, refused, unknown};

impl Aws {
    pub(super) async fn act_on(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        if let Err(outcome) = attempt.is_cleared(&clearance, &self.config.name) {
            return outcome;
        }
        attempt::came_to(self.enforce(attempt).await)
    }

    async fn enforce(&self, attempt: &Attempt) -> Result<Changed, Stop> {
        match (attempt.action, native::of(&attempt.target).map_err(refused)?) {
            (Action::SuspendIdentity, Native::Identity(who @ Who::User(_))) => self.suspend(&who).await,
            (Action::TerminateSessions, Native::Sessions(who)) => self.deny_older(&who).await,
            (Action::RestrictAccess, Native::Identity(who)) => self.fence(&who).await,
            (Action::RevokeCredential, Native::Key { id }) => self.revoke_key(&id).await,
            (Action::RevokeCredential, Native::Password { user }) => self.revoke_password(&Who::User(user)).await,
            (Action::Reinstate, Native::Identity(who @ Who::User(_))) => self.reinstate(&who, attempt).await,
            (Action::Restore, native) => self.restore(&native, attempt).await,
            (action, _) => Err(refused(format!("`{}` is not something AWS does to this {}", action.name(), attempt.target.kind.name()))),
        }
    }

    /// The identity as it stands, if it is one that may be acted on.
    pub(super) async fn subject(&self, who: &Who) -> Result<Look, Stop> {
        if let Some(why) = self.protected(&who.native()) {
            return Err(refused(format!("the identity is protected: {why}")));
        }
        let look = self.look(who).await?.ok_or_else(|| refused("there is no such identity; look again"))?;
        match look.kept_by_aws() {
            Some(why) => Err(refused(why)),
            None => Ok(look),
        }
    }

    async fn suspend(&self, who: &Who) -> Result<Changed, Stop> {
        let look = self.subject(who).await?;
        let mut changed = Changed::new();
        if !look.denials.everything {
            self.put(who, deny::SUSPENDED, &deny::everything()).await?;
            changed.extend(change(&format!("policy {}", deny::SUSPENDED), None, Some("denies everything".to_owned())));
        }
        // A key that was made a moment ago is one, too.
        for key in self.keys_of(who.name()).await?.iter().filter(|k| k.active) {
            self.set_key(who.name(), &key.id, false).await?;
            changed.extend(change(&format!("key {}", key.id), Some("Active".to_owned()), Some("Inactive".to_owned())));
        }
        let after = self.subject(who).await?;
        if !after.denials.everything || after.keys.iter().any(|k| k.active) {
            return Err(unknown("IAM does not show the change yet, or somebody took it back at the same moment"));
        }
        Ok(changed)
    }

    pub(super) async fn deny_older(&self, who: &Who) -> Result<Changed, Stop> {
        let look = self.subject(who).await?;
        // By AWS's own clock, which stamps what is issued.
        let than = deny::after_this_second(look.plane_clock.unwrap_or_else(|| self.clock.now()));
        let than = look.denials.older.map_or(than, |stands| stands.max(than));
        let shown = look.denials.older.map(|t| format!("issued before {t}"));
        if look.denials.older != Some(than) {
            self.put(who, deny::OLDER, &deny::older(than)).await?;
        }
        if self.denials(who).await?.older.is_none_or(|now| now < than) {
            return Err(unknown("IAM does not show the policy yet, or somebody took it back at the same moment"));
        }
        Ok(change_if(look.denials.older != Some(than), "sessions that are denied", shown, Some(format!("issued before {than}"))))
    }

    async fn fence(&self, who: &Who) -> Result<Changed, Stop> {
        let look = self.subject(who).await?;
        if look.is_fenced() {
            return Ok(Changed::new());
        }
        let fence = deny::fence_of(&look.arn).ok_or_else(|| refused("its ARN names no account, so no fence is known for it"))?;
        // Somebody may have made another policy of that name.
        let stands = self.fence_stands(&fence).await?;
        if !stands {
            return Err(refused(format!("the policy `{fence}` does not deny everything; run the bootstrap")));
        }
        self.bound(who, Some(&fence)).await?;
        if !self.subject(who).await?.is_fenced() {
            return Err(unknown("IAM does not show the boundary yet, or somebody took it back at the same moment"));
        }
        Ok(change("permissions boundary", look.boundary, Some(fence)))
    }

    /// Whether the managed policy is what the bootstrap made.
    pub(super) async fn fence_stands(&self, arn: &str) -> Result<bool, super::wire::Failure> {
        let version = match self.wire.iam("GetPolicy", &[("PolicyArn", arn)]).await {
            Ok(reply) => reply.must("DefaultVersionId")?,
            Err(failure) if failure.is("NoSuchEntity") => return Ok(false),
            Err(failure) => return Err(failure),
        };
        let of = [("PolicyArn", arn), ("VersionId", version.as_str())];
        let text = self.wire.iam("GetPolicyVersion", &of).await?.must("Document")?;
        Ok(deny::is_everything(&super::look::decoded(&text)))
    }

    /// Bounds an identity by this policy, or by none.
    pub(super) async fn bound(&self, who: &Who, by: Option<&str>) -> Result<(), Stop> {
        let (put, delete, parameter) = match who {
            Who::User(_) => ("PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary", "UserName"),
            Who::Role(_) => ("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "RoleName"),
        };
        match by {
            Some(arn) => self.wire.iam(put, &[(parameter, who.name()), ("PermissionsBoundary", arn)]).await?,
            None => self.wire.iam(delete, &[(parameter, who.name())]).await?,
        };
        Ok(())
    }

    async fn revoke_key(&self, id: &str) -> Result<Changed, Stop> {
        if let Some(why) = self.is_ours(id) {
            return Err(refused(format!("the key is protected: {why}")));
        }
        let Some(user) = self.owner_of(id).await? else {
            return Ok(Changed::new());
        };
        let look = self.subject(&Who::User(user.clone())).await?;
        let Some(key) = look.key(id) else { return Ok(Changed::new()) };
        let state = if key.active { "Active" } else { "Inactive" };
        if key.active {
            // Of a key that is gone nobody asks whose it was: it is seen inactive first.
            self.set_key(&user, id, false).await?;
            if self.keys_of(&user).await?.iter().any(|k| k.id == id && k.active) {
                return Err(unknown("IAM does not show the key as inactive yet, so it was not deleted"));
            }
        }
        match self.wire.iam("DeleteAccessKey", &[("UserName", &user), ("AccessKeyId", id)]).await {
            Ok(_) => {}
            Err(failure) if failure.is("NoSuchEntity") => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(change(&format!("key {id}"), Some(state.to_owned()), None))
    }

    pub(super) async fn revoke_password(&self, who: &Who) -> Result<Changed, Stop> {
        let look = self.subject(who).await?;
        if !look.console {
            return Ok(Changed::new());
        }
        match self.wire.iam("DeleteLoginProfile", &[("UserName", who.name())]).await {
            Ok(_) => {}
            Err(failure) if failure.is("NoSuchEntity") => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(change("login profile", Some("there".to_owned()), None))
    }

    /// Writes an inline policy, in place of one of that name.
    pub(super) async fn put(&self, who: &Who, name: &str, text: &str) -> Result<(), Stop> {
        let (action, parameter) = match who {
            Who::User(_) => ("PutUserPolicy", "UserName"),
            Who::Role(_) => ("PutRolePolicy", "RoleName"),
        };
        self.wire.iam(action, &[(parameter, who.name()), ("PolicyName", name), ("PolicyDocument", text)]).await?;
        Ok(())
    }

    /// Takes the policy of a user away that denies everything.
    pub(super) async fn lift(&self, user: &str) -> Result<bool, Stop> {
        match self.wire.iam("DeleteUserPolicy", &[("UserName", user), ("PolicyName", deny::SUSPENDED)]).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is("NoSuchEntity") => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn set_key(&self, user: &str, id: &str, active: bool) -> Result<(), Stop> {
        let status = if active { "Active" } else { "Inactive" };
        self.wire.iam("UpdateAccessKey", &[("UserName", user), ("AccessKeyId", id), ("Status", status)]).await?;
        Ok(())
    }
}
