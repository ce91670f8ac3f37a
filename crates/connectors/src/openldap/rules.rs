//! The access rules that cut: `to * by dn.base="..." none by * break`, in front of
//! all others of the database, and the narrow form for one connection.
//!
//! Rules are kept by the server in order, `{0}` first; the first that matches
//! decides. A cut counts only where nothing but cuts stands before it. The texts
//! are those that the bootstrap lets Quell write: a denial, of one name, and
//! nothing else.

use super::dn::Dn;

/// One of our rules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    /// As the server holds it, without its number: by this it is taken away.
    text: String,
    of: String,
    peer: Option<String>,
    /// Only cuts stand before it.
    first: bool,
}

/// All rules of the database, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    cuts: Vec<Cut>,
    /// Rules that are not cuts.
    pub others: usize,
}

/// What stands against one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Everything that it does is denied.
    pub wide: bool,
    /// What it does over these connections is denied, by their peer's name.
    pub peers: Vec<String>,
}

impl Standing {
    /// What comes over a connection with this peer is denied.
    pub(super) fn covers(&self, peer: &str) -> bool {
        self.wide || self.peers.iter().any(|p| p == peer)
    }

    /// For a reading: `everything`, `2 connections` or nothing.
    pub(super) fn in_words(&self) -> Option<String> {
        match (self.wide, self.peers.len()) {
            (true, _) => Some("everything".to_owned()),
            (false, 0) => None,
            (false, n) => Some(format!("{n} connections")),
        }
    }
}

/// The rule that denies everything to an entry.
pub(super) fn wide(of: &Dn) -> String {
    format!("to * by dn.base=\"{}\" none by * break", of.quotable())
}

/// The rule that denies everything to an entry over one connection; none where the
/// peer's name does not tell one connection from another.
pub(super) fn narrow(of: &Dn, peer: &str) -> Option<String> {
    is_nameable(peer).then(|| format!("to * by dn.base=\"{}\" peername.exact=\"{peer}\" none by * break", of.quotable()))
}

/// `IP=127.0.0.1:41234` or `IP=[::1]:41234`: an address with a port. Everybody at a
/// Unix socket has the same name.
pub(super) fn is_nameable(peer: &str) -> bool {
    peer.strip_prefix("IP=").is_some_and(|address| address.parse::<std::net::SocketAddr>().is_ok())
}

/// A rule with the place at which it is put.
pub(super) fn in_front(rule: &str) -> Vec<u8> {
    format!("{{0}}{rule}").into_bytes()
}

impl Rules {
    /// Reads what the server holds, in its order.
    pub(super) fn of(values: &[String]) -> Self {
        let mut numbered: Vec<(u32, &str)> = values.iter().map(|value| number(value)).collect();
        numbered.sort_by_key(|(n, _)| *n);
        let mut rules = Self::default();
        for (_, text) in numbered {
            match cut(text) {
                Some((of, peer)) => rules.cuts.push(Cut { text: text.to_owned(), of: of.key(), peer, first: rules.others == 0 }),
                None => rules.others += 1,
            }
        }
        rules
    }

    /// What stands against an entry and counts.
    pub(super) fn against(&self, of: &Dn) -> Standing {
        let mut standing = Standing::default();
        for cut in self.about(of).filter(|cut| cut.first) {
            match &cut.peer {
                None => standing.wide = true,
                Some(peer) => standing.peers.push(peer.clone()),
            }
        }
        standing
    }

    /// The texts of every rule about an entry that `wanted` names by its peer.
    pub(super) fn texts(&self, of: &Dn, wanted: impl Fn(Option<&str>) -> bool) -> Vec<String> {
        self.about(of).filter(|cut| wanted(cut.peer.as_deref())).map(|cut| cut.text.clone()).collect()
    }

    fn about(&self, of: &Dn) -> impl Iterator<Item = &Cut> {
        let key = of.key();
        self.cuts.iter().filter(move |cut| cut.of == key)
    }
}

/// `{3}rest`; a rule without a number is the last.
fn number(value: &str) -> (u32, &str) {
    let numbered = value.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    match numbered.and_then(|(n, rest)| Some((n.parse().ok()?, rest))) {
        Some(numbered) => numbered,
        None => (u32::MAX, value),
    }
}

/// Exactly what [`wide`] and [`narrow`] write; anything else is somebody's own rule.
fn cut(text: &str) -> Option<(Dn, Option<String>)> {
    let (name, rest) = text.strip_prefix("to * by dn.base=\"")?.split_once('"')?;
    let of = Dn::parse(name).ok()?;
    match rest.strip_suffix(" none by * break")? {
        "" => Some((of, None)),
        peer => {
            let peer = peer.strip_prefix(" peername.exact=\"")?.strip_suffix('"')?;
            is_nameable(peer).then(|| (of, Some(peer.to_owned())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).expect(text)
    }

    fn rules(values: &[&str]) -> Rules {
        Rules::of(&values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_name() {
        for name in ["uid=ann,dc=x", "cn=a\\\" none by * break,dc=x", "cn=a\\2Cb,dc=x", "cn=\\C3\\BC,dc=x", "cn=a!#b,dc=x"] {
            let of = dn(name);
            for (rule, peer) in [(Some(wide(&of)), None), (narrow(&of, "IP=[::1]:7"), Some("IP=[::1]:7"))] {
                let held = rules(&[&format!("{{0}}{}", rule.expect("nameable"))]).against(&of);
                assert_eq!((held.wide, held.peers), (peer.is_none(), peer.map(str::to_owned).into_iter().collect()), "{name}");
            }
        }
    }

    #[test]
    fn a_cut_behind_another_rule_does_not_count() {
        let ann = dn("uid=ann,dc=x");
        let (cut, bob) = (wide(&ann), wide(&dn("uid=bob,dc=x")));
        let held = |values: &[String]| Rules::of(values).against(&ann).wide;
        assert!(held(&[format!("{{1}}{cut}"), format!("{{0}}{bob}"), "{2}to * by users read".to_owned()]));
        assert!(!held(&["{0}to * by users read".to_owned(), format!("{{1}}{cut}")]));
        assert!(!held(&[format!("{{10}}{cut}"), "{2}to * by users read".to_owned()]), "ten is after two");
        let texts = Rules::of(&["{0}to * by users read".to_owned(), format!("{{1}}{cut}")]).texts(&ann, |_| true);
        assert_eq!(texts, [cut], "it is still found, to be taken away");
    }

    #[test]
    fn somebodys_own_rule_is_not_taken_for_a_cut() {
        let ann = dn("uid=ann,dc=x");
        for own in [
            "to * by dn.base=\"uid=ann,dc=x\" none",
            "to * by dn.base=\"uid=ann,dc=x\" none by * write by * break",
            "to * by dn.base=\"uid=ann,dc=x\" read by * break",
            "to attrs=cn by dn.base=\"uid=ann,dc=x\" none by * break",
            "to * by dn.subtree=\"uid=ann,dc=x\" none by * break",
            "to * by dn.base=\"uid=ann,dc=x\" peername.exact=\"PATH=/run/ldapi\" none by * break",
            "to * by dn.base=\"uid=ann,dc=x\" ssf=128 none by * break",
        ] {
            let read = rules(&[&format!("{{0}}{own}")]);
            assert_eq!((read.against(&ann), read.others), (Standing::default(), 1), "{own}");
        }
    }

    #[test]
    fn only_a_port_tells_connections_apart() {
        for peer in ["PATH=/run/slapd/ldapi", "IP=127.0.0.1", "IP=", "IP=1.2.3.4:5\" write by", "unknown", ""] {
            assert_eq!(narrow(&dn("uid=ann,dc=x"), peer), None, "{peer}");
        }
    }
}
