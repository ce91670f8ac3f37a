//! What the host's things are called: `deploy`, `deploy#ssh_key:SHA256:…`,
//! `deploy#certificate:1001:SHA256:…:SHA256:…`, `pid:4711@815234>deploy`,
//! `principal:alice>deploy`.
//!
//! A key is named by its fingerprint, a certificate by its serial, the fingerprint of
//! its key and that of its authority: the serial alone may be 0 in all of them.
//! `deploy#ssh_key:q7f3k` is the key of a later generation, which Quell made. A process
//! number is used again, so its start is part of the name. In the parts of a pair `%` and
//! `>` are written `%25` and `%3E`.

use quell_core::target::{Target, TargetKind};

use crate::names;

/// Longest name of an account, as `useradd` takes it.
const ACCOUNT_MAX: usize = 32;
const PRINT: &str = "SHA256:";

/// What a native id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Native {
    Account(String),
    /// `SHA256:` and base 64 without padding.
    Key {
        account: String,
        print: String,
    },
    /// A key that Quell made; nothing of it is known but its own secret.
    Made {
        account: String,
    },
    Certificate(Certificate),
    Connection(Connection),
    Principal {
        account: String,
        principal: String,
    },
}

/// One certificate for one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub account: String,
    /// 0 where the authority gives none.
    pub serial: u64,
    /// The fingerprint of the key that it is about.
    pub print: String,
    /// The fingerprint of the authority's key.
    pub authority: String,
}

/// One connection of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub account: String,
    pub pid: u32,
    /// Clock ticks from the boot of the host to the start of the process.
    pub start: u64,
}

impl Native {
    /// The account that it belongs to.
    pub(super) fn account(&self) -> &str {
        match self {
            Self::Account(account) | Self::Key { account, .. } | Self::Made { account } | Self::Principal { account, .. } => account,
            Self::Certificate(one) => &one.account,
            Self::Connection(one) => &one.account,
        }
    }
}

/// The account of a name; the reason why not is for a person.
pub(super) fn account(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > ACCOUNT_MAX || !text.chars().all(plain) || text.starts_with(['-', '.']) {
        return Err("an account of a host is named by letters, digits, dots, dashes and underscores, at most 32 of them".to_owned());
    }
    // A word of the command, and no account.
    if text == "all" {
        return Err("no account that Quell treats is named `all`".to_owned());
    }
    Ok(text.to_owned())
}

/// Whether it is `SHA256:` and 43 characters of base 64.
fn is_print(text: &str) -> bool {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    text.strip_prefix(PRINT).is_some_and(|rest| rest.len() == 43 && rest.bytes().all(base64))
}

/// Reads a target's native id; the reason why not is for a person.
pub(super) fn of(target: &Target) -> Result<Native, String> {
    let text = names::native(target)?;
    match target.kind {
        TargetKind::Identity => Ok(Native::Account(account(text)?)),
        TargetKind::Credential => credential(text),
        TargetKind::Session => {
            let wanted = "a session of OpenSSH is named `pid:NUMBER@START>ACCOUNT`";
            let (which, of) = text.strip_prefix("pid:").and_then(|rest| rest.split_once('>')).ok_or(wanted)?;
            let (pid, start) = which.split_once('@').ok_or(wanted)?;
            let (pid, start) = (pid.parse().map_err(|_| wanted)?, start.parse().map_err(|_| wanted)?);
            Ok(Native::Connection(Connection { account: account(of)?, pid, start }))
        }
        TargetKind::Entitlement => {
            let wanted = "an entitlement of OpenSSH is named `principal:PRINCIPAL>ACCOUNT`";
            let (principal, of) = text.strip_prefix("principal:").and_then(names::of_pair).ok_or(wanted)?;
            if principal.is_empty() || principal.len() > 256 || principal.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err("a principal is a word without spaces".to_owned());
            }
            Ok(Native::Principal { account: account(&of)?, principal })
        }
    }
}

fn credential(text: &str) -> Result<Native, String> {
    let wanted = "a credential of OpenSSH is named `ACCOUNT#ssh_key:SHA256:..` or `ACCOUNT#certificate:SERIAL:SHA256:..:SHA256:..`";
    let (of, rest) = text.split_once('#').ok_or(wanted)?;
    let account = account(of)?;
    if let Some(print) = rest.strip_prefix("ssh_key:") {
        if is_print(print) {
            return Ok(Native::Key { account, print: print.to_owned() });
        }
        let generation = !print.is_empty() && print.bytes().all(|b| b.is_ascii_alphanumeric());
        return if generation { Ok(Native::Made { account }) } else { Err(wanted.to_owned()) };
    }
    let (serial, prints) = rest.strip_prefix("certificate:").and_then(|rest| rest.split_once(':')).ok_or(wanted)?;
    let (print, authority) = prints.split_at_checked(PRINT.len() + 43).ok_or(wanted)?;
    let authority = authority.strip_prefix(':').ok_or(wanted)?;
    if !is_print(print) || !is_print(authority) {
        return Err(wanted.to_owned());
    }
    let serial = serial.parse().map_err(|_| wanted)?;
    Ok(Native::Certificate(Certificate { account, serial, print: print.to_owned(), authority: authority.to_owned() }))
}

pub(super) fn key(account: &str, print: &str) -> String {
    format!("{account}#ssh_key:{print}")
}

pub(super) fn certificate(one: &Certificate) -> String {
    format!("{}#certificate:{}:{}:{}", one.account, one.serial, one.print, one.authority)
}

pub(super) fn connection(one: &Connection) -> String {
    format!("pid:{}@{}>{}", one.pid, one.start, one.account)
}

pub(super) fn principal(principal: &str, account: &str) -> String {
    format!("principal:{}", names::pair(principal, account))
}

#[cfg(test)]
mod tests {
    use quell_core::{id::TargetId, personal::Salter};

    use super::*;

    fn read(kind: TargetKind, native: &str) -> Result<Native, String> {
        let id = TargetId::new("t-1");
        of(&Target { id: id.clone(), plane: "ssh".into(), kind, native: Salter::new([7; 32]).commit(native), identity: id })
    }

    fn print(fill: char) -> String {
        format!("SHA256:{}", fill.to_string().repeat(43))
    }

    #[test]
    fn what_is_written_is_read_back() {
        for account in ["deploy", "a", "web_1.x-y", "all2"] {
            assert_eq!(read(TargetKind::Identity, account), Ok(Native::Account(account.into())));
            let native = key(account, &print('/'));
            assert_eq!(read(TargetKind::Credential, &native), Ok(Native::Key { account: account.into(), print: print('/') }));
            for serial in [0, 1001, u64::MAX] {
                let one = Certificate { account: account.into(), serial, print: print('+'), authority: print('b') };
                assert_eq!(read(TargetKind::Credential, &certificate(&one)), Ok(Native::Certificate(one)));
            }
            assert_eq!(read(TargetKind::Credential, &format!("{account}#ssh_key:q7f3k")), Ok(Native::Made { account: account.into() }));
            let one = Connection { account: account.into(), pid: 4711, start: 815_234 };
            assert_eq!(read(TargetKind::Session, &connection(&one)), Ok(Native::Connection(one)));
            for name in ["alice", "alice@corp", "a>b", "%3E", "'", "$(id)", "\u{202e}x"] {
                let wanted = Native::Principal { account: account.into(), principal: name.into() };
                assert_eq!(read(TargetKind::Entitlement, &principal(name, account)), Ok(wanted), "{name}");
            }
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_before_it_is_sent() {
        let long = "x".repeat(33);
        for name in ["", "all", "-x", "..", ".x", "a b", "a/b", "../etc", "a;id", "$(id)", "a\n", "a\0", "ü", "a>b", "a#b", long.as_str()]
        {
            assert!(read(TargetKind::Identity, name).is_err(), "{name:?}");
            assert!(read(TargetKind::Credential, &key(name, &print('a'))).is_err(), "{name:?}");
            assert!(read(TargetKind::Session, &format!("pid:1@2>{name}")).is_err(), "{name:?}");
            assert!(read(TargetKind::Entitlement, &principal("x", name)).is_err(), "{name:?}");
        }
        let short = &print('a')[..20];
        for text in ["deploy", "deploy#ssh_key:", "deploy#ssh_key:a b", "deploy#password", "deploy#certificate:1", &key("deploy", short)] {
            assert!(read(TargetKind::Credential, text).is_err(), "{text}");
        }
        let (a, b) = (print('a'), print('b'));
        for rest in [format!("x:{a}:{b}"), format!("-1:{a}:{b}"), format!("1:{a}"), format!("1:{a}:{b}x"), format!("1:{a}{b}")] {
            assert!(read(TargetKind::Credential, &format!("deploy#certificate:{rest}")).is_err(), "{rest}");
        }
        for text in ["pid:1>deploy", "pid:x@1>deploy", "pid:-1@1>deploy", "pid:1@>deploy", "1@1>deploy"] {
            assert!(read(TargetKind::Session, text).is_err(), "{text}");
        }
        for name in ["", "a b", "a\nb", "\t"] {
            assert!(read(TargetKind::Entitlement, &principal(name, "deploy")).is_err(), "{name:?}");
        }
    }
}
