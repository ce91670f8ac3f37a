//! The rules of the core, one module a room, tables through one door each.

mod action;
mod approval;
mod canonical;
mod case;
mod clear;
mod draft;
mod draft_across;
mod drive;
mod erasure;
mod event_golden;
mod finding;
mod hold;
mod house;
mod inventory;
mod people;
mod personal;
mod plan;
mod proof;
mod reach;
mod respond;
mod respond_across;
mod secret;
mod time;
mod trace;
mod untrusted;
mod world;
