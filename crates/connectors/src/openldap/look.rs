//! What the server says of one entry at one moment: the entry, the control beside
//! it, the rules against it, its connections, the policy over it, and whether this
//! server enforces at all.

use std::collections::BTreeMap;

use ldap3::Scope;

use super::{
    OpenLdap,
    dn::{Dn, in_filter},
    policy::{LOCKED_FOR_GOOD, Usability},
    rules::{Rules, Standing as Cuts},
    wire::{Entry, Failure, Found, Question},
};

const ANY: &str = "(objectClass=*)";
/// True for an entry on which Quell may look for `userPassword`, whether it has one
/// or not: where it may not, the server finds neither half true.
const IN_SCOPE: &str = "(|(userPassword=*)(!(userPassword=*)))";
const ENTRY: [&str; 12] = [
    "objectClass",
    "uid",
    "cn",
    "entryUUID",
    "userPassword",
    "pwdAccountLockedTime",
    "pwdReset",
    "pwdFailureTime",
    "pwdChangedTime",
    "pwdPolicySubentry",
    "authzFrom",
    "authzTo",
];
/// Most connections that are listed.
pub(super) const CONNECTIONS_MAX: i32 = 2_000;
/// Ways to authenticate by password that the lock does not bind.
const PASSWORD_MECHANISMS: [&str; 6] = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-", "SRP"];

/// One look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub entry: Option<EntryNow>,
    pub in_scope: bool,
    /// The same question found the control, and it could log in.
    pub control_alive: bool,
    /// This server changes what it holds, so its word counts.
    pub authoritative: bool,
    pub cuts: Cuts,
    pub connections: Vec<ConnectionNow>,
    /// The listing shows our own connection.
    pub own_listed: bool,
    pub policy: Option<Policy>,
    /// Mechanisms by which a password is taken past the lock.
    pub mechanisms: Vec<String>,
}

/// The entry itself.
#[derive(Clone)]
pub(super) struct EntryNow {
    /// As the server writes it.
    pub dn: String,
    pub uuid: Option<String>,
    pub classes: Vec<String>,
    pub names: BTreeMap<&'static str, String>,
    /// Every stored password; secret.
    pub passwords: Vec<Vec<u8>>,
    pub locked_at: Option<String>,
    pub reset: bool,
    pub failures: u32,
    pub changed_at: Option<String>,
    pub policy: Option<String>,
    pub usability: Option<Usability>,
    /// It may act as others, or others as it, by proxy.
    pub proxied: bool,
}

impl std::fmt::Debug for EntryNow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryNow").field("dn", &self.dn).field("locked_at", &self.locked_at).finish_non_exhaustive()
    }
}

impl From<&Entry> for EntryNow {
    fn from(entry: &Entry) -> Self {
        Self {
            dn: entry.dn.clone(),
            uuid: entry.first("entryUUID"),
            classes: entry.texts("objectClass"),
            names: ["uid", "cn"].into_iter().filter_map(|name| Some((name, entry.first(name)?))).collect(),
            passwords: entry.values("userPassword").to_vec(),
            locked_at: entry.first("pwdAccountLockedTime"),
            reset: entry.first("pwdReset").is_some_and(|v| v.eq_ignore_ascii_case("TRUE")),
            failures: u32::try_from(entry.values("pwdFailureTime").len()).unwrap_or(u32::MAX),
            changed_at: entry.first("pwdChangedTime"),
            policy: entry.first("pwdPolicySubentry"),
            usability: entry.usability,
            proxied: ["authzFrom", "authzTo"].iter().any(|name| !entry.values(name).is_empty()),
        }
    }
}

impl EntryNow {
    /// Our lock is written on it.
    pub(super) fn is_locked_for_good(&self) -> bool {
        self.locked_at.as_deref() == Some(LOCKED_FOR_GOOD)
    }

    /// Our lock is written on it, and the overlay says that it keeps it out, not
    /// only for a while.
    pub(super) fn is_kept_out(&self) -> bool {
        self.is_locked_for_good() && self.usability == Some(Usability::Unusable { ends_by_itself: false })
    }
}

/// One open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectionNow {
    pub number: u64,
    pub started: String,
    pub peer: String,
    pub active: Option<String>,
    /// Quell itself opened it: a probe or a witness.
    pub ours: bool,
}

/// The password policy over an entry, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    /// Locks are enforced.
    pub lockout: bool,
    /// `pwdReset` is enforced.
    pub must_change: bool,
    /// Wrong passwords after which the entry locks itself; 0 for never.
    pub failures_max: u32,
}

impl OpenLdap {
    /// # Errors
    ///
    /// What became of a question.
    pub(super) async fn look(&self, of: &Dn) -> Result<Look, Failure> {
        let base = |dn| Question { base: dn, scope: Scope::Base, filter: ANY, attributes: &ENTRY, most: 0, usability: true };
        let entry = self.wire.ask(&base(of.text())).await?.entries.first().map(EntryNow::from);
        let scoped = Question { filter: IN_SCOPE, attributes: &["1.1"], usability: false, ..base(of.text()) };
        let in_scope = entry.is_some() && !self.wire.ask(&scoped).await?.entries.is_empty();
        let control = self.wire.ask(&base(self.names.control.text())).await?;
        let control_alive = control.entries.first().map(EntryNow::from).is_some_and(|c| match c.usability {
            Some(usability) => usability == Usability::Usable,
            // No overlay speaks for it: it is there and carries no lock.
            None => c.locked_at.is_none(),
        });
        let rules = self.rules().await?;
        let connections = self.connections(of).await?;
        let own_listed = !self.connections(&self.names.own).await?.is_empty();
        let policy = match &entry {
            Some(entry) => self.policy_over(entry.policy.as_deref()).await?,
            None => None,
        };
        Ok(Look {
            in_scope,
            control_alive,
            authoritative: self.is_provider().await?,
            cuts: rules.against(of),
            connections,
            own_listed,
            policy,
            mechanisms: self.password_mechanisms().await?,
            entry,
        })
    }

    /// The access rules of the database.
    pub(super) async fn rules(&self) -> Result<Rules, Failure> {
        let found = self.config_entry(ANY, &["olcAccess", "olcRootDN"]).await?;
        let Some(entry) = found.entries.first() else {
            let text = format!("no read on `{}`", self.config.database);
            return Err(Failure::Answered { code: 50, text });
        };
        if let Some(root) = entry.first("olcRootDN").and_then(|text| Dn::parse(&text).ok()) {
            self.remember(&root, "the root of the database passes every rule and every lock");
        }
        Ok(Rules::of(&entry.texts("olcAccess")))
    }

    /// This server takes changes of its own: it follows nobody, or is one of several
    /// providers. One that cannot be asked is not believed.
    pub(super) async fn is_provider(&self) -> Result<bool, Failure> {
        let known = !self.config_entry("(olcDatabase=*)", &["1.1"]).await?.entries.is_empty();
        let follows = !self.config_entry("(&(olcSyncrepl=*)(!(olcMirrorMode=TRUE)))", &["1.1"]).await?.entries.is_empty();
        Ok(known && !follows)
    }

    async fn config_entry(&self, filter: &str, attributes: &[&str]) -> Result<Found, Failure> {
        let dn = self.config.database.as_str();
        self.wire.ask(&Question { base: dn, scope: Scope::Base, filter, attributes, most: 0, usability: false }).await
    }

    /// The open connections of an entry, in the order of their numbers. The server
    /// compares the name, so every way of writing it is found.
    pub(super) async fn connections(&self, of: &Dn) -> Result<Vec<ConnectionNow>, Failure> {
        let filter = format!("(&(objectClass=monitorConnection)(monitorConnectionAuthzDN={}))", in_filter(of.text()));
        let attributes =
            ["monitorConnectionNumber", "monitorConnectionStartTime", "monitorConnectionPeerAddress", "monitorConnectionActivityTime"];
        let base = "cn=Connections,cn=Monitor";
        let question =
            Question { base, scope: Scope::Subtree, filter: &filter, attributes: &attributes, most: CONNECTIONS_MAX, usability: false };
        let found = self.wire.ask(&question).await?;
        let mut all: Vec<ConnectionNow> = found.entries.iter().filter_map(|e| self.connection(e)).collect();
        all.sort_by_key(|c| c.number);
        Ok(all)
    }

    fn connection(&self, entry: &Entry) -> Option<ConnectionNow> {
        let peer = entry.first("monitorConnectionPeerAddress")?;
        let number = entry.first("monitorConnectionNumber")?.parse().ok()?;
        let started = entry.first("monitorConnectionStartTime")?;
        let ours = self.wire.is_ours(&peer) && super::rules::is_nameable(&peer) || self.witnesses.is_one(number, &started);
        Some(ConnectionNow { number, started, peer, active: entry.first("monitorConnectionActivityTime"), ours })
    }

    /// The policy that an entry names, else the overlay's default.
    async fn policy_over(&self, named: Option<&str>) -> Result<Option<Policy>, Failure> {
        let default = match named {
            Some(named) => Some(named.to_owned()),
            None => {
                let filter = "(objectClass=olcPPolicyConfig)";
                let base = self.config.database.as_str();
                let attributes = ["olcPPolicyDefault"];
                let question = Question { base, scope: Scope::OneLevel, filter, attributes: &attributes, most: 0, usability: false };
                self.wire.ask(&question).await?.entries.first().and_then(|e| e.first("olcPPolicyDefault"))
            }
        };
        let Some(dn) = default else { return Ok(None) };
        let attributes = ["pwdLockout", "pwdMustChange", "pwdMaxFailure"];
        let filter = "(objectClass=pwdPolicy)";
        let question = Question { base: &dn, scope: Scope::Base, filter, attributes: &attributes, most: 0, usability: false };
        let is = |entry: &Entry, name: &str| entry.first(name).is_some_and(|v| v.eq_ignore_ascii_case("TRUE"));
        Ok(self.wire.ask(&question).await?.entries.first().map(|entry| Policy {
            lockout: is(entry, "pwdLockout"),
            must_change: is(entry, "pwdMustChange"),
            failures_max: entry.first("pwdMaxFailure").and_then(|n| n.parse().ok()).unwrap_or(0),
        }))
    }

    /// The mechanisms by which a stored password is taken past the lock: those that
    /// are offered, where a name of theirs may be mapped to an entry.
    async fn password_mechanisms(&self) -> Result<Vec<String>, Failure> {
        let unmapped = "(&(!(olcAuthzRegexp=*))(!(olcAuthIDRewrite=*)))";
        let question =
            Question { base: "cn=config", scope: Scope::Base, filter: unmapped, attributes: &["1.1"], most: 0, usability: false };
        if !self.wire.ask(&question).await?.entries.is_empty() {
            return Ok(Vec::new());
        }
        let attributes = ["supportedSASLMechanisms"];
        let found = self
            .wire
            .ask(&Question { base: "", scope: Scope::Base, filter: ANY, attributes: &attributes, most: 0, usability: false })
            .await?;
        let all = found.entries.first().map(|e| e.texts("supportedSASLMechanisms")).unwrap_or_default();
        Ok(all.into_iter().filter(|m| PASSWORD_MECHANISMS.iter().any(|known| m.to_ascii_uppercase().starts_with(known))).collect())
    }

    /// Where the entry of an id is now, anywhere below the base. The base itself
    /// must be seen, or nothing was looked through.
    pub(super) async fn found_by_id(&self, uuid: &str) -> Result<Option<Vec<String>>, Failure> {
        let filter = format!("(entryUUID={})", in_filter(uuid));
        let base = self.config.base.as_str();
        let question = Question { base, scope: Scope::Subtree, filter: &filter, attributes: &["1.1"], most: 10, usability: false };
        let found = self.wire.ask(&question).await?;
        let seen = self.wire.ask(&Question { scope: Scope::Base, filter: "(entryUUID=*)", ..question }).await?;
        Ok((!seen.entries.is_empty() && !found.truncated).then(|| found.entries.into_iter().map(|e| e.dn).collect()))
    }
}
