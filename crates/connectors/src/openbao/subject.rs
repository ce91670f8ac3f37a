//! Who an identity is on this server: its logins, its entity, and the tokens that
//! came from it.

use std::collections::{BTreeMap, BTreeSet};

use quell_engine::port::PlaneError;

use super::{
    OpenBao,
    answer::Failure,
    audit::Trail,
    native::{self, Who},
    seen::{EntitySeen, MountSeen, RoleSeen, TokenSeen},
};

/// Orphan tokens whose maker is looked up in the audit log, at most.
const HASHES_MAX: usize = 500;

/// An identity with what leads to it.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub who: Who,
    pub entity: Option<EntitySeen>,
    /// Entities that its live tokens name, where its login does not any more.
    entities: BTreeSet<String>,
    pub logins: Vec<Login>,
    /// Logins of other kinds (`oidc`, `kubernetes`) that lead to its entity.
    pub other_logins: Vec<String>,
}

/// One login of it; without settings it does not exist any more.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub who: Who,
    pub settings: Option<RoleSeen>,
    /// What the mount makes of a role that says `default`.
    pub mount_token_type: String,
}

/// A live token of a subject, and why it is one.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub token: TokenSeen,
    pub tied_by: &'static str,
    /// The accessor of the live token that made it, where the log tells.
    pub minted_from: Option<String>,
}

/// The tokens of a subject, and what could not be tied to anybody.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    pub held: Vec<Held>,
    /// Live orphans that belong to no entity and that nothing ties to anybody.
    pub untied: usize,
    /// Hashes of every token that descends from the subject, dead ones too.
    pub lineage: BTreeSet<String>,
    /// Hash -> accessor, of live tokens.
    pub accessors: BTreeMap<String, String>,
    pub truncated: bool,
}

impl OpenBao {
    /// The entity that stands behind an identity, disabled or not.
    pub(super) async fn entity_behind(&self, who: &Who) -> Result<Option<EntitySeen>, Failure> {
        match who {
            Who::Entity { id } => self.entity(id).await,
            Who::Token { accessor } => match self.token(accessor).await? {
                Some(token) if !token.entity_id.is_empty() => self.entity(&token.entity_id).await,
                _ => Ok(None),
            },
            Who::AppRole { mount, role } => {
                let Some(role_id) = self.role_id(mount, role).await? else { return Ok(None) };
                self.entity_of_login(mount, &role_id).await
            }
            Who::User { mount, user } => self.entity_of_login(mount, user).await,
            Who::Kv { .. } | Who::Pki { .. } => Ok(None),
        }
    }

    async fn entity_of_login(&self, mount: &str, alias: &str) -> Result<Option<EntitySeen>, Failure> {
        match self.auth_mounts().await?.get(mount) {
            Some(seen) => self.entity_of(alias, &seen.accessor).await,
            None => Ok(None),
        }
    }

    pub(super) async fn subject(&self, who: &Who) -> Result<Subject, Failure> {
        let mounts = self.auth_mounts().await?;
        let entity = self.entity_behind(who).await?;
        let mut logins = Vec::new();
        let mut other_logins = Vec::new();
        match who {
            Who::AppRole { .. } | Who::User { .. } => logins.push(self.login(who.clone(), &mounts).await?),
            Who::Entity { .. } => {
                for alias in entity.iter().flat_map(|e| e.aliases.iter().flatten()) {
                    let mount = alias.mount_path.trim_start_matches("auth/").trim_end_matches('/').to_owned();
                    let role = alias.metadata.as_ref().and_then(|m| m.get("role_name")).and_then(|r| native::name(r));
                    match (alias.mount_type.as_str(), role, native::name(&alias.name)) {
                        ("approle", Some(role), _) => logins.push(self.login(Who::AppRole { mount, role }, &mounts).await?),
                        ("userpass", _, Some(user)) => logins.push(self.login(Who::User { mount, user }, &mounts).await?),
                        (kind, ..) => other_logins.push(format!("the login at `auth/{mount}` ({kind})")),
                    }
                }
            }
            Who::Token { .. } | Who::Kv { .. } | Who::Pki { .. } => {}
        }
        Ok(Subject { who: who.clone(), entity, entities: BTreeSet::new(), logins, other_logins })
    }

    async fn login(&self, who: Who, mounts: &BTreeMap<String, MountSeen>) -> Result<Login, Failure> {
        let (settings, mount) = match &who {
            Who::AppRole { mount, role } => (self.role(mount, role).await?, mount),
            Who::User { mount, user } => (self.user(mount, user).await?, mount),
            _ => return Ok(Login { who, settings: None, mount_token_type: String::new() }),
        };
        let mount_token_type = mounts.get(mount).map(|m| m.config.token_type.clone()).unwrap_or_default();
        Ok(Login { who, settings, mount_token_type })
    }

    /// Every live token that came from the subject: by its entity, by its login, and
    /// by the audit log, which alone knows who made an orphan.
    pub(super) async fn tokens_of(&self, subject: &Subject, trail: Option<&Trail>) -> Result<Tokens, PlaneError> {
        let failed = |f: Failure| f.plane_error(&self.config.name);
        let mut accessors = self.accessors().await.map_err(failed)?;
        let most = super::manifest::ENUMERATION_MAX as usize;
        let truncated = accessors.len() > most;
        accessors.truncate(most);
        let own = self.wire.own().await.map_err(failed)?.accessor;
        let all: Vec<TokenSeen> = self.tokens(&accessors).await.map_err(failed)?.into_iter().filter(|t| t.accessor != own).collect();
        self.remember_roots(&all);

        // A deleted login leads to no entity any more; its live tokens still name it.
        let mut subject = subject.clone();
        if subject.entity.is_none() && !matches!(subject.who, Who::Entity { .. } | Who::Token { .. }) {
            subject.entities =
                all.iter().filter(|t| subject.is_login_of(t)).map(|t| t.entity_id.clone()).filter(|e| !e.is_empty()).collect();
        }
        let mut tokens = Tokens { truncated, ..Tokens::default() };
        let mut hashes = BTreeMap::new();
        if trail.is_some() {
            // What an entity or a login tells needs no log; its makers do.
            let (tied, rest): (Vec<&TokenSeen>, Vec<&TokenSeen>) = all.iter().partition(|t| subject.ties(t).is_some());
            let orphans = rest.into_iter().filter(|t| is_nobodys(t) && !t.is_root());
            for token in tied.into_iter().chain(orphans).take(HASHES_MAX) {
                let hash = self.hash_of_accessor(&token.accessor).await?;
                hashes.insert(token.accessor.clone(), hash);
            }
        }
        tokens.accessors = hashes.iter().map(|(accessor, hash)| (hash.clone(), accessor.clone())).collect();
        if let Some(trail) = trail {
            let logins = subject.logins.iter().map(|l| l.who.clone()).collect();
            let roots = all.iter().filter(|t| subject.ties(t).is_some()).filter_map(|t| hashes.get(&t.accessor).cloned()).collect();
            let entity = subject.owned_entity();
            tokens.lineage = trail.descend(&logins, entity, &roots);
        }
        for token in all {
            let hash = hashes.get(&token.accessor);
            let by_log = hash.is_some_and(|h| tokens.lineage.contains(h)).then_some("the audit log");
            let Some(tied_by) = subject.ties(&token).or(by_log) else {
                tokens.untied += usize::from(is_nobodys(&token) && !token.is_root());
                continue;
            };
            let parent = hash.and_then(|h| trail?.parents.get(h)).and_then(|parent| tokens.accessors.get(parent));
            tokens.held.push(Held { minted_from: parent.cloned(), token, tied_by });
        }
        Ok(tokens)
    }

    async fn hash_of_accessor(&self, accessor: &str) -> Result<String, PlaneError> {
        let device = self.config.audit.as_ref().map(|a| a.device.trim_end_matches('/')).unwrap_or_default();
        self.audit_hash(device, accessor).await.map_err(|f| f.plane_error(&self.config.name))
    }
}

impl Subject {
    /// The entity, where every token of it is this subject's: another login of the
    /// same entity is another subject.
    fn owned_entity(&self) -> Option<&str> {
        let entity = self.entity.as_ref()?;
        let alone = matches!(self.who, Who::Entity { .. }) || entity.aliases.iter().flatten().count() <= 1;
        alone.then_some(entity.id.as_str())
    }

    fn is_login_of(&self, token: &TokenSeen) -> bool {
        token.who().is_some_and(|w| self.logins.iter().any(|l| l.who == w))
    }

    /// Why a token is one of this subject's, as the server itself tells.
    pub(super) fn ties(&self, token: &TokenSeen) -> Option<&'static str> {
        if let Who::Token { accessor } = &self.who {
            return (*accessor == token.accessor).then_some("itself");
        }
        if self.is_login_of(token) {
            return Some("its login");
        }
        let login = token.who();
        let same = self.entity.as_ref().is_some_and(|e| e.id == token.entity_id) || self.entities.contains(&token.entity_id);
        // A token of another login of the entity is that login's; a child of one cannot
        // be told apart and counts for all.
        let of_another = login.is_some() && !matches!(self.who, Who::Entity { .. });
        (same && !of_another).then_some("its entity")
    }
}

/// No entity and no login stands behind it.
pub(super) fn is_nobodys(token: &TokenSeen) -> bool {
    token.entity_id.is_empty() && token.who().is_none()
}
