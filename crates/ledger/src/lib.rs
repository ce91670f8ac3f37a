//! The Merkle log that makes the record of a case checkable by a stranger.
//!
//! A leaf is bytes: this crate knows the tree, signed checkpoints, proofs and
//! the evidence bundle, and refuses to know what an event means. It has no
//! clock, file, socket or chance, and links without `std`. Hashing follows RFC
//! 6962 and RFC 9162; the texts follow the C2SP formats `signed-note`,
//! `tlog-checkpoint` and `tlog-proof`, so that software written by others can
//! check everything made here.

#![no_std]

extern crate alloc;

pub mod bundle;
pub mod checkpoint;
pub mod leaf;
pub mod note;
pub mod proof;
pub mod tree;

pub use checkpoint::Checkpoint;
pub use leaf::Hash;
pub use note::{Note, SigningKey, VerifierKey};
