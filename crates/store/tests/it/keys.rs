//! Keys: what is sealed opens only under its key and label, and lies nowhere in clear.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use quell_core::secret::Secret;
use quell_engine::port::{Append, Blob, Chance, Keyring, Signer, Store};
use quell_ledger::{Checkpoint, Hash, VerifierKey};
use quell_store::{BadKeyFile, FileKeyring, KeyFile, KeyringError, LogSigner, OsChance, SignerError};

use crate::{append, directory, files_with, open};

const SECRET: &[u8] = b"hunter2-unmistakable-secret";

/// A key file in a directory of its own, and an empty data directory.
fn places() -> (tempfile::TempDir, std::path::PathBuf, tempfile::TempDir) {
    let outside = directory();
    let key_file = outside.path().join("key");
    KeyFile::create(&key_file, &OsChance).expect("a key file");
    (outside, key_file, directory())
}

fn keyring(data: &Path, key_file: &Path) -> FileKeyring {
    FileKeyring::open(data, key_file, Arc::new(OsChance)).expect("a keyring")
}

#[test]
fn what_was_sealed_opens_under_its_label_also_after_a_restart() {
    let (_outside, key_file, data) = places();
    let ring = keyring(data.path(), &key_file);
    let sealed = ring.seal("alert/al-1", SECRET).expect("sealed");
    assert_ne!(sealed, ring.seal("alert/al-1", SECRET).expect("sealed"), "a nonce is never used twice");
    assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
    assert_eq!(ring.open("alert/al-1", &sealed).expect("opened").as_slice(), SECRET);
    drop(ring);
    let ring = keyring(data.path(), &key_file);
    assert_eq!(ring.open("alert/al-1", &sealed).expect("opened").as_slice(), SECRET);

    assert_eq!(ring.open("", &ring.seal("", b"").expect("sealed")).expect("opened").as_slice(), b"");
}

#[test]
fn another_label_another_key_or_any_changed_byte_opens_nothing() {
    let (_outside, key_file, data) = places();
    let ring = keyring(data.path(), &key_file);
    let sealed = ring.seal("alert/al-1", SECRET).expect("sealed");

    let error = ring.open("alert/al-2", &sealed).expect_err("another label");
    assert_eq!((error.doing, error.label.as_str()), ("open", "alert/al-2"));
    for n in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[n] ^= 1;
        assert!(ring.open("alert/al-1", &changed).is_err(), "byte {n}");
        assert!(ring.open("alert/al-1", &sealed[..n]).is_err(), "cut at {n}");
    }
    let (_outside, other_key, other_data) = places();
    assert!(keyring(other_data.path(), &other_key).open("alert/al-1", &sealed).is_err());

    let refused = FileKeyring::open(data.path(), &other_key, Arc::new(OsChance)).expect_err("another key file");
    assert!(matches!(refused, KeyringError::OtherKey(_)), "{refused}");
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_command_that_helps() {
    let (_outside, key_file, data) = places();
    assert_eq!(fs::metadata(&key_file).expect("a file").permissions().mode() & 0o777, 0o600);
    for mode in [0o604, 0o640, 0o660, 0o644, 0o601] {
        fs::set_permissions(&key_file, fs::Permissions::from_mode(mode)).expect("a mode");
        let refused = FileKeyring::open(data.path(), &key_file, Arc::new(OsChance)).expect_err("a wide mode").to_string();
        assert!(refused.contains(&format!("chmod 600 {}", key_file.display())) && refused.contains(&format!("{mode:04o}")), "{refused}");
    }
    for mode in [0o400, 0o600] {
        fs::set_permissions(&key_file, fs::Permissions::from_mode(mode)).expect("a mode");
        keyring(data.path(), &key_file);
    }
}

#[test]
fn a_key_file_holds_32_bytes_raw_or_hex_and_is_never_replaced() {
    let dir = directory();
    let file = dir.path().join("key");
    let secret = Secret::new("s");
    let wanted = quell_core::secret::FingerprintKey::new([0xab; 32]).fingerprint(&secret);
    for content in [vec![0xab; 32], "ab".repeat(32).into_bytes(), format!("{}\n", "AB".repeat(32)).into_bytes()] {
        fs::write(&file, content).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
        let key = KeyFile::read(&file).expect("a key");
        assert_eq!(key.fingerprint_key().fingerprint(&secret), wanted);
        assert_eq!(format!("{key:?}"), "KeyFile(..)");
    }
    for content in [vec![], vec![0xab; 31], vec![0xab; 33], "ab".repeat(31).into_bytes(), "zz".repeat(32).into_bytes(), vec![b'a'; 4096]] {
        fs::write(&file, &content).expect("a file");
        let refused = KeyFile::read(&file).expect_err("not a key");
        assert!(matches!(refused, BadKeyFile::Shape(_)), "{refused}");
    }
    assert!(matches!(KeyFile::create(&file, &OsChance), Err(BadKeyFile::Exists(_))));
    assert!(matches!(KeyFile::read(&dir.path().join("none")), Err(BadKeyFile::Missing(_))));
}

#[test]
fn a_signer_signs_checkpoints_of_its_log_and_nothing_else() {
    let (_outside, key_file, data) = places();
    let ring = keyring(data.path(), &key_file);
    let signer = LogSigner::open(data.path(), "quell.example/log", &ring, &OsChance).expect("a signer");
    assert_eq!(signer.origin(), "quell.example/log");
    let key = VerifierKey::parse(&signer.vkey()).expect("a vkey");

    let checkpoint = Checkpoint::new("quell.example/log", 3, Hash([7; 32]));
    let note = signer.sign(&checkpoint.to_string());
    assert_eq!(Checkpoint::open(note.as_bytes(), &key).expect("verified"), checkpoint);
    for other in ["a text\n".to_owned(), String::new(), Checkpoint::new("another.example/log", 3, Hash([7; 32])).to_string()] {
        assert_eq!(signer.sign(&other), other, "unsigned");
    }

    let again = LogSigner::open(data.path(), "quell.example/log", &ring, &OsChance).expect("the same signer");
    assert_eq!(again.vkey(), signer.vkey());
    let moved = LogSigner::open(data.path(), "another.example/log", &ring, &OsChance).expect_err("another origin");
    assert!(matches!(moved, SignerError::Sealed { .. }), "{moved}");

    let bad = LogSigner::open(directory().path(), "two words", &ring, &OsChance).expect_err("no origin");
    assert!(matches!(bad, SignerError::Origin(..)), "{bad}");
}

/// Gives known bytes, so that the test can look for them.
#[derive(Debug)]
struct Known(u8);

impl Chance for Known {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

#[tokio::test]
async fn no_secret_lies_in_any_file_of_the_store() {
    let (_outside, key_file, data) = places();
    let store = open(data.path());
    let ring = FileKeyring::open(data.path(), &key_file, Arc::new(Known(0x5a))).expect("a keyring");
    LogSigner::open(data.path(), "quell.example/log", &ring, &Known(0xa5)).expect("a signer");
    for n in 0..20 {
        let bytes = ring.seal(&format!("alert/{n}"), SECRET).expect("sealed");
        let blob = Blob { id: Hash::of(&bytes).hex(), bytes, sealed: true };
        store.append(Append { blobs: vec![blob], ..append("source/alert", n, &["alert received"]) }).await.expect("an append");
    }
    let look = |needle: &[u8]| files_with(data.path(), needle);
    assert!(!look(b"alert received").is_empty(), "the search itself works");
    for (what, needle) in [("the secret", SECRET), ("the data key", &[0x5a; 32][..]), ("the signing seed", &[0xa5; 32])] {
        assert_eq!(look(needle), Vec::<std::path::PathBuf>::new(), "{what}");
    }
    for name in ["data-key", "signing-key"] {
        assert_eq!(fs::metadata(data.path().join(name)).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(format!("{ring:?}"), "FileKeyring(..)");
}
