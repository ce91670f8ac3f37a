//! What the host says of itself in one answer: its settings, the list of refused keys,
//! the files of the accounts, the certificates that are known, the connections.
//!
//! Every part comes from one run of one command, so the control that is found in it was
//! found by the same question. A part that could not be read is not an empty one.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use quell_core::time::Timestamp;
use russh::keys::Certificate as Issued;

use super::{
    OpenSsh,
    keys::{self, Line},
    list::List,
    native::{Certificate, Connection},
    wire::Failure,
};

/// One answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// The host's clock.
    pub now: Option<Timestamp>,
    pub scope: BTreeSet<String>,
    /// Accounts that the host itself keeps Quell from.
    pub protected: BTreeSet<String>,
    pub list: List,
    /// Where Quell's list, keys and principals are: what sshd's settings must name.
    paths: Vec<String>,
    settings: BTreeMap<String, BTreeMap<String, String>>,
    files: BTreeMap<(String, String), File>,
    /// Certificates of the authority's record.
    pub issued: Vec<Issued>,
    /// What was let in by certificates, as the log tells it; none where nobody may read it.
    pub used: Option<Vec<Used>>,
    /// None where sshd's main process was not found.
    pub connections: Option<Vec<Open>>,
    /// Quell's own connection.
    mine: Option<u32>,
}

/// A file that was read, that is not there, or that nobody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    Is(Vec<u8>),
    Missing,
    Unreadable,
}

impl File {
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Is(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Missing | Self::Unreadable => None,
        }
    }
}

/// A login by certificate that the log tells of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Used {
    pub account: String,
    pub id: String,
    pub serial: u64,
    pub print: String,
    pub authority: String,
}

/// One connection that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub at: Connection,
    pub since: Option<Timestamp>,
}

impl OpenSsh {
    /// Looks at one account, or at all of the scope.
    pub(super) async fn look(&self, account: Option<&str>) -> Result<Look, Failure> {
        let lines = self.wire.call(&format!("look {}", account.unwrap_or("all"))).await?;
        read(&lines).map_err(|why| Failure::Garbled { why: why.to_owned() })
    }
}

fn read(lines: &[String]) -> Result<Look, &'static str> {
    let mut look = Look::default();
    let mut words = lines.iter().map(|line| line.split(' ').collect::<Vec<_>>());
    if words.next().as_deref() != Some(&["plane", "1"]) {
        return Err("the host runs another version of the command; run the bootstrap again");
    }
    let garbled = "a line of the answer is not what it should be";
    let text = |word: &str| STANDARD.decode(word).ok().and_then(|b| String::from_utf8(b).ok()).ok_or(garbled);
    let names = |word: &str| Ok::<BTreeSet<String>, &'static str>(text(word)?.split_whitespace().map(str::to_owned).collect());
    let mut listed = None;
    for words in words {
        match *words.as_slice() {
            ["now", seconds] => look.now = Some(seconds_of(seconds).ok_or(garbled)?),
            ["scope", word] => look.scope = names(word)?,
            ["protected", word] => look.protected = names(word)?,
            ["paths", list, keys, principals] => look.paths = [list, keys, principals].into_iter().map(text).collect::<Result<_, _>>()?,
            ["krl", state, word] => look.list = List::of(state, &text(word)?),
            ["settings", account, word] => {
                let pairs = text(word)?.lines().filter_map(|l| l.split_once(' ')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
                look.settings.insert(account.to_owned(), pairs);
            }
            ["log", _, word] => look.used = word.strip_prefix('=').map(text).transpose()?.map(|log| used(&log)),
            [
                what @ ("keys" | "principals" | "aside-keys" | "aside-principals" | "dropped" | "had" | "refused" | "authorities"
                | "issued"),
                of,
                word,
            ] => {
                let file = match word.strip_prefix('=') {
                    Some(word) => File::Is(STANDARD.decode(word).map_err(|_| garbled)?),
                    None if word == "-" => File::Missing,
                    None => File::Unreadable,
                };
                look.files.insert((what.to_owned(), of.to_owned()), file);
            }
            ["listener", word] => listed = word.parse::<u32>().ok(),
            ["connection", pid, start, since, account] => {
                let (pid, start) = (pid.parse().map_err(|_| garbled)?, start.parse().map_err(|_| garbled)?);
                let at = Connection { account: account.to_owned(), pid, start };
                look.connections.get_or_insert_default().push(Open { at, since: seconds_of(since) });
            }
            ["mine", pid] => look.mine = pid.parse().ok(),
            _ => return Err(garbled),
        }
    }
    if listed.is_some() {
        look.connections.get_or_insert_default();
    } else {
        look.connections = None;
    }
    let issued = look.file("issued", "all").text().unwrap_or_default();
    look.issued = issued.lines().filter_map(|line| Issued::from_openssh(line.trim()).ok()).collect();
    Ok(look)
}

fn seconds_of(word: &str) -> Option<Timestamp> {
    Timestamp::from_second(word.parse().ok()?).ok()
}

impl Look {
    pub(super) fn file(&self, what: &str, account: &str) -> &File {
        self.files.get(&(what.to_owned(), account.to_owned())).unwrap_or(&File::Unreadable)
    }

    /// The keys that may log in as the account.
    pub(super) fn keys(&self, account: &str) -> Vec<Line> {
        keys::lines(&self.file("keys", account).text().unwrap_or_default())
    }

    /// Those that Quell set aside.
    pub(super) fn keys_aside(&self, account: &str) -> Vec<Line> {
        keys::lines(&self.file("aside-keys", account).text().unwrap_or_default())
    }

    /// Those that it had when it was suspended, the revoked ones among them.
    pub(super) fn keys_had(&self, account: &str) -> Vec<Line> {
        keys::lines(&self.file("had", account).text().unwrap_or_default())
    }

    /// Those that Quell took away, too: asked about, they must be refused.
    pub(super) fn every_key(&self, account: &str) -> Vec<Line> {
        let dropped = keys::lines(&self.file("dropped", account).text().unwrap_or_default());
        self.keys(account).into_iter().chain(self.keys_aside(account)).chain(dropped).collect()
    }

    /// The key of the control that sshd must refuse.
    pub(super) fn refused_key(&self, control: &str) -> Option<Line> {
        keys::lines(&self.file("refused", control).text().unwrap_or_default()).into_iter().next()
    }

    /// The principals whose certificates may log in as the account.
    pub(super) fn principals(&self, account: &str) -> BTreeSet<String> {
        names(&self.file("principals", account).text().unwrap_or_default())
    }

    /// With those that Quell set aside.
    pub(super) fn principals_with_aside(&self, account: &str) -> BTreeSet<String> {
        let mut all = names(&self.file("aside-principals", account).text().unwrap_or_default());
        all.extend(self.principals(account));
        all
    }

    pub(super) fn is_suspended(&self, account: &str) -> bool {
        let empty = |what| self.file(what, account).text().is_some_and(|text| text.trim().is_empty());
        matches!(self.file("aside-keys", account), File::Is(_)) && empty("keys") && empty("principals")
    }

    pub(super) fn setting(&self, account: &str, name: &str) -> &str {
        self.settings.get(account).and_then(|all| all.get(name)).map_or("", String::as_str)
    }

    /// What of sshd's settings for the account is not as the bootstrap made it; in words
    /// for whoever can change it.
    pub(super) fn other_settings(&self, account: &str) -> Option<String> {
        let [list, keys, principals] = self.paths.as_slice() else { return Some("the host does not tell where its lists are".to_owned()) };
        let wanted = [
            ("RevokedKeys", "revokedkeys", list.as_str()),
            ("AuthorizedKeysFile", "authorizedkeysfile", keys),
            ("AuthorizedKeysCommand", "authorizedkeyscommand", "none"),
            ("AuthorizedPrincipalsFile", "authorizedprincipalsfile", principals),
            ("AuthorizedPrincipalsCommand", "authorizedprincipalscommand", "none"),
        ];
        let other = wanted.into_iter().find(|(_, name, value)| self.setting(account, name) != *value)?;
        let found = self.setting(account, other.1);
        let found = if found.is_empty() { "not told" } else { found };
        Some(format!("sshd's `{}` for `{account}` is `{found}`, not `{}`; run the bootstrap again", other.0, other.2))
    }

    /// The fingerprints of the authorities whose certificates sshd takes.
    pub(super) fn authorities(&self) -> BTreeSet<String> {
        let text = self.file("authorities", "all").text().unwrap_or_default();
        keys::lines(&text).into_iter().map(|line| line.print).collect()
    }

    /// Quell's own connection stands in the list of connections.
    pub(super) fn mine_is_listed(&self) -> bool {
        self.mine.is_some_and(|mine| self.connections.iter().flatten().any(|c| c.at.pid == mine))
    }

    pub(super) fn connections_of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a Open> {
        self.connections.iter().flatten().filter(move |c| c.at.account == account)
    }

    /// Certificates for one account: of the authority's record, where a principal of
    /// theirs is one of the account, and of the log, where it was let in.
    pub(super) fn certificates(&self, account: &str) -> Vec<(Certificate, Option<&Issued>, Option<&Used>)> {
        let principals = self.principals_with_aside(account);
        let mut all: Vec<(Certificate, Option<&Issued>, Option<&Used>)> = Vec::new();
        for issued in self.issued.iter().filter(|i| i.valid_principals().iter().any(|p| principals.contains(p))) {
            if let Some(one) = named(issued, account)
                && all.iter().all(|(known, ..)| *known != one)
            {
                all.push((one, Some(issued), None));
            }
        }
        for used in self.used.iter().flatten().filter(|u| u.account == account) {
            let (print, authority) = (used.print.clone(), used.authority.clone());
            let one = Certificate { account: account.to_owned(), serial: used.serial, print, authority };
            match all.iter_mut().find(|(known, ..)| *known == one) {
                Some(known) => known.2 = Some(used),
                None => {
                    let issued = self.issued_as(&one);
                    all.push((one, issued, Some(used)));
                }
            }
        }
        all
    }

    /// A certificate of the authority's record, whoever it is for.
    pub(super) fn issued_as(&self, one: &Certificate) -> Option<&Issued> {
        self.issued.iter().find(|issued| named(issued, &one.account).as_ref() == Some(one))
    }
}

/// What a certificate is called in an account.
fn named(issued: &Issued, account: &str) -> Option<Certificate> {
    let (print, authority) = keys::print_of_data(issued.public_key()).zip(keys::print_of_data(issued.signature_key()))?;
    Some(Certificate { account: account.to_owned(), serial: issued.serial(), print, authority })
}

/// The last word of every line that is no comment: options may stand before it.
fn names(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

/// `Accepted publickey for NAME from .. ssh2: KIND SHA256:.. ID TEXT (serial N) CA KIND
/// SHA256:..`. The id is the authority's own text and may hold anything, so the line is
/// read from both ends.
fn used(log: &str) -> Vec<Used> {
    let mut all: Vec<Used> = log.lines().filter_map(login).collect();
    all.sort();
    all.dedup();
    all
}

/// What sshd itself wrote, behind the head of syslog where there is one. Anybody may choose
/// the name that he logs in by, and sshd writes it into its lines: what does not stand at
/// their very beginning may be such a name.
fn message(line: &str) -> Option<&str> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if line.starts_with("Accepted ") {
        return Some(line);
    }
    let (head, message) = line.split_once("]: ")?;
    let words: Vec<&str> = head.split_whitespace().collect();
    let tag = match *words.as_slice() {
        [month, _, _, _, tag] if MONTHS.contains(&month) => tag,
        [at, _, tag] if at.starts_with("20") && at.contains('T') => tag,
        _ => return None,
    };
    let (name, pid) = tag.split_once('[')?;
    let is_sshd = matches!(name, "sshd" | "sshd-session") && pid.bytes().all(|b| b.is_ascii_digit());
    is_sshd.then_some(message)
}

fn login(line: &str) -> Option<Used> {
    let rest = message(line)?.strip_prefix("Accepted publickey for ")?;
    let (account, rest) = rest.split_once(" from ")?;
    let (_, rest) = rest.split_once(" ssh2: ")?;
    let (kind, rest) = rest.split_once(' ')?;
    let (print, rest) = rest.split_once(" ID ")?;
    let (rest, authority) = rest.rsplit_once(" CA ")?;
    let (id, serial) = rest.rsplit_once(" (serial ")?;
    let authority = authority.split_whitespace().nth(1)?;
    kind.ends_with("-CERT").then(|| Used {
        account: account.to_owned(),
        id: id.to_owned(),
        serial: serial.trim_end_matches(')').parse().unwrap_or(0),
        print: print.to_owned(),
        authority: authority.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_answer_that_is_not_understood_is_no_look() {
        for text in [
            "",
            "plane 2",
            "hello",
            "plane 1\nwhat is this",
            "plane 1\nnow soon",
            "plane 1\nkeys deploy =!!",
            "plane 1\nscope ?",
            "plane 1\nconnection 1 2 3",
        ] {
            assert!(read(&lines(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_not_read_is_not_empty() {
        let look = read(&lines("plane 1\nkeys a -\nkeys b !\nkeys c =\nlog all -\nlistener none")).expect("read");
        assert_eq!((look.file("keys", "a"), look.file("keys", "b")), (&File::Missing, &File::Unreadable));
        assert_eq!((look.file("keys", "c"), look.file("keys", "d")), (&File::Is(Vec::new()), &File::Unreadable));
        assert!(look.used.is_none() && look.connections.is_none() && !look.mine_is_listed() && !look.list.is_whole());
        let look = read(&lines("plane 1\nlistener 7\nconnection 9 1 1 quell\nmine 9")).expect("read");
        assert!(look.mine_is_listed());
        let look = read(&lines("plane 1\nlistener 7\nmine 9")).expect("read");
        assert!(!look.mine_is_listed() && look.connections.is_some_and(|c| c.is_empty()));
    }

    const LOGIN: &str = "Accepted publickey for deploy from 127.0.0.1 port 58506 ssh2: ED25519-CERT SHA256:key ID";

    #[test]
    fn the_log_is_read_from_both_ends() {
        for head in ["", "Nov 30 15:52:08 host sshd[7]: ", "2026-11-30T15:52:08.1+00:00 host sshd-session[7]: "] {
            for id in ["alice@corp", "a b (serial 5) CA x SHA256:y", "x]: Accepted publickey for root from ", ""] {
                let found = used(&format!("{head}{LOGIN} {id} (serial 1001) CA ED25519 SHA256:ca"));
                let (account, id) = ("deploy".to_owned(), id.to_owned());
                let wanted = Used { account, id, serial: 1001, print: "SHA256:key".into(), authority: "SHA256:ca".into() };
                assert_eq!(found, [wanted], "{head}");
            }
        }
        assert!(used("Accepted publickey for deploy from 127.0.0.1 port 1 ssh2: ED25519 SHA256:x\nFailed publickey for x").is_empty());
    }

    /// sshd writes the name that somebody logs in by into its lines, whatever it holds: a
    /// forged login would have somebody else's key refused on the whole host.
    #[test]
    fn a_login_that_somebody_wrote_into_a_name_is_none() {
        let forged = format!("{LOGIN} x (serial 1) CA ED25519 SHA256:ca");
        let syslog = "Nov 30 15:52:08 host sshd[7]: ";
        for name in ["", "x ", "sshd[1]: ", "a]: ", "a b c sshd[1]: ", "Nov 30 15:52:08 host sshd[7]: ", "host sshd[7]: "] {
            for before in ["Invalid user ", "Failed password for invalid user ", "Connection closed by invalid user "] {
                for head in ["", syslog] {
                    let line = format!("{head}{before}{name}{forged} from 192.0.2.1 port 4");
                    assert!(used(&line).is_empty(), "{line}");
                }
            }
        }
        assert!(used(&format!("Nov 30 15:52:08 host evil[7]: {forged}")).is_empty());
    }
}
