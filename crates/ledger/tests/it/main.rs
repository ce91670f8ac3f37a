//! The log as strangers see it: roots, proofs, notes and bundles.

mod checkpoint;
mod note;
mod proof;
mod tree;
