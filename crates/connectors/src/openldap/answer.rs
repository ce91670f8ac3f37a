//! What a bind and a look say, and what they do not.
//!
//! ```text
//! bind                       with our lock on the entry     without it
//! 49, account locked         refused                        cannot tell: it ends by itself
//! 49, the stored password    refused: the server is silent  cannot tell
//! 49, another password       –                              refused, if it was right once
//! 0, also "change it first"  usable                         usable
//! ```
//!
//! Locks by wrong passwords answer like ours and run out, so "locked" counts only
//! beside our own lock, read in the same round. Where the server takes passwords by
//! SASL mechanisms, the lock does not bind them, so then it counts only where the
//! old password is not stored any more.

use quell_core::{proof::Answer, secret::Secret};
use quell_engine::port::ProbeRequest;

use super::{
    OpenLdap,
    act::compare,
    dn::Dn,
    look::{EntryNow, Look},
    policy::{BindPolicy, Usability},
    stored,
    wire::Bound,
};
use crate::vantage::cannot_tell;

/// A password to try.
pub(super) struct Try {
    /// It was right once, so that it is another one now means that it was replaced.
    pub was_right: bool,
    pub what: &'static str,
    /// It is the stored one; none where that could not be compared.
    pub stored: Option<bool>,
}

/// What a bind met.
pub(super) fn of_bind(met: Result<Bound, String>, one: &Try, look: &Look, now: &EntryNow, ours: bool) -> Answer {
    let bound = match met {
        Ok(bound) => bound,
        Err(why) => return cannot_tell(format!("a bind with {} had no answer: {why}", one.what)),
    };
    let by_our_lock = |code: &str| match past_the_lock(look, ours) {
        // Only of a secret that was right is it known that it is not stored any more.
        Some(mechanisms) if !(one.was_right && one.stored == Some(false)) => {
            cannot_tell(format!("a simple bind is refused, but the lock does not bind {mechanisms}, by which the stored password is taken"))
        }
        _ => Answer::Refused { code: code.to_owned() },
    };
    match (bound.code, bound.policy) {
        // Also where it may only change the password: whoever does that is in.
        (0, _) => Answer::Usable,
        (49, BindPolicy::Locked) if now.is_locked_for_good() => by_our_lock("49 account locked"),
        (49, BindPolicy::Locked) => cannot_tell("it is locked, but not by us: a lock by wrong passwords or a time window ends by itself"),
        (49, BindPolicy::Expired) => cannot_tell("it is the right password, and only its age keeps it out"),
        (49, _) => match one.stored {
            Some(true) if now.is_kept_out() => by_our_lock("49"),
            Some(true) => cannot_tell(format!("{} is the stored password and was refused, and the server does not say why", one.what)),
            Some(false) if one.was_right => Answer::Refused { code: "49".to_owned() },
            _ => cannot_tell(format!("{} is a wrong password, which says nothing", one.what)),
        },
        (code, _) => cannot_tell(format!("a bind with {} met `{code}`, which is neither yes nor no", one.what)),
    }
}

/// The mechanisms by which the old password is taken although the entry is locked.
fn past_the_lock(look: &Look, ours: bool) -> Option<String> {
    (!look.mechanisms.is_empty() && !ours).then(|| look.mechanisms.join(", "))
}

impl OpenLdap {
    /// Every stored password is one that Quell put there.
    pub(super) fn all_ours(&self, entry: &Dn, now: &EntryNow) -> bool {
        !now.passwords.is_empty() && now.passwords.iter().all(|p| stored::is_ours(p, entry, &self.config.secret))
    }

    /// Whether a secret is one of the stored passwords.
    pub(super) async fn is_stored(&self, now: &EntryNow, secret: &Secret) -> Option<bool> {
        let mut unknown = now.passwords.is_empty();
        for stored in &now.passwords {
            match compare(stored.clone(), secret).await {
                Some(true) => return Some(true),
                Some(false) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(false)
    }

    /// What the directory's own state says of the old password; `first` where the
    /// sealed values are that password's.
    pub(super) async fn of_state(&self, entry: &Dn, look: &Look, request: &ProbeRequest, first: bool) -> Answer {
        let fact = |name: &str| request.before.as_ref().and_then(|b| b.facts.get(name).cloned().flatten());
        let Some(now) = &look.entry else { return self.of_nothing(look, fact("entry_uuid")).await };
        if !look.in_scope {
            return cannot_tell("the entry is not in the scope of Quell");
        }
        if fact("entry_uuid").is_some_and(|known| now.uuid.as_ref() != Some(&known)) {
            return cannot_tell("another entry bears the name than the one that was contained");
        }
        let ours = self.all_ours(entry, now);
        let open = look.connections.iter().filter(|c| !c.ours && !look.cuts.covers(&c.peer));

        if now.is_locked_for_good() {
            match now.usability {
                Some(Usability::Unusable { ends_by_itself: false }) => {}
                Some(Usability::Usable) => return cannot_tell("the lock is written, and no password policy enforces it"),
                _ => return cannot_tell("the lock is written, and the policy overlay does not say that it keeps the entry out"),
            }
            let left = open.count();
            if left > 0 {
                return cannot_tell(format!("the entry is kept out, but {left} of its connections are open and not cut"));
            }
            if let Some(mechanisms) = past_the_lock(look, ours) {
                return cannot_tell(format!("the lock does not bind {mechanisms}, by which the stored password is taken"));
            }
            let by = "the policy keeps the entry out until somebody unlocks it, and everything over its open connections is denied";
            return Answer::Enforced { by: by.to_owned() };
        }

        if !first {
            return cannot_tell("the entry can log in");
        }
        if now.passwords.is_empty() {
            return cannot_tell("no stored password was read");
        }
        let leaked = match &request.leaked {
            Some(leaked) => self.is_stored(now, leaked).await,
            None => None,
        };
        let old = request.before_secrets.values().any(|sealed| now.passwords.iter().any(|p| super::read::is_part(sealed, p)));
        if leaked == Some(true) || old {
            let usable = now.usability.is_none_or(|u| u == Usability::Usable) && (leaked == Some(true) || request.leaked_was_right);
            return match usable {
                true => Answer::Usable,
                false => cannot_tell("the old password is still stored"),
            };
        }
        if !ours && leaked.is_none() && request.before_secrets.is_empty() {
            return cannot_tell("the entry can log in, and the former password is not at hand");
        }
        let not_the_leaked = leaked == Some(false) && request.leaked_was_right;
        if !ours && !not_the_leaked {
            return cannot_tell("somebody else stored a password since, and whether it is the old one again cannot be told");
        }
        // Times are of whole seconds: one of the very second may be of before.
        let Some(changed) = &now.changed_at else { return cannot_tell("the password was replaced, and when is not told") };
        let before = open.filter(|c| c.started.as_str() <= changed.as_str()).count();
        if before > 0 {
            return cannot_tell(format!("the password was replaced, but {before} connections of before are open and not cut"));
        }
        let by = "the stored password is another one, and no connection of before is open and not cut";
        Answer::Enforced { by: by.to_owned() }
    }

    /// No entry bears the name: it may be gone, or renamed and as alive as before.
    async fn of_nothing(&self, look: &Look, known: Option<String>) -> Answer {
        let Some(uuid) = known else { return cannot_tell("no entry bears the name, and which one did is not recorded: it may be renamed") };
        match self.found_by_id(&uuid).await {
            Ok(Some(found)) if found.is_empty() => {
                let left = look.connections.iter().filter(|c| !c.ours && !look.cuts.covers(&c.peer)).count();
                if left > 0 {
                    return cannot_tell(format!("the entry is gone, but {left} of its connections are open and not cut"));
                }
                Answer::Enforced { by: "the entry is gone, and so is everything over its connections".to_owned() }
            }
            Ok(Some(found)) => cannot_tell(format!("the entry was renamed: it is `{}` now", found.join("`, `"))),
            Ok(None) => cannot_tell("no entry bears the name, and Quell may not look for it below the base"),
            Err(failure) => cannot_tell(failure.in_words()),
        }
    }
}
