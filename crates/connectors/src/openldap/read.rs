//! The state of one target now: attributes by value, the stored passwords apart.
//! What is read at the first hold is what `restore` writes back.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use ldap3::Scope;
use quell_core::{
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::PlaneError;

use super::{
    OpenLdap,
    act::{LOCK, RESET},
    dn::{Dn, in_filter},
    look::{EntryNow, Look},
    native::{self, Member, Native},
    wire::{Failure, Question},
};

/// How many passwords there are.
pub(super) const PASSWORDS: &str = "passwords";

/// The name of one sealed part of a before-state: a stored value in base64, for it
/// may be any bytes.
pub(super) fn part(n: usize) -> String {
    format!("password.{n}")
}

/// Whether a sealed part is this stored value.
pub(super) fn is_part(sealed: &Secret, stored: &[u8]) -> bool {
    sealed.expose() == STANDARD.encode(stored)
}

impl OpenLdap {
    pub(super) async fn read_target(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        match native::of(target).map_err(|why| self.not_permitted(why))? {
            Native::Entry(entry) | Native::Password { entry, .. } => self.read_entry(&entry).await,
            Native::Connection(one) => {
                let listed = self.connections(&one.of).await.map_err(|f| f.plane_error(&self.config.name))?;
                let exists = listed.iter().any(|c| c.number == one.number && c.started == one.started);
                Ok((Reading { exists, ..Reading::default() }, BTreeMap::new()))
            }
            Native::Member(one) => {
                let stands = self.membership(&one).await.map_err(|f| f.plane_error(&self.config.name))?;
                let exists = stands.ok_or_else(|| self.not_permitted("has no such group, or does not let Quell search its members"))?;
                let facts = [("member", one.member.text()), ("group", one.group.text())];
                let facts = facts.map(|(k, v)| (k.to_owned(), Some(v.to_owned()))).into();
                Ok((Reading { exists, facts, ..Reading::default() }, BTreeMap::new()))
            }
        }
    }

    async fn read_entry(&self, entry: &Dn) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        let look = self.look(entry).await.map_err(|f| f.plane_error(&self.config.name))?;
        let Some(now) = &look.entry else { return Ok((Reading::default(), BTreeMap::new())) };
        if !look.in_scope {
            return Err(self.not_in_scope());
        }
        let secrets = now.passwords.iter().enumerate().map(|(n, value)| (part(n), Secret::new(STANDARD.encode(value)))).collect();
        Ok((Reading { exists: true, facts: facts(&look, now), ..Reading::default() }, secrets))
    }

    pub(super) fn not_in_scope(&self) -> PlaneError {
        self.not_permitted("does not have the entry in the scope of Quell; run `quell connector bootstrap` with a `--scope` that holds it")
    }

    /// Whether a membership is written; none where the group is not there, or its
    /// members may not be searched: then neither it nor its contrary is found.
    pub(super) async fn membership(&self, one: &Member) -> Result<Option<bool>, Failure> {
        let member = in_filter(one.member.text());
        for (filter, stands) in [(format!("({}={member})", one.attribute), true), (format!("(!({}={member}))", one.attribute), false)] {
            let base = one.group.text();
            let question = Question { base, scope: Scope::Base, filter: &filter, attributes: &["1.1"], most: 0, usability: false };
            if !self.wire.ask(&question).await?.entries.is_empty() {
                return Ok(Some(stands));
            }
        }
        Ok(None)
    }
}

/// An entry's attributes by value; `None` where the directory holds none.
pub(super) fn facts(look: &Look, now: &EntryNow) -> BTreeMap<String, Option<String>> {
    [
        ("entry_uuid", now.uuid.clone()),
        (LOCK, now.locked_at.clone()),
        (RESET, now.reset.then(|| "TRUE".to_owned())),
        ("cut", look.cuts.in_words()),
        (PASSWORDS, Some(now.passwords.len().to_string())),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}
