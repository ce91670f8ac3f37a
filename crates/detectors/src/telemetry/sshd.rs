//! sshd's lines, from syslog, journald or a file.
//!
//! A session is a host and a process id; ids come round again, so each sign-in
//! opens a new session of its id. A key goes by its fingerprint, a certificate by
//! its key id and serial. A syslog time has no year: the file's own time gives it.
//! Lines as of OpenSSH 10.

use std::collections::BTreeMap;

use quell_core::{
    time::Timestamp,
    trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Outcome},
};

use super::{Given, Log, Reader, when};

pub const LOG: Log = Log {
    name: "sshd",
    reads: "OpenSSH server log lines",
    recognises: |_| false,
    recognises_line: Some(recognises),
    reader: |c| Box::new(Sshd { written_at: c.written_at, open: BTreeMap::new() }),
    never_shows: "what was done in a session, and keys that a user added to a file",
};

/// Sessions of one file that are open at once.
const OPEN_MAX: usize = 65_536;

fn recognises(line: &str) -> bool {
    (line.contains("sshd[") || line.contains("sshd-session[")) && line.contains("]: ")
}

struct Sshd {
    written_at: Option<Timestamp>,
    /// The session of each host and process, as it was opened last.
    open: BTreeMap<(String, String), String>,
}

impl Reader for Sshd {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let Ok(line) = std::str::from_utf8(bytes) else { return Given::Broken("the line is not UTF-8".to_owned()) };
        if !recognises(line) {
            return Given::NotMine;
        }
        let Some(parts) = Parts::of(line) else { return Given::Broken("the line has no host and process before its message".to_owned()) };
        let Some(at) = moment(parts.time, self.written_at) else {
            return Given::Broken("the time has no year, and nothing says which it was".to_owned());
        };
        if let Some(fact) = self.fact(&parts, at) {
            give(fact);
        }
        Given::Read
    }
}

/// A line taken apart.
struct Parts<'a> {
    time: &'a str,
    host: &'a str,
    pid: &'a str,
    message: &'a str,
}

impl<'a> Parts<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let at = line.find(" sshd[").or_else(|| line.find(" sshd-session["))?;
        let (head, rest) = (line[..at].trim_end(), line[at + 1..].split_once('[')?.1);
        let (pid, message) = rest.split_once("]: ")?;
        let (time, host) = head.rsplit_once(' ')?;
        // `<38>Oct  1 ..`: the priority of a raw syslog line.
        let time = time.strip_prefix('<').and_then(|t| t.split_once('>')).map_or(time, |(_, t)| t);
        Some(Self { time: time.trim(), host, pid, message })
    }
}

/// RFC 3339, or `Oct  1 03:02:11` in the year that ends with the file.
fn moment(time: &str, written_at: Option<Timestamp>) -> Option<Timestamp> {
    if let Some(at) = when(time).filter(|_| time.len() > 16) {
        return Some(at);
    }
    let written = written_at?;
    let year: i64 = written.to_string().get(..4)?.parse().ok()?;
    let of = |year: i64| {
        let mut words = time.split_whitespace();
        let (month, day, clock) = (words.next()?, words.next()?, words.next()?);
        when(&format!("{month} {day} {year} {clock} UTC"))
    };
    // A file of January holds December's lines, too.
    of(year).filter(|at| *at <= quell_core::time::after(written, 86_400)).or_else(|| of(year - 1))
}

impl Sshd {
    fn fact(&mut self, parts: &Parts<'_>, at: Timestamp) -> Option<Fact> {
        let key = (parts.host.to_owned(), parts.pid.to_owned());
        let message = parts.message.trim();
        let mut fact = Fact { at: Some(at), system: format!("ssh:{}", parts.host), ..Fact::default() };
        if let Some(rest) = message.strip_prefix("Accepted ").or_else(|| message.strip_prefix("Failed ")) {
            let login = Login::of(rest, parts.host)?;
            fact.event = format!("sshd {}", login.method);
            let accepted = message.starts_with("Accepted ");
            fact.outcome = if accepted { Outcome::Done } else { Outcome::Rejected };
            if accepted {
                let id = format!("{}/sshd:{}@{at}", parts.host, parts.pid);
                if self.open.len() >= OPEN_MAX {
                    self.open.pop_first();
                }
                self.open.insert(key, id.clone());
                let identity = Some(login.identity.clone());
                fact.deeds.push(Deed::Mint(Minted { id, kind: LinkKind::Session, identity, login: true, ..Minted::default() }));
            }
            fact.by = Some(login.bearer(parts.host));
            return Some(fact);
        }
        let closed = message.starts_with("Disconnected from user ") || message.contains("session closed for user ");
        if closed && let Some(id) = self.open.remove(&key) {
            fact.event = "sshd session closed".into();
            fact.deeds.push(Deed::End(Ended::Credential(id)));
            return Some(fact);
        }
        None
    }
}

/// `publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:..`
struct Login<'a> {
    method: &'a str,
    identity: String,
    address: &'a str,
    credential: String,
    kind: LinkKind,
}

impl<'a> Login<'a> {
    fn of(rest: &'a str, host: &str) -> Option<Self> {
        let (method, rest) = rest.split_once(" for ")?;
        let rest = rest.strip_prefix("invalid user ").unwrap_or(rest);
        let (user, rest) = rest.split_once(" from ")?;
        let (address, rest) = rest.split_once(" port ")?;
        let what = rest.split_once(": ").map(|(_, w)| w);
        let identity = format!("{user}@{host}");
        let (credential, kind) = match what {
            Some(what) if what.contains("-CERT") && what.contains(" ID ") => {
                let id = what.split_once(" ID ").map_or(what, |(_, id)| id.split(" CA ").next().unwrap_or(id));
                (format!("certificate {id}"), LinkKind::Certificate)
            }
            Some(what) => {
                (what.split_whitespace().find(|w| w.starts_with("SHA256:") || w.contains(':')).unwrap_or(what).to_owned(), LinkKind::SshKey)
            }
            None => (format!("{identity}#password"), LinkKind::Password),
        };
        Some(Self { method, identity, address, credential, kind })
    }

    fn bearer(self, host: &str) -> Bearer {
        Bearer {
            // One key opens many accounts: it belongs to none of them.
            identity: (self.kind != LinkKind::SshKey).then_some(self.identity),
            credential: Some(self.credential),
            kind: self.kind,
            address: Some(self.address.to_owned()),
            device: Some(host.split('.').next().unwrap_or(host).to_ascii_lowercase()),
            ..Bearer::default()
        }
    }
}
