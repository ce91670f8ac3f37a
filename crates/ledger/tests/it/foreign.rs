//! The log as software of others reads it: Go's checksum database code and the
//! `aics-tlog` command line. `testdata/foreign` installs and explains them.

use crate::note::key;
use crate::world::{LOG, World};
use quell_ledger::bundle;
use quell_ledger::checkpoint::Checkpoint;
use quell_ledger::leaf::{self, Hash};
use quell_ledger::note::SigningKey;
use quell_ledger::proof::{self, TlogProof};
use quell_ledger::tree::{self, Tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The programs, installed where they were missing.
fn verifiers() -> Vec<PathBuf> {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/foreign/setup.sh");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let done = Command::new(setup).arg(target).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let programs: Vec<PathBuf> = String::from_utf8(done.stdout).unwrap().lines().map(PathBuf::from).collect();
    assert_eq!(programs.len(), 2, "{programs:?}");
    programs
}

fn run(program: &Path, evidence: &Path, vkey: &Path) -> Output {
    Command::new(program).args([evidence, vkey]).output().unwrap()
}

fn accepted_by_all(evidence: &Path, vkey: &Path, wanted: &str) {
    for program in verifiers() {
        let done = run(&program, evidence, vkey);
        let (said, why) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{}: {why}", program.display());
        assert_eq!(said.trim(), wanted, "{}", program.display());
    }
}

fn refused_by_all(what: &str, evidence: &Path, vkey: &Path) {
    for program in verifiers() {
        let done = run(&program, evidence, vkey);
        let why = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{what}: {}: {why}", program.display());
        assert!(why.starts_with("refused: "), "{what}: {}: {why}", program.display());
    }
}

const EVENTS: [u64; 6] = [0, 511, 512, 700, 737, 999];

/// A log of 1000 leaves, seen at 700 and at 1000.
fn log(folder: &Path, key: &SigningKey) {
    let leaves: Vec<Vec<u8>> = (0..1000).map(|n| format!("{{\"n\":{n}}}").into_bytes()).collect();
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf::hash(leaf)).collect();
    let mut tree: Tree = hashes.iter().copied().collect();
    let signed = |size: u64, root| Checkpoint::new(LOG, size, root).sign(key).unwrap().to_string();
    let checkpoint = signed(1000, tree.root());

    fs::create_dir_all(folder.join("events")).unwrap();
    fs::create_dir_all(folder.join("proofs")).unwrap();
    fs::write(folder.join("checkpoint"), &checkpoint).unwrap();
    fs::write(folder.join("old.checkpoint"), signed(700, tree::root(&hashes[..700]))).unwrap();
    let grown = proof::consistency(700, 1000, &mut tree).unwrap();
    fs::write(folder.join("consistency"), grown.iter().map(|hash| hash.base64() + "\n").collect::<String>()).unwrap();
    for index in EVENTS {
        let hashes = proof::inclusion(index, 1000, &mut tree).unwrap();
        let proof = TlogProof { index, extra: None, hashes, checkpoint: checkpoint.clone() };
        fs::write(folder.join(format!("events/{index}.json")), &leaves[index as usize]).unwrap();
        fs::write(folder.join(format!("proofs/{index}.tlog-proof")), proof.to_string()).unwrap();
    }
}

fn vkey_file(folder: &Path, key: &SigningKey) -> PathBuf {
    let path = folder.join("log.vkey");
    fs::write(&path, format!("{}\n", key.verifier())).unwrap();
    path
}

#[test]
fn others_accept_the_log_and_refuse_it_after_one_bit() {
    let scratch = tempfile::tempdir().unwrap();
    let vkey = vkey_file(scratch.path(), &key(LOG, 1));
    let folder = scratch.path().join("log");
    log(&folder, &key(LOG, 1));
    accepted_by_all(&folder, &vkey, "6 events in a log of 1000");

    // The byte of each file that is changed by one bit: inside a hash, a leaf
    // or a signature, not in a line that the programs compare themselves.
    let cases =
        [("events/737.json", 3), ("proofs/737.tlog-proof", 60), ("consistency", 100), ("old.checkpoint", 30), ("old.checkpoint", 130)];
    for (name, at) in cases {
        let path = folder.join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        refused_by_all(name, &folder, &vkey);
        fs::write(&path, good).unwrap();
    }
}

#[test]
fn others_refuse_a_changed_size_and_a_fork_by_another_key() {
    let scratch = tempfile::tempdir().unwrap();
    let vkey = vkey_file(scratch.path(), &key(LOG, 1));

    let forked = scratch.path().join("forked");
    log(&forked, &key(LOG, 66));
    refused_by_all("a fork", &forked, &vkey);

    // The same change in the checkpoint and in every proof: only the
    // signature can tell.
    let changed = scratch.path().join("changed");
    log(&changed, &key(LOG, 1));
    let proofs = EVENTS.map(|index| format!("proofs/{index}.tlog-proof"));
    for name in proofs.iter().map(String::as_str).chain(["checkpoint"]) {
        let path = changed.join(name);
        let text = fs::read_to_string(&path).unwrap().replace("\n1000\n", "\n1001\n");
        fs::write(&path, text).unwrap();
    }
    refused_by_all("a changed size", &changed, &vkey);
}

#[test]
fn others_read_the_bundle_and_verify_every_event_in_it() {
    let scratch = tempfile::tempdir().unwrap();
    let world = World::usual();
    let vkey = vkey_file(scratch.path(), &world.key);
    let file = scratch.path().join("case.zip");
    let bytes = bundle::write(&world.bundle()).unwrap();
    fs::write(&file, &bytes).unwrap();
    accepted_by_all(&file, &vkey, "7 events in a log of 11");
    fs::write(&file, &bytes[..bytes.len() - 30]).unwrap();
    refused_by_all("a cut bundle", &file, &vkey);
}
