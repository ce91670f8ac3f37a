//! The log as strangers see it: roots, proofs, notes and bundles.

mod bundle;
mod checkpoint;
mod foreign;
mod no_std;
mod note;
mod population;
mod proof;
mod tree;
mod world;
