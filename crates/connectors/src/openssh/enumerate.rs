//! What is there: an account, the keys and certificates that log in as it, its
//! connections, and the principals that may.

use std::collections::BTreeMap;

use quell_core::{
    signal::CredentialKind,
    target::{Enumeration, Found, TargetKind},
    time::Timestamp,
};
use quell_engine::port::PlaneError;
use russh::keys::Certificate as Issued;

use super::{
    OpenSsh,
    look::{Look, Used},
    manifest::{ENUMERATION_MAX, not_looked_at},
    native::{self, Certificate},
};

impl OpenSsh {
    pub(super) async fn enumerate_account(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        let account = native::account(identity).map_err(|why| self.not_permitted(why))?;
        let look = self.look(Some(&account)).await.map_err(|f| f.for_plane(&self.config.name))?;
        self.in_scope(&look, &account)?;
        let mut found = of_account(&look, &account);
        found.extend(connections(&look, &account));
        let delegates = look.principals(&account).into_iter().map(|name| {
            let facts = [("direction", "may act as it".to_owned()), ("principal", name.clone())];
            one(TargetKind::Entitlement, native::principal(&name, &account), &account, None, facts.map(|(k, v)| (k.to_owned(), v)).into())
        });
        found.extend(delegates);
        Ok(self.enumeration(&look, found))
    }

    pub(super) async fn enumerate_scope(&self) -> Result<Enumeration, PlaneError> {
        let look = self.look(None).await.map_err(|f| f.for_plane(&self.config.name))?;
        let found = look.scope.iter().flat_map(|account| of_account(&look, account)).collect();
        Ok(self.enumeration(&look, found))
    }

    /// Only what the bootstrap named is treated; the host holds to it, too.
    pub(super) fn in_scope(&self, look: &Look, account: &str) -> Result<(), PlaneError> {
        if look.scope.contains(account) {
            return Ok(());
        }
        let why = format!("does not have `{account}` in the scope of Quell; run `quell connector bootstrap` with `--scope {account}`");
        Err(self.not_permitted(why))
    }

    fn enumeration(&self, look: &Look, mut found: Vec<Found>) -> Enumeration {
        let truncated = found.len() > ENUMERATION_MAX as usize;
        found.truncate(ENUMERATION_MAX as usize);
        let mut not_looked_at = not_looked_at(look.used.is_some());
        if look.connections.is_none() {
            not_looked_at.push("open connections: sshd's main process was not found by its `PidFile`".to_owned());
        }
        Enumeration { at: Some(self.clock.now()), found, not_looked_at, truncated, elsewhere: Vec::new() }
    }
}

fn one(kind: TargetKind, native: String, account: &str, credential: Option<CredentialKind>, facts: BTreeMap<String, String>) -> Found {
    Found {
        minted_from: None,
        kind,
        native,
        identity: account.to_owned(),
        credential_kind: credential,
        opened_with: None,
        started_at: None,
        expires_at: None,
        facts,
    }
}

/// The account, its keys and its certificates.
fn of_account(look: &Look, account: &str) -> Vec<Found> {
    let (keys, aside) = (look.keys(account), look.keys_aside(account));
    let facts = [
        ("suspended", look.is_suspended(account).to_string()),
        ("keys", keys.len().to_string()),
        ("can_login", (!keys.is_empty() || !look.principals(account).is_empty()).to_string()),
    ];
    let mut found = vec![one(TargetKind::Identity, account.to_owned(), account, None, facts.map(|(k, v)| (k.to_owned(), v)).into())];
    for (line, aside) in keys.iter().map(|l| (l, false)).chain(aside.iter().map(|l| (l, true))) {
        let native = native::key(account, &line.print);
        if found.iter().any(|f| f.native == native) {
            continue;
        }
        let others: Vec<&str> =
            look.scope.iter().map(String::as_str).filter(|a| *a != account && look.keys(a).iter().any(|l| l.print == line.print)).collect();
        let mut facts = BTreeMap::from([("comment".to_owned(), line.comment.clone()), ("aside".to_owned(), aside.to_string())]);
        facts.insert("refused".to_owned(), look.list.has_key(&line.print).to_string());
        if line.is_authority() {
            facts.insert("lets_in".to_owned(), "every certificate that the key signed".to_owned());
        }
        if line.is_limited() {
            facts.insert("limited".to_owned(), "to some places, or until some time".to_owned());
        }
        if !others.is_empty() {
            facts.insert("also_opens".to_owned(), others.join(" "));
        }
        found.push(one(TargetKind::Credential, native, account, Some(CredentialKind::SshKey), facts));
    }
    found
        .extend(look.certificates(account).into_iter().map(|(certificate, issued, used)| of_certificate(look, &certificate, issued, used)));
    found
}

fn of_certificate(look: &Look, certificate: &Certificate, issued: Option<&Issued>, used: Option<&Used>) -> Found {
    let id = issued.map(Issued::key_id).or(used.map(|u| u.id.as_str())).unwrap_or_default();
    let mut facts = BTreeMap::from([
        ("key_id".to_owned(), id.to_owned()),
        ("serial".to_owned(), certificate.serial.to_string()),
        ("refused".to_owned(), look.list.has_certificate(certificate, Some(id)).to_string()),
        ("used".to_owned(), used.is_some().to_string()),
    ]);
    if let Some(issued) = issued {
        facts.insert("principals".to_owned(), issued.valid_principals().join(" "));
    }
    Found {
        started_at: issued.and_then(|i| seconds(i.valid_after())),
        expires_at: issued.and_then(|i| seconds(i.valid_before())),
        ..one(TargetKind::Credential, native::certificate(certificate), &certificate.account, Some(CredentialKind::Certificate), facts)
    }
}

/// A moment of a certificate; none where it has no end.
pub(super) fn seconds(unix: u64) -> Option<Timestamp> {
    i64::try_from(unix).ok().and_then(|s| Timestamp::from_second(s).ok())
}

fn connections(look: &Look, account: &str) -> Vec<Found> {
    let of = |open: &super::look::Open| Found {
        started_at: open.since,
        ..one(TargetKind::Session, native::connection(&open.at), account, None, BTreeMap::new())
    };
    look.connections_of(account).map(of).collect()
}
