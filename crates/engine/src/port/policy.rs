//! Who may do what, who must be asked.

use quell_core::decision::{AttemptQuestion, Decision, VerbQuestion, WhomToAsk};

/// The installation's policy set. Loaded and validated before it stands here,
/// so asking cannot fail; an evaluation error is a deny and an alarm.
pub trait Policy: Send + Sync {
    /// SHA-256 over schema and policies.
    fn digest(&self) -> String;

    /// May this attempt run now? Asked for every attempt.
    fn decide(&self, question: &AttemptQuestion) -> Decision;

    /// May this principal use this verb?
    fn permits(&self, question: &VerbQuestion) -> Decision;

    /// One minimal set of approvals that would let the attempt run.
    fn whom_to_ask(&self, question: &AttemptQuestion) -> WhomToAsk;
}
