//! What is there: a user with keys and login profile, or a role, and what stands for all
//! their temporary credentials, which AWS does not list.

use std::collections::BTreeMap;

use quell_core::{
    signal::CredentialKind,
    target::{Enumeration, Found, TargetKind},
};
use quell_engine::port::PlaneError;

use super::{
    Aws,
    look::Look,
    manifest::{ENUMERATION_MAX, not_looked_at},
    native::{self, Who},
};

impl Aws {
    pub(super) async fn enumerate_identity(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        let who = Who::of(identity).map_err(|why| self.not_permitted(format!("has no identity of such a name: {why}")))?;
        let look = self.look(&who).await.map_err(|f| f.for_plane(&self.config.name))?;
        let found = look.iter().flat_map(of_look).collect();
        Ok(self.enumeration(found, look.as_ref()))
    }

    pub(super) async fn enumerate_scope(&self) -> Result<Enumeration, PlaneError> {
        let most = ENUMERATION_MAX as usize;
        let users = self.listed("ListUsers", &[], "Users").await.map_err(|f| f.for_plane(&self.config.name))?;
        let roles = self.listed("ListRoles", &[], "Roles").await.map_err(|f| f.for_plane(&self.config.name))?;
        let mut found = Vec::new();
        for fields in &users {
            let Some(name) = fields.get("UserName").and_then(|n| native::name(n).ok()) else { continue };
            if found.len() >= most {
                break;
            }
            let keys = self.keys_of(&name).await.map_err(|f| f.for_plane(&self.config.name))?;
            let who = Who::User(name);
            let facts = fields.get("UserId").map(|id| ("id".to_owned(), id.clone())).into_iter().collect();
            found.push(one(TargetKind::Identity, who.native(), &who, None, facts));
            found.extend(keys.iter().map(|key| of_key(&who, key)));
        }
        for fields in &roles {
            let Some(name) = fields.get("RoleName").and_then(|n| native::name(n).ok()) else { continue };
            let who = Who::Role(name);
            let facts = fields.get("RoleId").map(|id| ("id".to_owned(), id.clone())).into_iter().collect();
            found.push(one(TargetKind::Identity, who.native(), &who, None, facts));
        }
        Ok(self.enumeration(found, None))
    }

    fn enumeration(&self, mut found: Vec<Found>, look: Option<&Look>) -> Enumeration {
        let truncated = found.len() > ENUMERATION_MAX as usize;
        found.truncate(ENUMERATION_MAX as usize);
        let not_looked_at = not_looked_at(look.map(|l| &l.who));
        Enumeration { at: Some(self.clock.now()), found, not_looked_at, truncated, elsewhere: Vec::new() }
    }
}

fn one(kind: TargetKind, native: String, who: &Who, credential: Option<CredentialKind>, facts: BTreeMap<String, String>) -> Found {
    Found {
        minted_from: None,
        kind,
        native,
        identity: who.native(),
        credential_kind: credential,
        opened_with: None,
        started_at: None,
        expires_at: None,
        facts,
    }
}

fn of_key(who: &Who, key: &super::look::KeyNow) -> Found {
    let facts = BTreeMap::from([("active".to_owned(), key.active.to_string())]);
    Found { started_at: key.created, ..one(TargetKind::Credential, key.id.clone(), who, Some(CredentialKind::AccessKey), facts) }
}

fn of_look(look: &Look) -> Vec<Found> {
    let who = &look.who;
    let mut facts = BTreeMap::from([
        ("id".to_owned(), look.id.clone()),
        ("arn".to_owned(), look.arn.clone()),
        ("suspended".to_owned(), look.denials.everything.to_string()),
    ]);
    if let Some(trust) = &look.trust {
        facts.insert("trust".to_owned(), trust.clone());
        facts.insert("no_login".to_owned(), "a role has no credential of its own: whoever it trusts assumes it".to_owned());
    }
    if let Some(why) = look.kept_by_aws() {
        facts.insert("kept_by".to_owned(), why.to_owned());
    }
    let mut found = vec![one(TargetKind::Identity, who.native(), who, None, facts)];
    found.extend(look.keys.iter().map(|key| of_key(who, key)));
    if let (Who::User(user), true) = (who, look.console) {
        // Whoever signs in with it is denied everything, and is in nevertheless.
        let facts = BTreeMap::from([("outlives_suspension".to_owned(), "true".to_owned())]);
        found.push(one(TargetKind::Credential, native::password(user), who, Some(CredentialKind::Password), facts));
    }
    let mut facts = BTreeMap::from([("direction".to_owned(), "what it may do".to_owned())]);
    if let Some(boundary) = &look.boundary {
        facts.insert("boundary".to_owned(), boundary.clone());
    }
    found.push(one(TargetKind::Entitlement, native::permissions(who), who, None, facts));
    let mut facts = BTreeMap::from([("stands_for".to_owned(), "every temporary credential so far; AWS lists none".to_owned())]);
    if look.denials.everything || look.denials.older.is_some() {
        // It stands in every listing: AWS denies it everything and cannot end it.
        facts.insert("cut".to_owned(), "true".to_owned());
    }
    if let Some(older) = look.denials.older {
        facts.insert("denied_if_issued_before".to_owned(), older.to_string());
    }
    found.push(one(TargetKind::Session, native::sessions(who), who, None, facts));
    found
}
