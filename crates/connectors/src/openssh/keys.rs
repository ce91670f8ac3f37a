//! Keys, certificates and the lines they stand in: read, fingerprinted, never used to
//! sign.
//!
//! A fingerprint is the SHA-256 of the public key as it goes over the wire (RFC 4253
//! section 6.6), in base 64 without padding; of a certificate it is that of the key
//! that it is about. An OpenSSH private key holds its public half in clear, also where
//! it is encrypted, so a leaked one is recognised without its passphrase.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use quell_core::secret::Secret;
use russh::keys::{
    Certificate, PrivateKey, PublicKey,
    ssh_key::{
        LineEnding,
        private::{Ed25519Keypair, KeypairData},
        public::KeyData,
    },
};
use sha2::{Digest, Sha256};

/// What is shown to sshd: a key, or a certificate with the key that it is about.
#[derive(Clone, Debug)]
pub(super) enum Presented {
    Key(PublicKey),
    Certificate(Box<Certificate>),
}

/// One line of a file of keys.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// As it stands before the key, with the space behind it; empty where there is none.
    pub options: String,
    pub print: String,
    pub comment: String,
    /// None where its kind is not known here; it is named all the same.
    pub key: Option<PublicKey>,
}

impl Line {
    /// It lets in whatever its key signed, and not the key itself.
    pub(super) fn is_authority(&self) -> bool {
        self.has("cert-authority")
    }

    /// It lets in from some places or until some time only: a refusal may be about the
    /// place.
    pub(super) fn is_limited(&self) -> bool {
        self.has("from=") || self.has("expiry-time=")
    }

    fn has(&self, option: &str) -> bool {
        let options = self.options.to_ascii_lowercase();
        options.split(|c: char| c == ',' || c.is_whitespace()).any(|one| one.starts_with(option))
    }
}

/// The fingerprint of a public key as it goes over the wire.
pub(super) fn print_of(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

pub(super) fn print_of_key(key: &PublicKey) -> Option<String> {
    key.to_bytes().ok().map(|blob| print_of(&blob))
}

/// The fingerprint of the key that a certificate is about, or that signed it.
pub(super) fn print_of_data(data: &KeyData) -> Option<String> {
    print_of_key(&PublicKey::new(data.clone(), ""))
}

/// The lines of a file of keys; comments and what is no key are passed over.
pub(super) fn lines(text: &str) -> Vec<Line> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let at = if is_kind(text.split_whitespace().next()?) { 0 } else { after_options(text)? };
    let (options, rest) = text.split_at(at);
    let mut words = rest.splitn(3, char::is_whitespace);
    let (kind, blob) = (words.next()?, words.next()?);
    let blob = STANDARD.decode(blob).ok()?;
    if !is_kind(kind) || first_text(&blob)?.0 != kind.as_bytes() {
        return None;
    }
    let comment = words.next().unwrap_or_default().trim().to_owned();
    Some(Line { options: options.to_owned(), print: print_of(&blob), comment, key: PublicKey::from_bytes(&blob).ok() })
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

/// Where the key begins behind the options, in which a quoted text may hold spaces.
fn after_options(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some(at + text[at..].len() - text[at..].trim_start().len()),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// A length in four bytes and so many bytes; what follows them.
fn first_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// What a leaked value turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leaked {
    /// A key, private or public, by its fingerprint.
    Key(String),
    /// A certificate, by serial and the fingerprints of its key and authority.
    Certificate { serial: u64, print: String, authority: String },
    /// A private key of a form in which the public half is not in clear.
    OtherForm(&'static str),
    /// Nothing of SSH.
    Nothing,
}

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";

/// What `text` is. A scanner may give the lines of a key with `\n` written out.
pub(super) fn leaked(text: &str) -> Leaked {
    if let Some((_, rest)) = text.split_once(BEGIN) {
        let body = rest.split_once(END).map_or(rest, |(body, _)| body).replace("\\n", "").replace("\\r", "");
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        return match STANDARD.decode(zeroize::Zeroizing::new(body).as_bytes()).map(zeroize::Zeroizing::new) {
            Ok(bytes) => public_half(&bytes).map_or(Leaked::OtherForm("it is cut short or damaged"), |blob| Leaked::Key(print_of(blob))),
            Err(_) => Leaked::OtherForm("it is cut short or damaged"),
        };
    }
    if text.contains("PRIVATE KEY-----") {
        return Leaked::OtherForm("it is a private key in another form than OpenSSH's; its public half was not computed");
    }
    if let Some(one) = certificate(text) {
        return one;
    }
    match lines(text).as_slice() {
        [one] => Leaked::Key(one.print.clone()),
        _ => Leaked::Nothing,
    }
}

/// The public key of a leaked value, as it is asked about.
pub(super) fn leaked_key(text: &str) -> Option<PublicKey> {
    match PrivateKey::from_openssh(text) {
        Ok(private) => Some(private.public_key().clone()),
        Err(_) => lines(text).into_iter().find_map(|line| line.key),
    }
}

/// A private key of ed25519 (RFC 8032) in OpenSSH's form, of a drawn secret: the same
/// text gives the same key. The seed is SHA-256 of a label and the secret.
pub(super) fn private_of(drawn: &Secret) -> Secret {
    let mut hash = Sha256::new();
    hash.update(b"quell ssh key\0");
    hash.update(drawn.expose().as_bytes());
    let seed = zeroize::Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
    let pair = Ed25519Keypair::from_seed(&seed);
    let text = PrivateKey::new(KeypairData::Ed25519(pair), "quell").and_then(|key| key.to_openssh(LineEnding::LF));
    text.map_or_else(|_| drawn.clone(), |text| Secret::new(text.as_str()))
}

/// The public half of a private key that Quell made.
pub(super) fn public_of(secret: &Secret) -> Option<PublicKey> {
    let private = PrivateKey::from_openssh(secret.expose()).ok()?;
    Some(PublicKey::new(private.public_key().key_data().clone(), ""))
}

fn certificate(text: &str) -> Option<Leaked> {
    let one = Certificate::from_openssh(text.lines().next()?.trim()).ok()?;
    let (print, authority) = (print_of_data(one.public_key())?, print_of_data(one.signature_key())?);
    Some(Leaked::Certificate { serial: one.serial(), print, authority })
}

/// The public key in an OpenSSH private key (PROTOCOL.key): magic, cipher, KDF, its
/// options, how many, the public key.
fn public_half(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let (_, rest) = first_text(rest)?;
    let (_, rest) = first_text(rest)?;
    let (_, rest) = first_text(rest)?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    (u32::from_be_bytes(*count) == 1).then_some(())?;
    first_text(rest).map(|(blob, _)| blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBgN1Ck3Xo0sJ4JHYZ5VLYLGSKSXoUlvGmYy2bZ1Y7g";

    #[test]
    fn options_may_hold_spaces_quotes_and_the_names_of_keys() {
        let bare = &lines(KEY)[0];
        assert!(bare.print.starts_with("SHA256:") && bare.key.is_some() && bare.options.is_empty());
        for (options, authority, limited) in [
            ("restrict ", false, false),
            ("command=\"echo ssh-rsa \\\"x y\\\"\",no-pty ", false, false),
            ("from=\"10.0.0.0/8,!10.1.1.1\" ", false, true),
            ("no-pty,FROM=\"10.0.0.1\"\t ", false, true),
            ("cert-authority,principals=\"a,b\" ", true, false),
            ("environment=\"A=from=\" ", false, false),
            ("expiry-time=\"20300101\" ", false, true),
        ] {
            let found = lines(&format!("# a comment\n\n  {options}{KEY} who ever\r\nnonsense\n"));
            let [one] = found.as_slice() else { panic!("{options}: {found:?}") };
            assert_eq!((one.options.as_str(), one.print.as_str(), one.comment.as_str()), (options, bare.print.as_str(), "who ever"));
            assert_eq!((one.is_authority(), one.is_limited()), (authority, limited), "{options}");
        }
    }

    #[test]
    fn a_drawn_secret_gives_one_key_and_another_another() {
        let made = private_of(&Secret::new("drawn"));
        assert_eq!(made.expose(), private_of(&Secret::new("drawn")).expose());
        assert_ne!(made.expose(), private_of(&Secret::new("other")).expose());
        let key = public_of(&made).expect("a key");
        assert_eq!(Leaked::Key(print_of_key(&key).expect("written")), leaked(made.expose()));
        assert_eq!(leaked(&made.expose().replace('\n', "\\n")), leaked(made.expose()), "as a scanner may write it");
    }

    #[test]
    fn what_is_no_key_is_no_key() {
        let rsa = format!("ssh-rsa {}", KEY.split(' ').nth(1).expect("two words"));
        for text in ["", "x", "ssh-ed25519", "ssh-ed25519 !!", rsa.as_str(), "command=\"ssh-ed25519 AAAA", "ssh-ed25519 AAAA"] {
            assert!(lines(text).is_empty(), "{text}");
            assert_eq!(leaked(text), Leaked::Nothing, "{text}");
        }
        assert_eq!(leaked(&format!("{BEGIN}\nb3BlbnNzaC1rZXktdjEA")), Leaked::OtherForm("it is cut short or damaged"));
        assert!(matches!(leaked("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"), Leaked::OtherForm(_)));
        assert_eq!(leaked("correct horse battery staple"), Leaked::Nothing);
    }
}
