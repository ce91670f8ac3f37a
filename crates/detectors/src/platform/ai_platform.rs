//! Audit logs of AI platforms: OpenAI, Anthropic.
//!
//! A key that an entry creates, changes or ends is its subject where its id is
//! given, else who did it. A tool server that models may call acts by itself and
//! is an agent. Neither platform rates anything; of OpenAI's new keys the scopes
//! tell how much they open.

mod anthropic;
mod openai;

use crate::json::Value;
use quell_core::signal::Readout;

use crate::record::Records;

/// The detector's name.
pub const NAME: &str = "ai-platform-audit";
/// What it reads.
pub const READS: &str = "audit logs of OpenAI organisations; activities and audit exports of Anthropic";

const RECORDS: Records = Records {
    what: "audit entry of an AI platform",
    is_one: |v| openai::is_one(v) || anthropic::is_one(v),
    marks: "neither the `object` of an OpenAI audit log, nor the `actor` and `type` of an Anthropic activity, is given",
    inside: &[&["data"]],
    empty_is_an_answer: false,
};

/// Reads entries.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut |record, reading| {
        reading.record(Ok(if openai::is_one(record) { openai::detected(record) } else { anthropic::detected(record) }))
    })
}

/// Whether `first` is an entry of one of these logs.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}
