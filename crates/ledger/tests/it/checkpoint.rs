use crate::note::key;
use proptest::prelude::*;
use quell_ledger::checkpoint::{BadCheckpoint, Checkpoint};
use quell_ledger::leaf::Hash;
use quell_ledger::note::{Note, Unverified};
use quell_ledger::tree;

#[test]
fn a_checkpoint_is_opened_by_its_own_key_alone() {
    let log = key("log.example/a", 1);
    let checkpoint = Checkpoint::new("log.example/a", 7, Hash::of(b"root"));
    let note = checkpoint.sign(&log).unwrap().to_string();
    assert_eq!(Checkpoint::open(note.as_bytes(), log.verifier()), Ok(checkpoint.clone()));

    let forger = key("log.example/a", 2);
    assert_eq!(Checkpoint::open(note.as_bytes(), forger.verifier()), Err(BadCheckpoint::Unverified(Unverified::NoKnownKey)));
    // The origin is not the key's name: this key speaks for another log.
    let other = key("log.example/b", 1);
    assert!(matches!(checkpoint.sign(&other), Err(BadCheckpoint::Key { .. })));
    let foreign = Note::sign(checkpoint.to_string(), &other).unwrap().to_string();
    assert!(matches!(Checkpoint::open(foreign.as_bytes(), other.verifier()), Err(BadCheckpoint::Key { .. })));
}

#[test]
fn texts_that_are_no_checkpoints_are_refused() {
    let root = Hash::of(b"root").base64();
    let size = |size: &str| BadCheckpoint::Size(size.into());
    let table = [
        (String::new(), BadCheckpoint::Unended),
        ("\n".into(), BadCheckpoint::Origin),
        ("o\n".into(), size("")),
        (format!("o\n01\n{root}\n"), size("01")),
        (format!("o\n-1\n{root}\n"), size("-1")),
        (format!("o\n+1\n{root}\n"), size("+1")),
        (format!("o\n1 \n{root}\n"), size("1 ")),
        (format!("o\n9223372036854775808\n{root}\n"), size("9223372036854775808")),
        ("o\n1\n".into(), BadCheckpoint::Root),
        (format!("o\n1\n{root}x\n"), BadCheckpoint::Root),
        (format!("o\n1\n{root}"), BadCheckpoint::Unended),
        (format!("o\n1\n{root}\n\n"), BadCheckpoint::Extension(4)),
        (format!("o\n1\n{root}\nx\n\n"), BadCheckpoint::Extension(5)),
        (format!("o\n0\n{root}\n"), BadCheckpoint::EmptyRoot),
    ];
    for (text, error) in table {
        assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
    }
    let empty = Checkpoint::new("o", 0, tree::empty_root());
    assert_eq!(Checkpoint::parse(&empty.to_string()), Ok(empty));
}

#[test]
fn nobody_signs_a_checkpoint_that_nobody_can_read() {
    let log = key("log", 1);
    let mut broken = Checkpoint::new("log", 1, Hash::of(b""));
    broken.extensions.push("two\nlines\n".into());
    assert!(broken.sign(&log).is_err());
    let huge = Checkpoint::new("log", u64::MAX, Hash::of(b""));
    assert!(matches!(huge.sign(&log), Err(BadCheckpoint::Size(_))));
}

proptest! {
    #[test]
    fn a_checkpoint_reads_back(
        origin in "[!-~]{1,30}", size in 1..=tree::MAX_SIZE, root in any::<[u8; 32]>(),
        extensions in prop::collection::vec("[!-~]{1,30}", 0..4),
    ) {
        let checkpoint = Checkpoint { origin, size, root: Hash(root), extensions };
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z]?\n?[0-9]{0,22}\n?[A-Za-z0-9+/]{0,43}=?\n{0,2}\\PC{0,9}\n?") {
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_string(), text);
        }
    }
}
