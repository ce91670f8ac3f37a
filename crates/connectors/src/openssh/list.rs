//! The list of refused keys (KRL), as `ssh-keygen -Q -l` prints it: whether it refuses a
//! key or a certificate, by whichever entry.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::native::Certificate;

/// One list, in the state in which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// `ok`, `missing`, `unreadable` or `other`.
    pub state: String,
    prints: BTreeSet<String>,
    /// First and last serial, and the authority; none for all of them.
    serials: Vec<(u64, u64, Option<String>)>,
    ids: Vec<(String, Option<String>)>,
}

impl List {
    pub(super) fn of(state: &str, text: &str) -> Self {
        let mut list = Self { state: state.to_owned(), ..Self::default() };
        let mut authority = None;
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("# CA key ") {
                authority = rest.split_whitespace().last().map(str::to_owned);
            } else if line == "# Wildcard CA" {
                authority = None;
            } else if let Some(rest) = line.strip_prefix("hash: SHA256:") {
                let word = rest.split_whitespace().next().unwrap_or_default();
                list.prints.extend(of_hash(word));
            } else if let Some(rest) = line.strip_prefix("serial: ") {
                let (first, last) = rest.split_once('-').unwrap_or((rest, rest));
                if let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse()) {
                    list.serials.push((first, last, authority.clone()));
                }
            } else if let Some(id) = line.strip_prefix("id: ") {
                list.ids.push((id.to_owned(), authority.clone()));
            }
        }
        list
    }

    pub(super) fn is_whole(&self) -> bool {
        self.state == "ok"
    }

    /// Refuses the key, whoever certified it.
    pub(super) fn has_key(&self, print: &str) -> bool {
        self.prints.contains(print)
    }

    /// Refuses the certificate, by whichever entry.
    pub(super) fn has_certificate(&self, one: &Certificate, id: Option<&str>) -> bool {
        let of = |authority: &Option<String>| authority.as_ref().is_none_or(|a| *a == one.authority);
        self.has_key(&one.print)
            || self.has_key(&one.authority)
            || self.serials.iter().any(|(first, last, authority)| (*first..=*last).contains(&one.serial) && of(authority))
            || id.is_some_and(|id| self.ids.iter().any(|(known, authority)| known == id && of(authority)))
    }

    /// Refuses it and every other certificate of its key.
    pub(super) fn has_both(&self, one: &Certificate) -> bool {
        self.has_key(&one.print) && (one.serial == 0 || self.has_certificate(&Certificate { print: String::new(), ..one.clone() }, None))
    }
}

/// `ssh-keygen` prints the hash of an entry that was given by hash in hex, and of one
/// that was given by key in base 64 (measured on 9.2).
fn of_hash(word: &str) -> Option<String> {
    if word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()) {
        let bytes: Option<Vec<u8>> = (0..32).map(|n| u8::from_str_radix(&word[2 * n..2 * n + 2], 16).ok()).collect();
        return bytes.map(|b| format!("SHA256:{}", STANDARD_NO_PAD.encode(b)));
    }
    (word.len() == 43).then(|| format!("SHA256:{word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_as_ssh_keygen_prints_it() {
        let print = "SHA256:3WikKsw0NlhYj2EX0WHIvFH3FdjjCQbQ14yvBY2VTG4";
        let text = format!(
            "# KRL version 7\n# Generated at 20261130T155654\n\nhash: {print} # ssh-ed25519\nhash: SHA256:{}\n\n# CA key ssh-ed25519 SHA256:ca\nserial: 5-9\nserial: 1001\nid: bob\n\n# Wildcard CA\nserial: 77\n",
            "00".repeat(32)
        );
        let list = List::of("ok", &text);
        let one = |serial, print: &str, authority: &str| Certificate {
            account: "a".into(),
            serial,
            print: print.into(),
            authority: authority.into(),
        };
        assert!(list.has_key(print) && list.has_key(&format!("SHA256:{}", "A".repeat(43))) && !list.has_key("SHA256:ca"));
        for (certificate, id, refused) in [
            (one(1, print, "SHA256:ca"), None, true),
            (one(7, "x", "SHA256:ca"), None, true),
            (one(7, "x", "SHA256:other"), None, false),
            (one(1001, "x", "SHA256:ca"), None, true),
            (one(10, "x", "SHA256:ca"), Some("alice"), false),
            (one(10, "x", "SHA256:ca"), Some("bob"), true),
            (one(10, "x", "SHA256:other"), Some("bob"), false),
            (one(77, "x", "SHA256:other"), None, true),
            (one(78, "x", print), None, true),
        ] {
            assert_eq!(list.has_certificate(&certificate, id), refused, "{certificate:?}");
        }
        assert!(list.has_both(&one(7, print, "SHA256:ca")) && list.has_both(&one(0, print, "SHA256:other")));
        assert!(!list.has_both(&one(7, "x", "SHA256:ca")), "the key would be certified anew");
        assert!(!list.has_both(&one(10, print, "SHA256:ca")), "the serial is not in it");
    }
}
