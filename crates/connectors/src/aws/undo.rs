//! Giving access back, and telling what became of an attempt.
//!
//! Reinstate never revives what was killed: sessions that are out are denied by their age
//! before the denial of everything goes, old keys stay inactive, the login profile is
//! deleted, and AWS makes a new key. Restore makes the keys what they were, where none of
//! them is gone.

use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Attempt, Outcome};

use super::{
    Aws,
    config::Keys,
    deny,
    look::Look,
    native::{self, Native, Who},
    read,
};
use crate::attempt::{self, Changed, Stop, change, refused, unknown};

/// Which attempt is making a key, as a tag of the user: a key of an attempt that broke
/// off is found by it.
const TAG: &str = "quell-attempt";
/// A user has two keys at most.
const KEYS_MAX: usize = 2;

impl Aws {
    pub(super) async fn reinstate(&self, who: &Who, attempt: &Attempt) -> Result<Changed, Stop> {
        let look = self.subject(who).await?;
        if !look.denials.everything {
            return Err(refused("the user is not suspended, so nothing is given back; suspend it first"));
        }
        if look.keys.len() >= KEYS_MAX {
            return Err(refused("the user has two keys, and AWS gives no third; revoke one of them first"));
        }
        let user = who.name();
        let mut changed = self.deny_older(who).await?;
        for key in look.keys.iter().filter(|k| k.active && !is_kept(&k.id, attempt)) {
            self.set_key(user, &key.id, false).await?;
            changed.extend(change(&format!("key {}", key.id), Some("Active".to_owned()), Some("Inactive".to_owned())));
        }
        if look.console && !is_kept(&native::password(user), attempt) {
            changed.extend(self.revoke_password(who).await?);
        }
        let tag = [("UserName", user), ("Tags.member.1.Key", TAG), ("Tags.member.1.Value", attempt.marker.as_str())];
        self.wire.iam("TagUser", &tag).await?;
        let made = self.wire.iam("CreateAccessKey", &[("UserName", user)]).await?;
        let (id, secret) = (made.must("AccessKeyId")?, made.must("SecretAccessKey")?);
        self.keep_issued(&attempt.marker, Secret::new(format!("{id}:{secret}")));
        changed.extend(change(&format!("key {id}"), None, Some("Active".to_owned())));
        self.lift(user).await?;
        changed.extend(change(&format!("policy {}", deny::SUSPENDED), Some("denies everything".to_owned()), None));
        let after = self.subject(who).await?;
        if after.denials.everything || after.key(&id).is_none_or(|k| !k.active) {
            return Err(unknown("IAM does not show the change yet, or somebody took it back at the same moment"));
        }
        Ok(changed)
    }

    pub(super) async fn restore(&self, native: &Native, attempt: &Attempt) -> Result<Changed, Stop> {
        let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded; use `reinstate`"))?;
        let Native::Identity(who) = native else {
            return Err(refused("what was deleted, or denied by its age, stays so; a new key is made instead"));
        };
        let look = self.subject(who).await?;
        let known = read::keys_of(before);
        if let Some(gone) = known.keys().find(|id| look.key(id).is_none()) {
            return Err(refused(format!("the key `{gone}` was deleted, and AWS makes no key again; use `reinstate`")));
        }
        if let Some(other) = look.keys.iter().find(|k| !known.contains_key(&k.id)) {
            return Err(refused(format!("the key `{}` is there and was not read before; use `reinstate`", other.id)));
        }
        if before.facts.get(read::CONSOLE).cloned().flatten() != Some(look.console.to_string()) {
            return Err(refused("the login profile is not what it was before; use `reinstate`"));
        }
        let mut changed = Changed::new();
        for key in &look.keys {
            let active = known.get(&key.id).copied().unwrap_or(false);
            if active != key.active {
                self.set_key(who.name(), &key.id, active).await?;
                let words = |active: bool| Some(if active { "Active" } else { "Inactive" }.to_owned());
                changed.extend(change(&format!("key {}", key.id), words(key.active), words(active)));
            }
        }
        let bounded = before.facts.get(read::BOUNDARY).cloned().flatten();
        if bounded != look.boundary {
            self.bound(who, bounded.as_deref()).await?;
            changed.extend(change("permissions boundary", look.boundary.clone(), bounded));
        }
        if look.denials.everything && self.lift(who.name()).await? {
            changed.extend(change(&format!("policy {}", deny::SUSPENDED), Some("denies everything".to_owned()), None));
        }
        if read::of_identity(&self.subject(who).await?) != before.facts {
            return Err(unknown("IAM does not show the change yet, or somebody took it back at the same moment"));
        }
        Ok(changed)
    }

    /// Reads what became of an attempt, and ends a key whose secret went with a crash.
    pub(super) async fn outcome_of(&self, attempt: &Attempt) -> Outcome {
        attempt::read_back(self.became(attempt).await, &self.config.name)
    }

    async fn became(&self, attempt: &Attempt) -> Result<bool, Stop> {
        Ok(match (attempt.action, native::of(&attempt.target).map_err(refused)?) {
            (Action::SuspendIdentity, Native::Identity(who @ Who::User(_))) => {
                let look = self.subject(&who).await?;
                look.denials.everything && look.keys.iter().all(|k| !k.active)
            }
            (Action::TerminateSessions, Native::Sessions(who)) => {
                let as_of = attempt.before.as_ref().and_then(|b| b.facts.get(read::AS_OF)?.as_deref()?.parse().ok());
                let older = self.subject(&who).await?.denials.older;
                as_of.is_some_and(|as_of| older.is_some_and(|older| older > as_of))
            }
            (Action::RevokeCredential, Native::Key { id }) => self.owner_of(&id).await?.is_none(),
            (Action::RevokeCredential, Native::Password { user }) => !self.subject(&Who::User(user)).await?.console,
            (Action::Reinstate, Native::Identity(who @ Who::User(_))) => {
                let look = self.subject(&who).await?;
                let made = attempt.new_secret.as_ref().and_then(|text| Keys::of(text.expose()));
                match made.filter(|keys| look.key(&keys.id).is_some_and(|k| k.active)) {
                    Some(_) => !look.denials.everything,
                    None => {
                        self.end_orphans(&look, attempt).await?;
                        false
                    }
                }
            }
            (Action::RestrictAccess, Native::Identity(who)) => self.subject(&who).await?.is_fenced(),
            (Action::Restore, Native::Identity(who)) => {
                let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded"))?;
                read::of_identity(&self.subject(&who).await?) == before.facts
            }
            (action, _) => return Err(refused(format!("`{}` is not something AWS does", action.name()))),
        })
    }

    /// A key that this attempt had made, and whose secret nobody knows: everything is
    /// denied again, and the key goes.
    async fn end_orphans(&self, look: &Look, attempt: &Attempt) -> Result<(), Stop> {
        let user = look.who.name();
        let tags = self.listed("ListUserTags", &[("UserName", user)], "Tags").await?;
        let is = |fields: &super::wire::Fields, name: &str, value: &str| fields.get(name).is_some_and(|v| v == value);
        if !tags.iter().any(|t| is(t, "Key", TAG) && is(t, "Value", &attempt.marker)) {
            return Ok(());
        }
        let Some(before) = &attempt.before else {
            return Err(refused("no before-state is recorded, so nobody knows which keys were there"));
        };
        let known = read::keys_of(before);
        let orphans: Vec<&str> = look.keys.iter().map(|k| k.id.as_str()).filter(|id| !known.contains_key(*id)).collect();
        if !look.denials.everything && !orphans.is_empty() {
            self.put(&look.who, deny::SUSPENDED, &deny::everything()).await?;
        }
        for id in orphans {
            self.set_key(user, id, false).await?;
            self.wire.iam("DeleteAccessKey", &[("UserName", user), ("AccessKeyId", id)]).await?;
        }
        Ok(())
    }
}

/// People took it out of the containment.
fn is_kept(native: &str, attempt: &Attempt) -> bool {
    attempt.kept.iter().any(|t| t.native.value() == Some(native))
}
