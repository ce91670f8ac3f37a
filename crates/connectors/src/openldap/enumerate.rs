//! Everything the server lists of one identity: the entry, its password, its
//! connections, and the groups that it is in.

use std::collections::BTreeMap;

use ldap3::Scope;
use quell_core::{
    signal::CredentialKind,
    target::{Enumeration, Found, TargetKind},
    time::Timestamp,
};
use quell_engine::port::PlaneError;

use super::{
    OpenLdap,
    dn::{Dn, in_filter},
    look::{CONNECTIONS_MAX, EntryNow, Look},
    manifest::{ENUMERATION_MAX, not_looked_at},
    native,
    wire::Question,
};

impl OpenLdap {
    pub(super) async fn enumerate_entry(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        let entry = Dn::parse(identity).map_err(|why| self.not_permitted(format!("has no entry of such a name: {why}")))?;
        let look = self.look(&entry).await.map_err(|f| f.plane_error(&self.config.name))?;
        let Some(now) = &look.entry else { return Ok(self.enumeration(Vec::new(), false)) };
        if !look.in_scope {
            return Err(self.not_in_scope());
        }
        let mut found = identity_of(identity, now, Some(&look));
        found.extend(look.connections.iter().map(|c| {
            let mut facts = BTreeMap::from([("client_addr".to_owned(), c.peer.clone())]);
            if let Some(active) = &c.active {
                facts.insert("active_at".to_owned(), active.clone());
            }
            if c.ours {
                facts.insert("ours".to_owned(), "true".to_owned());
            }
            if look.cuts.covers(&c.peer) {
                facts.insert("cut".to_owned(), "true".to_owned());
            }
            Found {
                minted_from: None,
                kind: TargetKind::Session,
                native: native::connection(c.number, &c.started, identity),
                identity: identity.to_owned(),
                credential_kind: None,
                // The server does not tell with what a connection was bound.
                opened_with: None,
                started_at: generalized(&c.started),
                expires_at: None,
                facts,
            }
        }));
        let (groups, more) = self.groups_of(&entry, identity).await?;
        found.extend(groups);
        let truncated = more || look.connections.len() >= CONNECTIONS_MAX as usize;
        Ok(self.enumeration(found, truncated))
    }

    pub(super) async fn enumerate_scope(&self) -> Result<Enumeration, PlaneError> {
        let most = i32::try_from(ENUMERATION_MAX).unwrap_or(i32::MAX);
        let base = self.config.base.as_str();
        let attributes = ["objectClass", "uid", "cn", "entryUUID", "userPassword", "pwdAccountLockedTime", "pwdReset", "pwdChangedTime"];
        // Only where Quell may look for a password is one found: that is the scope.
        let filter = "(userPassword=*)";
        let question = Question { base, scope: Scope::Subtree, filter, attributes: &attributes, most, usability: false };
        let found = self.wire.ask(&question).await.map_err(|f| f.plane_error(&self.config.name))?;
        let all = found.entries.iter().map(EntryNow::from).flat_map(|now| identity_of(&now.dn.clone(), &now, None)).collect();
        Ok(self.enumeration(all, found.truncated))
    }

    /// The groups that name the entry. They are what it may do, not who may act as it.
    async fn groups_of(&self, entry: &Dn, identity: &str) -> Result<(Vec<Found>, bool), PlaneError> {
        let base = self.config.base.as_str();
        let (mut all, mut more) = (Vec::new(), false);
        for attribute in native::MEMBER {
            let filter = format!("({attribute}={})", in_filter(entry.text()));
            let most = i32::try_from(ENUMERATION_MAX).unwrap_or(i32::MAX);
            let question = Question { base, scope: Scope::Subtree, filter: &filter, attributes: &["cn"], most, usability: false };
            let found = self.wire.ask(&question).await.map_err(|f| f.plane_error(&self.config.name))?;
            more |= found.truncated;
            all.extend(found.entries.iter().map(|group| {
                let facts = [("direction", "it may act as".to_owned()), ("group", group.dn.clone()), ("attribute", attribute.to_owned())];
                Found {
                    minted_from: None,
                    kind: TargetKind::Entitlement,
                    native: native::member(attribute, identity, &group.dn),
                    identity: identity.to_owned(),
                    credential_kind: None,
                    opened_with: None,
                    started_at: None,
                    expires_at: None,
                    facts: facts.map(|(k, v)| (k.to_owned(), v)).into(),
                }
            }));
        }
        Ok((all, more))
    }

    fn enumeration(&self, found: Vec<Found>, truncated: bool) -> Enumeration {
        Enumeration { at: Some(self.clock.now()), found, not_looked_at: not_looked_at(), truncated, elsewhere: Vec::new() }
    }
}

/// The entry and, where one is stored, its password.
fn identity_of(identity: &str, now: &EntryNow, look: Option<&Look>) -> Vec<Found> {
    let mut facts = BTreeMap::new();
    let mut fact = |name: &str, value: String| facts.insert(name.to_owned(), value);
    fact("locked", now.locked_at.is_some().to_string());
    fact("must_change", now.reset.to_string());
    fact("passwords", now.passwords.len().to_string());
    fact("object_classes", now.classes.join(" "));
    if let Some(uuid) = &now.uuid {
        fact("entry_uuid", uuid.clone());
    }
    for (name, value) in &now.names {
        fact(name, value.clone());
    }
    if let Some(look) = look {
        fact("can_login", (look.entry.as_ref().is_some_and(|e| !e.is_kept_out()) && !now.passwords.is_empty()).to_string());
        fact("proxy", now.proxied.to_string());
        if let Some(cut) = look.cuts.in_words() {
            fact("cut", cut);
        }
    }
    let one = |kind, native: String, credential_kind, facts| Found {
        minted_from: None,
        kind,
        native,
        identity: identity.to_owned(),
        credential_kind,
        opened_with: None,
        started_at: None,
        expires_at: None,
        facts,
    };
    let mut found = vec![one(TargetKind::Identity, identity.to_owned(), None, facts)];
    if !now.passwords.is_empty() {
        let mut facts = BTreeMap::new();
        if let Some(changed) = &now.changed_at {
            facts.insert("changed_at".to_owned(), changed.clone());
        }
        found.push(one(TargetKind::Credential, native::password(identity), Some(CredentialKind::Password), facts));
    }
    found
}

/// `20261124083925Z`, which is not what RFC 3339 looks like.
fn generalized(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?.split('.').next()?;
    if digits.len() != 14 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (date, time) = digits.split_at(8);
    format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..]).parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_directorys_times_are_read() {
        let read = |text| super::generalized(text).map(|t| t.to_string());
        assert_eq!(read("20261124083925Z").as_deref(), Some("2026-11-24T08:39:25Z"));
        assert_eq!(read("20261124083925.123456Z").as_deref(), Some("2026-11-24T08:39:25Z"));
        for text in ["", "Z", "2026", "20261124083925", "20269924083925Z", "x0261124083925Z"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
