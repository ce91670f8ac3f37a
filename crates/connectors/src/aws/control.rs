//! Whether the account goes by what it was told, tried on identities of Quell's own in
//! the same round.
//!
//! ```text
//! the control's active key       a call of its is served; a wrong secret for it is called wrong
//! the control's inactive key     is not known any more
//! a session of the -open role    is served: its policy denies what is older than the year 2000
//! a session of the -shut role    is refused: its policy denies what is older than the year 2999
//! ```
//!
//! A server that keeps a state and does not go by it fails one of them, and then nothing
//! that it refuses or shows is a proof.

use quell_core::{
    proof::{Control, ProbeClass},
    secret::Secret,
    time::Timestamp,
};

use super::{
    Aws,
    config::Keys,
    wire::{Failure, Service},
};

/// What AWS says of a key whose secret is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// `SignatureDoesNotMatch`: it knows the key, and whoever has its secret is let in.
    Known,
    /// `InvalidClientTokenId`: it does not let it in, whatever the secret.
    NotKnown { code: String },
}

/// What was seen of the control's keys.
#[derive(Clone, Debug)]
pub(super) struct Controls {
    started_at: Timestamp,
    identity: String,
    /// What is wrong; nothing where all is as it must be.
    wrong: Option<String>,
}

impl Controls {
    pub(super) fn are_alive(&self) -> bool {
        self.wrong.is_none()
    }

    pub(super) fn in_words(&self) -> String {
        let who = &self.identity;
        match &self.wrong {
            None => format!("the active key of `{who}` was served and its inactive one was not known"),
            Some(wrong) => wrong.clone(),
        }
    }

    pub(super) fn control(&self, class: ProbeClass) -> Control {
        Control { class, alive: self.are_alive(), started_at: self.started_at, what: self.in_words() }
    }
}

impl Aws {
    /// Asks about a key by its name alone, with a secret that is nobody's.
    pub(super) async fn ask_about(&self, id: &str) -> Result<Asked, String> {
        match self.wire.call(&Keys::nobodys(id), Service::Sts, "GetCallerIdentity", &[]).await {
            Err(failure) if failure.is("SignatureDoesNotMatch") => Ok(Asked::Known),
            Err(Failure::Refused { code, .. }) if matches!(code.as_str(), "InvalidClientTokenId" | "InvalidAccessKeyId") => {
                Ok(Asked::NotKnown { code })
            }
            Err(failure) => Err(failure.in_words()),
            Ok(_) => Err("a secret that is nobody's was taken: signatures are not checked".to_owned()),
        }
    }

    /// The control's two keys.
    pub(super) async fn controls(&self) -> Controls {
        let started_at = self.clock.now();
        let identity = self.config.control.identity.clone();
        let wrong = self.control_keys().await.err();
        Controls { started_at, identity, wrong }
    }

    async fn control_keys(&self) -> Result<(), String> {
        let (who, keys) = (&self.config.control.identity, &self.control);
        let off = self.control_off();
        let (served, known, off) =
            tokio::join!(self.wire.call(keys, Service::Sts, "GetCallerIdentity", &[]), self.ask_about(&keys.id), async {
                match off.await {
                    Ok(id) => Ok(self.ask_about(&id).await),
                    Err(why) => Err(why),
                }
            });
        let served = served.map_err(|f| format!("the control `{who}` was not served: {}", f.in_words()))?;
        if served.text("Arn").is_none_or(|arn| !arn.ends_with(&format!("/{who}"))) {
            return Err(format!("the key of the control belongs to somebody else than `{who}`"));
        }
        match known {
            Ok(Asked::Known) => {}
            Ok(Asked::NotKnown { code }) => return Err(format!("AWS says `{code}` of the control's active key")),
            Err(why) => return Err(format!("the control's active key was asked about: {why}")),
        }
        match off? {
            Ok(Asked::NotKnown { .. }) => Ok(()),
            Ok(Asked::Known) => Err(format!("AWS still knows the inactive key of `{who}`: it does not go by the state of keys")),
            Err(why) => Err(format!("the control's inactive key was asked about: {why}")),
        }
    }

    /// The control's key that must never be let in.
    async fn control_off(&self) -> Result<String, String> {
        let who = &self.config.control.identity;
        let keys = self.keys_of(who).await.map_err(super::wire::Failure::in_words)?;
        if !keys.iter().any(|k| k.id == self.control.id && k.active) {
            return Err(format!("IAM does not list the control's own key as active for `{who}`"));
        }
        let off = keys.into_iter().find(|k| !k.active);
        off.map(|k| k.id).ok_or_else(|| format!("`{who}` has no inactive key to compare with; run the bootstrap"))
    }

    /// Sessions of the control's two roles.
    pub(super) async fn session_controls(&self) -> Controls {
        let started_at = self.clock.now();
        let identity = self.config.control.identity.clone();
        let [open, shut] = self.config.control_roles();
        let (open_is, shut_is, keys) = tokio::join!(self.is_served_as(&open), self.is_served_as(&shut), self.control_keys());
        let wrong = match (open_is, shut_is, keys) {
            (Ok(true), Ok(false), Ok(())) => None,
            (Ok(true), Ok(false), Err(why)) => Some(why),
            (Ok(false), ..) => Some(format!("a new session of `{open}` was refused, which no policy denies")),
            (_, Ok(true), _) => Some(format!("a session of `{shut}` was served: AWS does not go by when a session was issued")),
            (Err(why), ..) | (_, Err(why), _) => Some(format!("a session of the control's roles: {why}")),
        };
        Controls { started_at, identity, wrong }
    }

    /// Whether a new session of a role is served what policies decide.
    async fn is_served_as(&self, role: &str) -> Result<bool, String> {
        let words = super::wire::Failure::in_words;
        let who = self.wire.call(&self.control, Service::Sts, "GetCallerIdentity", &[]).await.map_err(words)?;
        let arn = who.text("Arn").unwrap_or_default();
        // `arn:aws:iam::123456789012:user/quell-control`, with a path or without.
        let Some((partition, account)) = partition_and_account(&arn) else { return Err("the answer names no account".to_owned()) };
        let arn = format!("arn:{partition}:iam::{account}:role/{role}");
        let of = [("RoleArn", arn.as_str()), ("RoleSessionName", "quell-control"), ("DurationSeconds", "900")];
        let opened = self.wire.call(&self.control, Service::Sts, "AssumeRole", &of).await.map_err(words)?;
        let must = |name: &str| opened.must(name).map_err(words);
        let keys = Keys {
            id: must("AccessKeyId")?,
            secret: Secret::new(must("SecretAccessKey")?),
            token: Some(Secret::new(must("SessionToken")?)),
        };
        match self.wire.call(&keys, Service::Iam, "ListAccountAliases", &[]).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is("AccessDenied") => Ok(false),
            Err(failure) => Err(failure.in_words()),
        }
    }
}

fn partition_and_account(arn: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, _, _, account, ..] if !account.is_empty() => Some((partition, account)),
        _ => None,
    }
}
