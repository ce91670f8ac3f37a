use proptest::prelude::*;
use quell_ledger::leaf::{self, Hash};
use quell_ledger::tree::{self, BadFrontier, Frontier, NodeSource, Tree};

/// The leaves and roots that Certificate Transparency tests itself with.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

pub fn vector_leaves() -> Vec<Hash> {
    LEAVES.iter().map(|leaf| leaf::hash(leaf)).collect()
}

/// `size` different leaves.
pub fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|n| leaf::hash(&n.to_be_bytes())).collect()
}

/// The root straight from the recursive definition of RFC 6962.
fn defined_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(b""),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            tree::join(&defined_root(left), &defined_root(right))
        }
    }
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let leaves = vector_leaves();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(tree::root(&leaves[..size]).hex(), *root, "size {size}");
    }
}

#[test]
fn the_frontier_has_the_defined_root_at_every_size() {
    let leaves = leaves(300);
    let mut frontier = Frontier::default();
    for size in 0..=leaves.len() {
        assert_eq!(frontier.size(), size as u64);
        assert_eq!(frontier.root(), defined_root(&leaves[..size]), "size {size}");
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn a_push_returns_every_subtree_it_completes_once() {
    let mut frontier = Frontier::default();
    let mut seen = std::collections::BTreeMap::new();
    let leaves = leaves(200);
    for (n, leaf) in leaves.iter().enumerate() {
        for node in frontier.push(*leaf) {
            let (low, high) = (node.index << node.level, (node.index + 1) << node.level);
            assert_eq!(high, n as u64 + 1, "a subtree is made by its last leaf");
            assert_eq!(node.hash, defined_root(&leaves[low as usize..high as usize]));
            assert!(seen.insert((node.level, node.index), node.hash).is_none());
        }
    }
    for level in 0..8u8 {
        for index in 0..200u64 >> level {
            assert!(seen.contains_key(&(level, index)), "level {level} index {index}");
        }
    }
}

#[test]
fn a_stored_frontier_goes_on_where_it_was() {
    let leaves = leaves(130);
    let mut frontier = Frontier::default();
    let mut nodes: Tree = leaves.iter().copied().collect();
    for leaf in &leaves {
        frontier = Frontier::decode(&frontier.encode()).unwrap();
        frontier.push(*leaf);
        assert_eq!(Frontier::at(frontier.size(), &mut nodes), Some(frontier.clone()));
    }
    assert_eq!(frontier.root(), tree::root(&leaves));
    assert_eq!(Frontier::at(131, &mut nodes), None);
    assert_eq!(nodes.node(7, 0), Some(tree::root(&leaves[..128])));
    assert_eq!(nodes.node(7, 1), None);
}

#[test]
fn bytes_that_are_no_frontier_are_refused() {
    let mut frontier = Frontier::default();
    for leaf in leaves(5) {
        frontier.push(leaf);
    }
    let good = frontier.encode();
    let cut = &good[..good.len() - 1];
    let longer = [good.as_slice(), &[0]].concat();
    let huge = [0xff; 8];
    assert_eq!(Frontier::decode(&[0; 7]), Err(BadFrontier::Short(7)));
    assert!(matches!(Frontier::decode(cut), Err(BadFrontier::Length { size: 5, .. })));
    assert!(matches!(Frontier::decode(&longer), Err(BadFrontier::Length { size: 5, .. })));
    assert_eq!(Frontier::decode(&huge), Err(BadFrontier::Size(u64::MAX)));
}

#[test]
fn a_hash_reads_back_only_in_its_one_spelling() {
    let hash = Hash::of(b"x");
    assert_eq!(Hash::from_hex(&hash.hex()), Ok(hash));
    assert_eq!(Hash::from_base64(&hash.base64()), Ok(hash));
    for bad in [hash.hex().to_uppercase(), hash.hex()[1..].to_string(), "é".repeat(32), String::new()] {
        assert!(Hash::from_hex(&bad).is_err(), "`{bad}`");
    }
    // The last character before `=` carries two bits that must be 0.
    let loose = hash.base64().replace("Hn1oI=", "Hn1oJ=");
    for bad in [hash.base64().replace('=', ""), loose + "=", " ".repeat(44), "é".repeat(22)] {
        assert!(Hash::from_base64(&bad).is_err(), "`{bad}`");
    }
    assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{hash}\""));
    assert_eq!(serde_json::from_str::<Hash>(&format!("\"{hash}\"")).unwrap(), hash);
}

proptest! {
    #[test]
    fn no_bytes_make_the_frontier_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frontier) = Frontier::decode(&bytes) {
            prop_assert_eq!(frontier.encode(), bytes);
            frontier.root();
        }
    }
}
