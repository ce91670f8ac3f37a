//! Proofs that a leaf is in a tree, and that one tree extends another.
//!
//! Making follows RFC 6962 sections 2.1.1 and 2.1.2 over complete subtrees, so
//! a proof costs O(log n) reads of a [`NodeSource`] at any size. Checking
//! follows the loops of RFC 9162 sections 2.1.3.2 and 2.1.4.2 and shares no
//! code with making, so that a fault in one does not hide in the other.

mod tlog;

pub use tlog::{BadTlogProof, TlogProof};

use crate::leaf::Hash;
use crate::tree::{MAX_SIZE, NodeSource, empty_root, join};
use alloc::vec::Vec;

/// The most hashes that an inclusion proof can have: one a level.
pub const MAX_HASHES: usize = 63;

/// A proof that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unprovable {
    #[error("leaf {index} is not in a tree of {size} leaves")]
    NoSuchLeaf { index: u64, size: u64 },
    #[error("a tree of {old} leaves cannot be part of one of {new}")]
    NotAnExtension { old: u64, new: u64 },
    #[error("a tree of {0} leaves is larger than `{MAX_SIZE}`")]
    TooLarge(u64),
    #[error("the subtree {index} of level {level} is not stored; rebuild the nodes from the leaves")]
    MissingNode { level: u8, index: u64 },
}

/// A proof that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    #[error("leaf {index} is not in a tree of {size} leaves")]
    NoSuchLeaf { index: u64, size: u64 },
    #[error("a tree of {old} leaves cannot be part of one of {new}")]
    NotAnExtension { old: u64, new: u64 },
    #[error("the proof has {0} hashes, which is not what these sizes need")]
    Length(usize),
    #[error("the proof leads to the root `{found}`, not to `{wanted}`")]
    Root { found: Hash, wanted: Hash },
}

/// The inclusion proof of the leaf `index` in the tree of the first `size`
/// leaves: sibling hashes from the leaf up.
pub fn inclusion(index: u64, size: u64, nodes: &mut impl NodeSource) -> Result<Vec<Hash>, Unprovable> {
    if size > MAX_SIZE {
        return Err(Unprovable::TooLarge(size));
    }
    if index >= size {
        return Err(Unprovable::NoSuchLeaf { index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range(middle, high, nodes)?);
            high = middle;
        } else {
            path.push(range(low, middle, nodes)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `new` leaves begins with the tree of `old`
/// leaves. Empty where the sizes are equal or `old` is 0.
pub fn consistency(old: u64, new: u64, nodes: &mut impl NodeSource) -> Result<Vec<Hash>, Unprovable> {
    if new > MAX_SIZE {
        return Err(Unprovable::TooLarge(new));
    }
    if old > new {
        return Err(Unprovable::NotAnExtension { old, new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut low, mut high) = (0, new);
    let mut path = Vec::new();
    while high != old {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range(middle, high, nodes)?);
            high = middle;
        } else {
            path.push(range(low, middle, nodes)?);
            low = middle;
        }
    }
    // Where the old tree is itself a left subtree, its root is already known
    // to whoever checks.
    if low != 0 {
        path.push(range(low, high, nodes)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an inclusion proof by RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), Unproved> {
    if index >= size {
        return Err(Unproved::NoSuchLeaf { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(Unproved::Length(proof.len()));
        }
        if node & 1 == 1 || node == last {
            hash = join(sibling, &hash);
            // The last node of a ragged level has no right sibling; climb to
            // the level where it is a right child.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = join(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(Unproved::Length(proof.len()));
    }
    same(hash, *root)
}

/// Checks a consistency proof by RFC 9162 section 2.1.4.2.
pub fn verify_consistency(old: u64, new: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> Result<(), Unproved> {
    if old > new {
        return Err(Unproved::NotAnExtension { old, new });
    }
    if old == 0 || old == new {
        if !proof.is_empty() {
            return Err(Unproved::Length(proof.len()));
        }
        if old == 0 {
            same(*old_root, empty_root())?;
        }
        return if old == new { same(*old_root, *new_root) } else { Ok(()) };
    }

    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // A complete old tree is not repeated in the proof.
    let (mut left, rest) = match (old.is_power_of_two(), proof) {
        (true, rest) => (*old_root, rest),
        (false, [first, rest @ ..]) => (*first, rest),
        (false, []) => return Err(Unproved::Length(0)),
    };
    let mut whole = left;
    for hash in rest {
        if last == 0 {
            return Err(Unproved::Length(proof.len()));
        }
        if node & 1 == 1 || node == last {
            left = join(hash, &left);
            whole = join(hash, &whole);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            whole = join(&whole, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(Unproved::Length(proof.len()));
    }
    same(left, *old_root)?;
    same(whole, *new_root)
}

fn same(found: Hash, wanted: Hash) -> Result<(), Unproved> {
    if found == wanted { Ok(()) } else { Err(Unproved::Root { found, wanted }) }
}

/// The largest power of two smaller than `width`, for `width` of at least 2.
fn split(width: u64) -> u64 {
    1 << (u64::BITS - 1 - (width - 1).leading_zeros())
}

/// The root over the leaves `low..high`, where `low` is a multiple of the
/// power of two that covers the range: one read for each 1 bit of the width.
fn range(low: u64, high: u64, nodes: &mut impl NodeSource) -> Result<Hash, Unprovable> {
    let mut complete = Vec::new();
    let mut start = low;
    while start < high {
        let level = (u64::BITS - 1 - (high - start).leading_zeros()) as u8;
        let index = start >> level;
        complete.push(nodes.node(level, index).ok_or(Unprovable::MissingNode { level, index })?);
        start += 1 << level;
    }
    let mut narrow_first = complete.into_iter().rev();
    match narrow_first.next() {
        None => Ok(empty_root()),
        Some(last) => Ok(narrow_first.fold(last, |right, left| join(&left, &right))),
    }
}
