//! Distinguished names (RFC 4514): read once, strictly, and written where a rule
//! of the server's own configuration quotes them.
//!
//! Names come from outside, and one of them ends up inside an access rule. So a
//! name is taken apart into types and values, and put together again with every
//! character escaped that could end a quotation or a rule. What no directory
//! needs (NUL, quoted and hexadecimal values, names of kilobytes) is refused.

use std::fmt::Write;

/// The longest name that is taken; the server's own index ends far below.
const BYTES_MAX: usize = 2_048;

/// One name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dn {
    text: String,
    /// From the entry up to the root; each a set of type and value.
    rdns: Vec<Vec<(String, Vec<u8>)>>,
}

impl Dn {
    /// Reads a name; the reason why not is for a person.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > BYTES_MAX {
            return Err("a name of the directory has at most 2048 bytes");
        }
        if text.contains('\0') {
            return Err("a name of the directory holds no NUL");
        }
        let mut rdns = Vec::new();
        let mut rest = text.trim();
        loop {
            let mut set = Vec::new();
            loop {
                let (attribute, value, end, after) = pair(rest)?;
                set.push((attribute, value));
                rest = after;
                if end != Some('+') {
                    rdns.push(std::mem::take(&mut set));
                    if end.is_none() {
                        // The order within a set means nothing.
                        rdns.iter_mut().for_each(|rdn| rdn.sort());
                        return Ok(Self { text: text.trim().to_owned(), rdns });
                    }
                    break;
                }
            }
        }
    }

    /// As it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// One text for all ways of writing the same name, as far as that can be told
    /// without the schema: types and values without case, spaces as one.
    pub(super) fn key(&self) -> String {
        self.written(|value| match std::str::from_utf8(value) {
            Ok(text) => text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ").into_bytes(),
            Err(_) => value.to_vec(),
        })
    }

    /// The name for the inside of a pair of quotes in an access rule: without `"`,
    /// `!`, `#` or anything that moves a cursor.
    pub(super) fn quotable(&self) -> String {
        self.written(<[u8]>::to_vec)
    }

    fn written(&self, value: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let mut out = String::with_capacity(self.text.len());
        for (n, rdn) in self.rdns.iter().enumerate() {
            out.push_str(if n == 0 { "" } else { "," });
            for (m, (attribute, held)) in rdn.iter().enumerate() {
                out.push_str(if m == 0 { "" } else { "+" });
                out.push_str(attribute);
                out.push('=');
                escape(&value(held), &mut out);
            }
        }
        out
    }

    /// The attribute that the entry itself is named by.
    pub(super) fn attribute(&self) -> &str {
        self.rdns.first().and_then(|rdn| rdn.first()).map_or("", |(attribute, _)| attribute)
    }

    /// The name of the entry above it.
    pub(super) fn above(&self) -> String {
        Self { text: self.text.clone(), rdns: self.rdns.iter().skip(1).cloned().collect() }.quotable()
    }

    /// The same entry by name, or one below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let (own, other) = (self.key(), other.key());
        own == other || own.ends_with(&format!(",{other}"))
    }
}

/// One attribute and its value, what ends it, and the rest.
type Pair<'a> = (String, Vec<u8>, Option<char>, &'a str);

/// One `type=value` from the front.
fn pair(text: &str) -> Result<Pair<'_>, &'static str> {
    const WANTED: &str = "a name of the directory looks like `uid=ann,ou=people,dc=corp,dc=example`";
    let (attribute, rest) = text.split_once('=').ok_or(WANTED)?;
    let attribute = attribute.trim().to_ascii_lowercase();
    let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'.' || c == b';';
    if attribute.is_empty() || !attribute.bytes().all(legal) || !attribute.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(WANTED);
    }
    let rest = rest.trim_start_matches(' ');
    if rest.starts_with('#') {
        return Err("a value in hexadecimal is not taken; write its text");
    }
    let mut value = Vec::new();
    // What stands behind the last character that is not a bare space.
    let mut kept = 0;
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | '+' => {
                value.truncate(kept);
                return if value.is_empty() { Err(WANTED) } else { Ok((attribute, value, Some(c), &rest[at + 1..])) };
            }
            '"' | ';' | '<' | '>' => return Err("in a name of the directory `\"`, `;`, `<` and `>` are written with a `\\` before them"),
            '\\' => {
                let (_, next) = chars.next().ok_or("a name of the directory ends in `\\`")?;
                match (next.to_digit(16), rest[at + 1..].chars().nth(1).and_then(|c| c.to_digit(16))) {
                    (Some(high), Some(low)) => {
                        chars.next();
                        value.push(u8::try_from(high * 16 + low).unwrap_or_default());
                    }
                    _ if next.is_ascii_punctuation() || next == ' ' => value.push(next as u8),
                    _ => return Err("in a name of the directory a `\\` stands before a sign or two hexadecimal digits"),
                }
                kept = value.len();
            }
            ' ' => value.push(b' '),
            c => {
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                kept = value.len();
            }
        }
    }
    value.truncate(kept);
    if value.is_empty() || value.contains(&0) {
        return Err(WANTED);
    }
    Ok((attribute, value, None, ""))
}

fn escape(value: &[u8], out: &mut String) {
    let text = std::str::from_utf8(value);
    let last = value.len().saturating_sub(1);
    let plain = |at: usize, b: u8| {
        let edge = (at == 0 || at == last) && b == b' ';
        let special = matches!(b, b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'=' | b'#' | b'!');
        !edge && !special && !b.is_ascii_control() && (b.is_ascii() || text.is_ok())
    };
    let mut run = Vec::new();
    let flush = |run: &mut Vec<u8>, out: &mut String| {
        out.push_str(&String::from_utf8_lossy(run));
        run.clear();
    };
    for (at, b) in value.iter().enumerate() {
        if plain(at, *b) {
            run.push(*b);
        } else {
            flush(&mut run, out);
            let _ = write!(out, "\\{b:02X}");
        }
    }
    flush(&mut run, out);
}

/// A value inside a search filter (RFC 4515).
pub(super) fn in_filter(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut out, b| {
        match b {
            b'*' | b'(' | b')' | b'\\' | 0 | 0x80.. => {
                let _ = write!(out, "\\{b:02x}");
            }
            b => out.push(char::from(b)),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        Dn::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).key()
    }

    #[test]
    fn ways_of_writing_one_name_are_one() {
        let same = [
            ("uid=ann,ou=people,dc=x", "UID=Ann , OU = People, dc=X"),
            ("cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x"),
            ("cn=a\\,b,dc=x", "cn=a\\2cB,dc=x"),
            ("cn=\\20a\\20,dc=x", "cn=\\ a\\ ,dc=x"),
            ("cn=a  b,dc=x", "cn=a b,dc=x"),
            ("cn=J\\C3\\BCrgen,dc=x", "cn=Jürgen,dc=x"),
        ];
        for (one, other) in same {
            assert_eq!(key(one), key(other), "{one} and {other}");
        }
        for (one, other) in [("cn=a\\,b,dc=x", "cn=a,cn=b,dc=x"), ("cn=a,dc=x", "cn=a,dc=y"), ("cn=a+cn=b,dc=x", "cn=a\\+cn=b,dc=x")] {
            assert_ne!(key(one), key(other), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_reason() {
        let long = format!("cn={},dc=x", "x".repeat(10_000));
        let not = [
            "",
            "ann",
            "=x",
            "cn=",
            "cn=a,",
            "cn=a,,dc=x",
            "cn=\"a\",dc=x",
            "cn=a;dc=x",
            "cn=a\\",
            "cn=\\zz",
            "cn=#04",
            "cn=a\0b",
            "cn=a\\00b",
        ];
        for text in not.into_iter().chain(["c n=a", "!cn=a", "cn=a<b", long.as_str()]) {
            assert!(Dn::parse(text).is_err(), "{}", text.chars().take(30).collect::<String>());
        }
    }

    #[test]
    fn nothing_in_a_name_ends_a_quotation_or_a_line() {
        let hostile = [
            "cn=a\\\" none by * write,dc=x",
            "cn=a!b,dc=x",
            "cn=a\\#b,dc=x",
            "cn=a\nb\u{1b}[2J,dc=x",
            "cn=\u{202e}nna,dc=x",
            "cn=a\\\\,dc=x",
        ];
        for text in hostile {
            let name = Dn::parse(text).expect(text);
            let quoted = name.quotable();
            assert!(!quoted.contains(['"', '!', '#', '\n', '\u{1b}']), "{quoted}");
            assert_eq!(Dn::parse(&quoted).expect("its own writing").key(), name.key(), "{text}");
        }
        assert_eq!(Dn::parse("cn=a\\\" none by * write,dc=x").expect("a name").quotable(), "cn=a\\22 none by * write,dc=x");
    }

    #[test]
    fn below_is_by_parts_and_not_by_letters() {
        let dn = |text: &str| Dn::parse(text).expect(text);
        assert!(dn("uid=a,ou=people,dc=x").is_within(&dn("OU=People,dc=x")));
        assert!(dn("ou=people,dc=x").is_within(&dn("ou=people,dc=x")));
        assert!(!dn("uid=a,xou=people,dc=x").is_within(&dn("ou=people,dc=x")));
        assert!(!dn("uid=a\\,ou=people,dc=x").is_within(&dn("ou=people,dc=x")));
    }

    #[test]
    fn filters_hold_values_and_no_filters() {
        assert_eq!(in_filter("a*)(uid=*\\\0ü"), "a\\2a\\29\\28uid=\\2a\\5c\\00\\c3\\bc");
    }
}
