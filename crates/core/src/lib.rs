//! What Quell knows and decides.
//!
//! Pure: no clock, file, socket, chance or hash map. Time, ids, salts and every
//! answer from outside are arguments, so replaying the ledger gives the same
//! state next year. A rule of the domain lives here, in one function, and
//! nowhere else. Reading order: `id`, `identity`, `signal`, `finding`, `action`,
//! `plan`, `clear`, `proof`, `case`, `respond`.
#![no_std]

extern crate alloc;
#[cfg(feature = "plant")]
extern crate std;

pub mod action;
pub mod approval;
pub mod break_glass;
pub mod by_hand;
pub mod canonical;
pub mod case;
pub mod clear;
pub mod context;
pub mod course;
pub mod coverage;
pub mod decision;
pub mod draft;
pub mod erasure;
pub mod event;
pub mod finding;
pub mod fold;
pub mod health;
pub mod hold;
pub mod id;
pub mod inventory;
pub mod manifest;
pub mod merge;
pub mod notice;
pub mod people;
pub mod personal;
pub mod plan;
#[cfg(feature = "plant")]
pub mod plant;
pub mod posture;
pub mod proof;
pub mod reach;
pub mod replay;
pub mod respond;
pub mod route;
pub mod secret;
pub mod signal;
pub mod target;
pub mod time;
pub mod trace;
pub mod untrusted;
pub mod view;
