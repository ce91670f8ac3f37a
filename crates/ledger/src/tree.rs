//! The RFC 6962 tree, kept as its right edge and its complete subtrees.
//!
//! A node is named by (level, index): it covers the leaves
//! `index << level .. (index + 1) << level` and exists only once all of them
//! do, so a node never changes after it was made. A store keeps the nodes that
//! each push returns and can prove anything about any earlier size from them;
//! a writer that only needs roots keeps the [`Frontier`].

use crate::leaf::Hash;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// The largest tree, in leaves: what the signed 64-bit sizes of other
/// implementations can hold.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash::of(b"")
}

/// RFC 6962 inner node: SHA-256(0x01 || left || right).
pub fn join(left: &Hash, right: &Hash) -> Hash {
    let mut sha = Sha256::new();
    sha.update([0x01]);
    sha.update(left.0);
    sha.update(right.0);
    Hash(sha.finalize().into())
}

/// The root over the leaf hashes in order.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// One complete subtree; level 0 is a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub level: u8,
    pub index: u64,
    pub hash: Hash,
}

/// Where proofs take the hashes of complete subtrees from.
pub trait NodeSource {
    /// The hash of a complete subtree, or `None` where it is not stored.
    fn node(&mut self, level: u8, index: u64) -> Option<Hash>;
}

/// The right edge of a tree: enough to append and to know the root, in
/// O(log n) memory.
///
/// `edge` holds one complete subtree for each 1 bit of `size`, widest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    edge: Vec<Hash>,
}

/// Bytes that are not an encoded frontier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrontier {
    #[error("a frontier has at least 8 bytes, found {0}")]
    Short(usize),
    #[error("a frontier of {size} leaves has {expected} bytes, found {found}")]
    Length { size: u64, expected: usize, found: usize },
    #[error("a tree of {0} leaves is larger than `{MAX_SIZE}`")]
    Size(u64),
}

impl Frontier {
    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash and returns the subtrees that it completes, the
    /// leaf itself first. A store that lost them after a crash gets the same
    /// ones by pushing the same leaf again.
    pub fn push(&mut self, leaf: Hash) -> Vec<Node> {
        let mut node = Node { level: 0, index: self.size, hash: leaf };
        let mut made = Vec::with_capacity(1 + self.size.trailing_ones() as usize);
        made.push(node);
        // A subtree of the same width to the left exists exactly where the old
        // size has a 1 bit.
        while node.index & 1 == 1 {
            let Some(left) = self.edge.pop() else { break };
            node = Node { level: node.level + 1, index: node.index >> 1, hash: join(&left, &node.hash) };
            made.push(node);
        }
        self.edge.push(node.hash);
        self.size += 1;
        made
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut narrow_first = self.edge.iter().rev();
        match narrow_first.next() {
            None => empty_root(),
            Some(last) => narrow_first.fold(*last, |right, left| join(left, &right)),
        }
    }

    /// Size as 8 bytes big endian, then 32 bytes for each subtree, widest first.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.edge.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for hash in &self.edge {
            bytes.extend_from_slice(&hash.0);
        }
        bytes
    }

    /// The exact inverse of [`Frontier::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Frontier, BadFrontier> {
        let (head, rest) = bytes.split_first_chunk::<8>().ok_or(BadFrontier::Short(bytes.len()))?;
        let size = u64::from_be_bytes(*head);
        if size > MAX_SIZE {
            return Err(BadFrontier::Size(size));
        }
        let (hashes, remainder) = rest.as_chunks::<32>();
        if hashes.len() != size.count_ones() as usize || !remainder.is_empty() {
            let expected = 8 + 32 * size.count_ones() as usize;
            return Err(BadFrontier::Length { size, expected, found: bytes.len() });
        }
        Ok(Frontier { size, edge: hashes.iter().map(|hash| Hash(*hash)).collect() })
    }

    /// The frontier that a log had at `size`, read back from stored nodes;
    /// `None` where one of them is missing.
    pub fn at(size: u64, nodes: &mut impl NodeSource) -> Option<Frontier> {
        let mut edge = Vec::new();
        let mut start = 0;
        for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
            edge.push(nodes.node(level, start >> level)?);
            start += 1 << level;
        }
        Some(Frontier { size, edge })
    }
}

/// A whole tree in memory: the node source of tests and small logs.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Appends a leaf hash and returns its index.
    pub fn push(&mut self, leaf: Hash) -> u64 {
        let index = self.frontier.size();
        for node in self.frontier.push(leaf) {
            let level = usize::from(node.level);
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Vec::new);
            }
            self.levels[level].push(node.hash);
        }
        index
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }
}

impl FromIterator<Hash> for Tree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Tree {
        let mut tree = Tree::default();
        for leaf in leaves {
            tree.push(leaf);
        }
        tree
    }
}

impl NodeSource for Tree {
    fn node(&mut self, level: u8, index: u64) -> Option<Hash> {
        self.levels.get(usize::from(level))?.get(usize::try_from(index).ok()?).copied()
    }
}

impl<F: FnMut(u8, u64) -> Option<Hash>> NodeSource for F {
    fn node(&mut self, level: u8, index: u64) -> Option<Hash> {
        self(level, index)
    }
}
