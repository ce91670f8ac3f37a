use crate::note::key;
use crate::tree::{leaves, vector_leaves};
use proptest::prelude::*;
use quell_ledger::checkpoint::Checkpoint;
use quell_ledger::leaf::{self, Hash};
use quell_ledger::proof::{self, TlogProof, Unprovable, Unproved};
use quell_ledger::tree::{self, Tree};

#[test]
fn inclusion_proofs_are_those_of_certificate_transparency() {
    let mut tree: Tree = vector_leaves().into_iter().collect();
    let proof = proof::inclusion(0, 8, &mut tree).unwrap();
    let hex: Vec<String> = proof.iter().map(Hash::hex).collect();
    assert_eq!(
        hex,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_in_every_size() {
    let leaves = leaves(100);
    let mut tree: Tree = leaves.iter().copied().collect();
    for size in 1..=leaves.len() as u64 {
        let root = tree::root(&leaves[..size as usize]);
        for index in 0..size {
            let path = proof::inclusion(index, size, &mut tree).unwrap();
            let leaf = leaves[index as usize];
            assert_eq!(proof::verify_inclusion(index, size, &leaf, &path, &root), Ok(()), "{index} of {size}");
        }
    }
}

#[test]
fn every_leaf_of_a_tree_of_300_is_proved_and_not_at_another_place() {
    let leaves = leaves(300);
    let mut tree: Tree = leaves.iter().copied().collect();
    let root = tree.root();
    for index in 0..300 {
        let path = proof::inclusion(index, 300, &mut tree).unwrap();
        let leaf = leaves[index as usize];
        assert_eq!(proof::verify_inclusion(index, 300, &leaf, &path, &root), Ok(()));
        for other in [index ^ 1, index ^ 2, index ^ 256, index + 1, 299 - index] {
            assert!(proof::verify_inclusion(other, 300, &leaf, &path, &root).is_err(), "{index} as {other}");
        }
    }
}

#[test]
fn every_pair_of_sizes_up_to_64_is_consistent_and_only_with_its_own_roots() {
    let leaves = leaves(64);
    let mut tree: Tree = leaves.iter().copied().collect();
    let roots: Vec<Hash> = (0..=64).map(|size| tree::root(&leaves[..size])).collect();
    for new in 0..=64u64 {
        for old in 0..=new {
            let path = proof::consistency(old, new, &mut tree).unwrap();
            let (old_root, new_root) = (roots[old as usize], roots[new as usize]);
            let check = |old_root, new_root, path: &[Hash]| proof::verify_consistency(old, new, old_root, new_root, path);
            assert_eq!(check(&old_root, &new_root, &path), Ok(()), "{old} to {new}");

            let wrong = leaf::hash(b"fork");
            assert!(check(&wrong, &new_root, &path).is_err(), "{old} to {new}");
            // Nothing binds the later tree where the earlier one was empty.
            assert_eq!(check(&old_root, &wrong, &path).is_err(), old != 0 || new == 0, "{old} to {new}");
            for n in 0..path.len() {
                let mut changed = path.clone();
                changed[n].0[n % 32] ^= 1;
                assert!(check(&old_root, &new_root, &changed).is_err(), "{old} to {new}, hash {n}");
            }
            let longer = [path.as_slice(), &[wrong]].concat();
            assert!(check(&old_root, &new_root, &longer).is_err());
            if let Some((_, shorter)) = path.split_last() {
                assert!(check(&old_root, &new_root, shorter).is_err());
            }
        }
    }
}

#[test]
fn what_cannot_be_proved_is_refused() {
    let mut tree: Tree = leaves(5).into_iter().collect();
    let huge = tree::MAX_SIZE + 1;
    assert_eq!(proof::inclusion(5, 5, &mut tree), Err(Unprovable::NoSuchLeaf { index: 5, size: 5 }));
    assert_eq!(proof::inclusion(0, 0, &mut tree), Err(Unprovable::NoSuchLeaf { index: 0, size: 0 }));
    assert_eq!(proof::inclusion(0, huge, &mut tree), Err(Unprovable::TooLarge(huge)));
    assert_eq!(proof::inclusion(0, 9, &mut tree), Err(Unprovable::MissingNode { level: 0, index: 8 }));
    assert_eq!(proof::consistency(6, 5, &mut tree), Err(Unprovable::NotAnExtension { old: 6, new: 5 }));
    assert_eq!(proof::verify_inclusion(5, 5, &Hash::of(b""), &[], &Hash::of(b"")), Err(Unproved::NoSuchLeaf { index: 5, size: 5 }));
    assert_eq!(proof::verify_consistency(6, 5, &Hash::of(b""), &Hash::of(b""), &[]), Err(Unproved::NotAnExtension { old: 6, new: 5 }));
}

#[test]
fn the_size_is_part_of_what_a_proof_proves() {
    let leaves = leaves(8);
    let mut tree: Tree = leaves.iter().copied().collect();
    let (two, four) = (tree::root(&leaves[..2]), tree::root(&leaves[..4]));
    let path = proof::inclusion(0, 4, &mut tree).unwrap();
    assert_eq!(proof::verify_inclusion(0, 4, &leaves[0], &path, &four), Ok(()));
    assert_eq!(proof::verify_inclusion(0, 8, &leaves[0], &path, &four), Err(Unproved::Length(2)));
    let grown = proof::consistency(2, 4, &mut tree).unwrap();
    assert_eq!(proof::verify_consistency(2, 4, &two, &four, &grown), Ok(()));
    assert_eq!(proof::verify_consistency(2, 8, &two, &four, &grown), Err(Unproved::Length(1)));
}

#[test]
fn a_proof_in_a_huge_log_reads_few_nodes() {
    let mut reads = 0;
    let mut source = |_level: u8, _index: u64| {
        reads += 1;
        Some(Hash([7; 32]))
    };
    proof::inclusion(123_456_789_012, 1_000_000_000_003, &mut source).unwrap();
    assert!(reads < 120, "{reads} reads");
}

fn tlog_proof(index: u64, size: u64) -> TlogProof {
    let mut tree: Tree = leaves(size).into_iter().collect();
    let key = key("log.example/a", 1);
    let checkpoint = Checkpoint::new("log.example/a", size, tree.root()).sign(&key).unwrap().to_string();
    TlogProof { index, extra: None, hashes: proof::inclusion(index, size, &mut tree).unwrap(), checkpoint }
}

#[test]
fn a_printed_proof_reads_back_and_proves_its_leaf_alone() {
    let key = key("log.example/a", 1);
    for (index, size) in [(0, 1), (0, 2), (4, 5), (77, 130)] {
        let proof = tlog_proof(index, size);
        let text = proof.to_string();
        let read = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&index.to_be_bytes(), key.verifier()).unwrap().size, size);
        assert!(read.verify(&(index + 1).to_be_bytes(), key.verifier()).is_err());
        assert!(read.verify(&index.to_be_bytes(), crate::note::key("log.example/a", 2).verifier()).is_err());
    }
}

#[test]
fn a_proof_has_one_spelling() {
    let text = tlog_proof(4, 5).to_string();
    let with_extra = text.replace("index 4", "extra AAAA\nindex 4");
    assert_eq!(TlogProof::parse(with_extra.as_bytes()).unwrap().to_string(), with_extra);
    let bad = [
        text.replace("index 4", "index 04"),
        text.replace("index 4", "index +4"),
        text.replace("index 4", "index 9223372036854775808"),
        text.replace("index 4\n", ""),
        text.replace("@v1", "@v2"),
        text.replace("index 4", "index 4\nindex 4"),
        text.replace("index 4", "extra AAA\nindex 4"),
        text.replace("index 4", "extra AAAA\nextra AAAA\nindex 4"),
        text.replace('\n', "\r\n"),
        text.replacen("\n\n", "\n", 1),
        text.trim_end().to_string(),
        format!("{text}\n"),
        String::new(),
    ];
    for bad in bad {
        assert!(TlogProof::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn a_changed_inclusion_proof_never_holds(
        size in 2u64..300, seed in any::<u64>(), at in any::<prop::sample::Index>(), bit in 0usize..256,
    ) {
        let leaves = leaves(size);
        let mut tree: Tree = leaves.iter().copied().collect();
        let index = seed % size;
        let (leaf, root) = (leaves[index as usize], tree.root());
        let good = proof::inclusion(index, size, &mut tree).unwrap();
        let mut flipped = good.clone();
        flipped[at.index(good.len())].0[bit / 8] ^= 1 << (bit % 8);
        let mut shorter = good.clone();
        shorter.remove(at.index(good.len()));
        let mut longer = good.clone();
        longer.insert(at.index(good.len() + 1), leaf);
        for changed in [flipped, shorter, longer] {
            prop_assert!(proof::verify_inclusion(index, size, &leaf, &changed, &root).is_err());
        }
    }

    #[test]
    fn no_hashes_make_the_checks_panic(a in any::<u64>(), b in any::<u64>(), n in 0usize..80) {
        let hashes = vec![Hash([3; 32]); n];
        let root = Hash([4; 32]);
        prop_assert!(proof::verify_inclusion(a, b, &root, &hashes, &Hash([5; 32])).is_err());
        prop_assert!(proof::verify_consistency(a, b, &root, &Hash([5; 32]), &hashes).is_err());
    }

    #[test]
    fn no_text_makes_the_proof_reader_panic(
        mut bytes in Just(tlog_proof(4, 5).to_string().into_bytes()),
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len() * 2));
        if let Ok(proof) = TlogProof::parse(&bytes) {
            prop_assert_eq!(proof.to_string().into_bytes(), bytes);
        }
    }
}
