//! The state of one target now, by value: there is no secret in it. What is read at the
//! first hold is what `restore` is measured by.

use std::collections::BTreeMap;

use quell_core::{
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::PlaneError;

use super::{
    OpenSsh,
    keys::Line,
    look::Look,
    native::{self, Native},
};

/// The key as it goes into a file: what is asked about when its line is gone.
pub(super) const PUBLIC_KEY: &str = "public_key";
pub(super) const KEYS: &str = "keys";
pub(super) const PRINCIPALS: &str = "principals";
const SUSPENDED: &str = "suspended";

impl OpenSsh {
    pub(super) async fn read_target(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        let native = native::of(target).map_err(|why| self.not_permitted(why))?;
        let look = self.look(Some(native.account())).await.map_err(|f| f.for_plane(&self.config.name))?;
        self.in_scope(&look, native.account())?;
        Ok((reading(&look, &native), BTreeMap::new()))
    }
}

/// A target as it stands in a look.
pub(super) fn reading(look: &Look, native: &Native) -> Reading {
    let (exists, facts) = match native {
        Native::Account(account) => (look.scope.contains(account), of_account(look, account)),
        Native::Key { account, print } => {
            let lines: Vec<Line> = look.every_key(account).into_iter().filter(|line| line.print == *print).collect();
            let key = lines.iter().find_map(|line| line.key.as_ref()?.to_openssh().ok());
            let refused = look.list.has_key(print);
            (!lines.is_empty(), [(PUBLIC_KEY, key), ("refused", Some(refused.to_string()))].map(|(k, v)| (k.to_owned(), v)).into())
        }
        Native::Made { account } => (!look.keys(account).is_empty(), BTreeMap::new()),
        Native::Certificate(one) => {
            let known = look.certificates(&one.account).into_iter().find(|(known, ..)| known == one);
            let certificate = known.as_ref().and_then(|(_, issued, _)| issued.and_then(|i| i.to_openssh().ok()));
            let certificate = certificate.or_else(|| look.issued_as(one)?.to_openssh().ok());
            let refused = look.list.has_certificate(one, None);
            let facts = [(PUBLIC_KEY, certificate), ("refused", Some(refused.to_string()))];
            (known.is_some(), facts.map(|(k, v)| (k.to_owned(), v)).into())
        }
        Native::Connection(one) => (look.connections_of(&one.account).any(|c| c.at == *one), BTreeMap::new()),
        Native::Principal { account, principal } => {
            let facts = [("principal", principal), ("account", account)];
            (look.principals(account).contains(principal), facts.map(|(k, v)| (k.to_owned(), Some(v.clone()))).into())
        }
    };
    Reading { exists, facts, ..Reading::default() }
}

/// An account's keys with their options, and its principals.
pub(super) fn of_account(look: &Look, account: &str) -> BTreeMap<String, Option<String>> {
    let suspended = look.is_suspended(account);
    let principals: Vec<String> = look.principals(account).into_iter().collect();
    [
        (SUSPENDED, suspended.then(|| "true".to_owned())),
        (KEYS, Some(in_order(&look.keys(account)))),
        (PRINCIPALS, Some(principals.join(" "))),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}

/// Keys by fingerprint, each with its options.
pub(super) fn in_order(lines: &[Line]) -> String {
    let mut all: Vec<String> = lines.iter().map(|line| format!("{}{}", line.options, line.print)).collect();
    all.sort();
    all.dedup();
    all.join("\n")
}
