use proptest::prelude::*;
use quell_ledger::note::{BadKey, BadNote, MAX_SIGNATURES, Note, Sign, SigningKey, Unverified, VerifierKey};

/// A key that anyone can make again: the name and a seed of one repeated byte.
pub fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, &[seed; 32]).unwrap()
}

fn known(keys: &[&SigningKey]) -> Vec<VerifierKey> {
    keys.iter().map(|key| key.verifier().clone()).collect()
}

fn signed(text: &str, keys: &[&SigningKey]) -> Note {
    let mut note = Note::unsigned(text).unwrap();
    for key in keys {
        note.attach(key.verifier(), &key.sign(text.as_bytes()).unwrap()).unwrap();
    }
    note
}

#[test]
fn the_published_example_of_the_go_implementation_verifies() {
    // A vector from the documentation of Go's `x/mod/sumdb/note`.
    let key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let note = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n\n\
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let note = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(note.verify(&[key]).unwrap()[0].name(), "PeterNeumann");
}

#[test]
fn keys_read_back_and_the_secret_one_makes_the_public_one() {
    for name in ["log.example/a", "ü", "a/b-c_d.e"] {
        let key = key(name, 9);
        assert_eq!(VerifierKey::parse(&key.verifier().to_string()).as_ref(), Ok(key.verifier()));
        let again = SigningKey::parse(&key.to_skey()).unwrap();
        assert_eq!(again.verifier(), key.verifier());
        assert!(!format!("{key:?}").contains(&key.to_skey()[12..]));
    }
}

#[test]
fn texts_that_are_no_keys_are_refused() {
    let vkey = key("log.example/a", 9).verifier().to_string();
    let (name, rest) = vkey.split_once('+').unwrap();
    let (id, public) = rest.split_once('+').unwrap();
    let mut other = id.to_string();
    other.replace_range(0..1, if id.starts_with('0') { "1" } else { "0" });
    let table = [
        (format!("{name}+{other}+{public}"), BadKey::Id),
        (format!("{name}x+{id}+{public}"), BadKey::Id),
        (format!("a b+{id}+{public}"), BadKey::Name),
        (format!("+{id}+{public}"), BadKey::Name),
        (format!("{}+{id}+{public}", "n".repeat(256)), BadKey::Name),
        (format!("{name}+{id}+{}", public.replacen('A', "B", 1)), BadKey::Type(5)),
    ];
    for (text, error) in table {
        assert_eq!(VerifierKey::parse(&text), Err(error), "{text}");
    }
    for text in ["", "+", "++", name, "a+0+b", &vkey[..vkey.len() - 1], &format!("{vkey}\n"), &format!("{vkey}+")] {
        assert!(matches!(VerifierKey::parse(text), Err(BadKey::Shape(_))), "{text}");
    }
    // A key of small order verifies anything.
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(VerifierKey::new("a", &weak), Err(BadKey::Point));
    assert!(SigningKey::parse(&vkey).is_err());
}

#[test]
fn unknown_keys_are_ignored_and_one_bad_known_signature_refuses_all() {
    let (log, witness, stranger) = (key("log", 1), key("witness", 2), key("stranger", 3));
    let note = signed("text\n", &[&stranger, &log, &witness]);
    let names = |known: &[VerifierKey]| -> Result<Vec<String>, Unverified> {
        Ok(note.verify(known)?.iter().map(|key| key.name().to_string()).collect())
    };
    assert_eq!(names(&known(&[&log])).unwrap(), ["log"]);
    assert_eq!(names(&known(&[&witness, &log])).unwrap(), ["log", "witness"]);
    assert_eq!(names(&[]), Err(Unverified::NoKnownKey));
    assert_eq!(names(&known(&[&key("log", 4)])), Err(Unverified::NoKnownKey));

    // The witness's line under another text: the log's good signature does not
    // save the note.
    let other = signed("other\n", &[&witness]).to_string();
    let stolen = other.lines().last().unwrap();
    let text = signed("text\n", &[&log]).to_string() + stolen + "\n";
    let note = Note::parse(text.as_bytes()).unwrap();
    assert!(note.verify(&known(&[&log])).is_ok());
    assert_eq!(note.verify(&known(&[&log, &witness])), Err(Unverified::BadSignature("witness".into())));
}

#[test]
fn a_key_counts_once_however_often_it_signed() {
    let log = key("log", 1);
    let note = signed("text\n", &[&log, &log]);
    assert_eq!(note.verify(&known(&[&log, &log])).unwrap().len(), 1);
}

#[test]
fn a_broken_signer_leaves_no_note_behind() {
    struct Broken(SigningKey);
    impl Sign for Broken {
        fn key(&self) -> &VerifierKey {
            self.0.verifier()
        }
        fn sign(&self, _: &[u8]) -> Result<[u8; 64], String> {
            Ok([7; 64])
        }
    }
    assert!(matches!(Note::sign("text\n", &Broken(key("log", 1))), Err(BadNote::NotSigned(..))));
}

#[test]
fn a_hundred_signatures_are_read_and_no_more() {
    let keys: Vec<SigningKey> = (0..=MAX_SIGNATURES).map(|n| key(&format!("k{n}"), n as u8)).collect();
    let texts: Vec<String> = keys.iter().map(|key| signed("text\n", &[key]).to_string()).collect();
    let line = |text: &String| text.lines().last().unwrap().to_string() + "\n";
    let many = "text\n\n".to_string() + &texts[..MAX_SIGNATURES].iter().map(line).collect::<String>();
    let more = many.clone() + &line(&texts[MAX_SIGNATURES]);
    let note = Note::parse(many.as_bytes()).unwrap();
    let known: Vec<VerifierKey> = keys.iter().map(|key| key.verifier().clone()).collect();
    assert_eq!(note.verify(&known).unwrap().len(), MAX_SIGNATURES);
    assert_eq!(Note::parse(more.as_bytes()), Err(BadNote::TooManySignatures));
}

#[test]
fn texts_that_are_no_notes_are_refused() {
    let good = signed("text\n", &[&key("log", 1)]).to_string();
    let bad = [
        String::new(),
        "\n\n".into(),
        "text\n".into(),
        "text\n\n".into(),
        "text\n\n\n".into(),
        good.trim_end().into(),
        good.replace("\n\n", "\n"),
        good.replace('—', "-"),
        good.replace("— log", "— lo+g"),
        good.replace("— log", "— "),
        good.replace("— log ", "— log  "),
        good.replace("text", "te\rxt"),
        good.replace("text", "te\0xt"),
        good.clone() + "\n",
        good.clone() + "x\n",
        good.clone() + "— log AAAA\n",
        good.clone() + "— log AAAAAA==\n",
    ];
    for bad in bad {
        assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    assert!(Note::parse(b"\xff\n\n").is_err());
    assert_eq!(Note::unsigned("text"), Err(BadNote::Unended));
    assert_eq!(Note::unsigned("a\tb\n"), Err(BadNote::Characters));
}

proptest! {
    #[test]
    fn a_signed_note_reads_back_byte_for_byte(text in "([ -~\u{a0}-\u{2fff}]{0,20}\n){1,5}", seeds in prop::collection::vec(any::<u8>(), 1..20)) {
        let keys: Vec<SigningKey> = seeds.iter().enumerate().map(|(n, seed)| key(&format!("k{n}"), *seed)).collect();
        let note = signed(&text, &keys.iter().collect::<Vec<_>>());
        let printed = note.to_string();
        let read = Note::parse(printed.as_bytes()).unwrap();
        prop_assert_eq!(&read, &note);
        prop_assert_eq!(read.to_string(), printed);
        prop_assert_eq!(read.verify(&known(&keys.iter().collect::<Vec<_>>())).unwrap().len(), keys.len());
    }

    #[test]
    fn a_changed_byte_never_verifies_and_never_panics(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let log = key("log", 1);
        let mut bytes = signed("some\n\ntext\n", &[&log]).to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
            prop_assert!(note.verify(&known(&[&log])).is_err());
        }
    }

    #[test]
    fn no_text_makes_the_key_reader_panic(text in "\\PC{0,10}\\+?[0-9a-f]{0,9}\\+?[A-Za-z0-9+/=]{0,50}") {
        if let Ok(key) = VerifierKey::parse(&text) {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
