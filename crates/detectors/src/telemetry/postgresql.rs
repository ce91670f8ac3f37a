//! PostgreSQL's own log: plain lines, `jsonlog` and `csvlog`.
//!
//! A session is a process id and the time it was let in. Statements may hold
//! passwords in the clear, so of a statement only its first words and the name of
//! a role are ever looked at, and nothing of it is kept. Lines as of PostgreSQL 18.

use std::collections::BTreeMap;

use crate::json::Value;
use quell_core::{
    time::Timestamp,
    trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Nature, Outcome},
};

use super::{Given, Log, Reader, when};
use crate::field::text;

pub const LOG: Log = Log {
    name: "postgresql",
    reads: "PostgreSQL server logs: plain lines that begin with a time and a process id, jsonlog, csvlog",
    recognises,
    recognises_line: Some(recognises_line),
    reader: |_| Box::new(Postgresql::default()),
    never_shows: "sign-ins without log_connections, statements without log_statement, and what functions did inside",
};

const OPEN_MAX: usize = 65_536;
const LEVELS: &[&str] = &["LOG:  ", "FATAL:  ", "ERROR:  ", "WARNING:  ", "NOTICE:  "];

fn recognises(record: &Value) -> bool {
    record.get("error_severity").is_some() && record.get("timestamp").is_some() && record.get("pid").is_some()
}

fn recognises_line(line: &str) -> bool {
    LEVELS.iter().any(|l| line.contains(l)) && line.as_bytes().first().is_some_and(u8::is_ascii_digit) || csv(line).is_some()
}

#[derive(Default)]
struct Postgresql {
    /// The session of each process, as it was let in last.
    open: BTreeMap<String, Open>,
}

#[derive(Clone)]
struct Open {
    id: String,
    role: String,
    address: Option<String>,
}

/// One line, whatever it was written as.
#[derive(Default)]
struct Line {
    at: Option<Timestamp>,
    pid: String,
    level: String,
    message: String,
    user: Option<String>,
    host: Option<String>,
}

impl Reader for Postgresql {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let Ok(line) = std::str::from_utf8(bytes) else { return Given::Broken("the line is not UTF-8".to_owned()) };
        let parsed = match line.starts_with('{') {
            true => match crate::json::document(bytes) {
                Ok(record) if recognises(&record) => from_json(record),
                Ok(_) => return Given::NotMine,
                Err(error) => return Given::broken(&error),
            },
            false if recognises_line(line) => match csv(line).or_else(|| plain(line)) {
                Some(parsed) => parsed,
                None => return Given::Broken("the line has no time and process id before its message".to_owned()),
            },
            // The rest of a statement over several lines.
            false => return Given::Read,
        };
        if let Some(fact) = self.fact(parsed) {
            give(fact);
        }
        Given::Read
    }
}

/// `2026-10-01 03:02:11.123 UTC [4711] user@db LOG:  message`
fn plain(line: &str) -> Option<Line> {
    let (head, level, message) = LEVELS.iter().find_map(|l| line.split_once(l).map(|(h, m)| (h, l, m)))?;
    let mut words = head.split_whitespace();
    let (day, clock) = (words.next()?, words.next()?);
    let zone = words.next().filter(|w| !w.starts_with('['));
    let at = when(&format!("{day} {clock} {}", zone.filter(|z| z.starts_with(['+', '-'])).unwrap_or("UTC")));
    let pid = head.split('[').nth(1)?.split(']').next()?;
    let pid = pid.split('-').next()?.trim();
    pid.bytes().all(|b| b.is_ascii_digit()).then(|| Line {
        at,
        pid: pid.to_owned(),
        level: level.trim().trim_end_matches(':').to_owned(),
        message: message.to_owned(),
        ..Line::default()
    })
}

fn from_json(record: Value) -> Line {
    Line {
        at: text(&record, "timestamp").and_then(|t| when(&t)),
        pid: text(&record, "pid").unwrap_or_default(),
        level: text(&record, "error_severity").unwrap_or_default(),
        message: text(&record, "message").unwrap_or_default(),
        user: text(&record, "user"),
        host: text(&record, "remote_host"),
    }
}

/// csvlog: time, user, database, pid, host:port, session, .., severity (12th), .., message (14th).
fn csv(line: &str) -> Option<Line> {
    let fields = fields(line)?;
    let get = |n: usize| fields.get(n).map(String::as_str).filter(|f| !f.is_empty());
    let pid = get(3)?;
    let at = when(get(0)?)?;
    (fields.len() >= 14 && pid.bytes().all(|b| b.is_ascii_digit()) && get(5).is_some_and(|s| s.contains('.'))).then(|| Line {
        at: Some(at),
        pid: pid.to_owned(),
        level: get(11).unwrap_or_default().to_owned(),
        message: get(13).unwrap_or_default().to_owned(),
        user: get(1).map(str::to_owned),
        host: get(4).map(|h| h.rsplit_once(':').map_or(h, |(h, _)| h).to_owned()),
    })
}

fn fields(line: &str) -> Option<Vec<String>> {
    if line.bytes().filter(|b| *b == b',').count() < 13 {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = line;
    loop {
        let (field, next) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut at = 0;
                let end = loop {
                    let q = quoted[at..].find('"')? + at;
                    if quoted[q + 1..].starts_with('"') {
                        at = q + 2;
                    } else {
                        break q;
                    }
                };
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        out.push(field);
        match next.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some(out),
        }
    }
}

/// `name=value` of a message.
fn named<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let start = message.find(&format!("{name}="))? + name.len() + 1;
    let rest = &message[start..];
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    rest.split([' ', '"', ',']).next().filter(|v| !v.is_empty())
}

impl Postgresql {
    fn fact(&mut self, line: Line) -> Option<Fact> {
        let mut fact = Fact { at: line.at, system: "postgresql".into(), ..Fact::default() };
        let message = line.message.as_str();
        if let Some(rest) = message.strip_prefix("connection received: ") {
            let host = named(rest, "host").map(str::to_owned);
            self.remember(&line.pid, Open { id: String::new(), role: String::new(), address: host });
            return None;
        }
        if message.starts_with("connection authorized: ") {
            let role = named(message, "user").map(str::to_owned).or(line.user)?;
            let address = line.host.or_else(|| self.open.get(&line.pid).and_then(|o| o.address.clone()));
            let id = format!("pid:{}@{}", line.pid, line.at?);
            fact.event = "connection authorized".into();
            fact.by = Some(Bearer {
                identity: Some(role.clone()),
                credential: Some(format!("{role}#password")),
                kind: LinkKind::Password,
                address: address.clone(),
                ..Bearer::default()
            });
            let identity = Some(role.clone());
            fact.deeds.push(Deed::Mint(Minted { id: id.clone(), kind: LinkKind::Session, identity, login: true, ..Minted::default() }));
            self.remember(&line.pid, Open { id, role, address });
            return Some(fact);
        }
        if let Some(role) = message.strip_prefix("password authentication failed for user ") {
            let role = role.trim().trim_matches('"').to_owned();
            fact.event = "password authentication failed".into();
            fact.outcome = Outcome::Rejected;
            fact.by = Some(Bearer {
                credential: Some(format!("{role}#password")),
                identity: Some(role),
                kind: LinkKind::Password,
                address: line.host.or_else(|| self.open.get(&line.pid).and_then(|o| o.address.clone())),
                ..Bearer::default()
            });
            return Some(fact);
        }
        let open = self.open.get(&line.pid).filter(|o| !o.id.is_empty()).cloned();
        if message.starts_with("disconnection: ") || message.starts_with("terminating connection ") {
            let open = open?;
            self.open.remove(&line.pid);
            fact.event = if message.starts_with('d') { "disconnection" } else { "terminating connection" }.into();
            fact.deeds.push(Deed::End(Ended::Credential(open.id)));
            return Some(fact);
        }
        let statement = message
            .strip_prefix("statement: ")
            .or_else(|| message.split_once(": ").filter(|(h, _)| h.starts_with("execute ")).map(|(_, s)| s));
        let statement = statement?;
        let open = open?;
        fact.event = event(statement);
        fact.outcome = if line.level == "ERROR" { Outcome::Refused } else { Outcome::Done };
        fact.deeds = deeds(statement, &open.role);
        fact.by = Some(Bearer {
            identity: Some(open.role),
            credential: Some(open.id),
            kind: LinkKind::Session,
            address: open.address,
            ..Bearer::default()
        });
        Some(fact)
    }

    fn remember(&mut self, pid: &str, open: Open) {
        if self.open.len() >= OPEN_MAX {
            self.open.pop_first();
        }
        self.open.insert(pid.to_owned(), open);
    }
}

/// The first words of a statement, where they are words of SQL and not of people.
fn event(statement: &str) -> String {
    const KNOWN: &[&str] =
        &["ALTER", "CREATE", "DROP", "GRANT", "REVOKE", "SET", "SELECT", "INSERT", "UPDATE", "DELETE", "COPY", "DO", "CALL"];
    const KINDS: &[&str] = &["ROLE", "USER", "GROUP", "DATABASE", "FUNCTION", "SYSTEM", "EXTENSION", "TABLE"];
    let mut words = statement.split_whitespace().map(str::to_ascii_uppercase);
    let first = words.next().filter(|w| KNOWN.contains(&w.as_str())).unwrap_or_else(|| "statement".to_owned());
    match words.next().filter(|w| KINDS.contains(&w.as_str())) {
        Some(kind) => format!("{first} {kind}"),
        None => first,
    }
}

fn deeds(statement: &str, by: &str) -> Vec<Deed> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let word = |n: usize| words.get(n).map(|w| w.to_ascii_uppercase());
    let name = |n: usize| words.get(n).map(|w| w.trim_matches(|c| matches!(c, '"' | ';')).to_owned());
    let has = |sought: &str| words.iter().any(|w| w.trim_end_matches(';').eq_ignore_ascii_case(sought));
    match (word(0).as_deref(), word(1).as_deref()) {
        (Some("ALTER" | "CREATE"), Some("ROLE" | "USER")) => {
            let Some(role) = name(2).map(|r| if r.eq_ignore_ascii_case("current_user") { by.to_owned() } else { r }) else {
                return Vec::new();
            };
            let mut out = Vec::new();
            if has("PASSWORD") {
                out.push(Deed::Mint(Minted {
                    id: format!("{role}#password"),
                    kind: LinkKind::Password,
                    identity: Some(role.clone()),
                    ..Minted::default()
                }));
            }
            if has("NOLOGIN") {
                out.push(Deed::End(Ended::Credential(format!("{role}#password"))));
            }
            out.push(match word(0).as_deref() {
                Some("CREATE") => Deed::Make(role),
                _ => Deed::Change { nature: Nature::Identity, target: role },
            });
            out
        }
        (Some("DROP"), Some("ROLE" | "USER")) => name(2).map(|r| Deed::End(Ended::Identity(r))).into_iter().collect(),
        (Some("GRANT"), _) => {
            let to = words.iter().position(|w| w.eq_ignore_ascii_case("to")).and_then(|n| name(n + 1));
            to.map(|target| Deed::Change { nature: Nature::Permission, target }).into_iter().collect()
        }
        (Some("ALTER"), Some("SYSTEM")) => vec![Deed::Change { nature: Nature::Logging, target: name(3).unwrap_or_default() }],
        (Some("SELECT"), _) if statement.to_ascii_lowercase().contains("pg_authid") => vec![Deed::Read("pg_authid".to_owned())],
        _ => Vec::new(),
    }
}
