//! What every store promises, checked through the port alone.
//!
//! `make` gives an empty place; what it gives opens the store there, again and
//! again. A check drops the store it opened before it opens another one.

mod beside;
mod events;
mod proofs;
mod races;

use std::sync::Arc;

use quell_core::{
    id::StreamId,
    time::{Timestamp, after},
};
use quell_engine::port::{Append, Leaf, LookupChange, Store};
use quell_ledger::leaf;
use serde_json::Value;

/// Runs every check, each in an empty place of its own. Needs a runtime with
/// several threads; panics where a promise is broken.
pub async fn run<O>(make: impl Fn() -> O)
where
    O: Fn() -> Arc<dyn Store>,
{
    events::an_empty_store_answers_everything_with_nothing(&*make()()).await;
    events::what_was_appended_is_read_back(&*make()()).await;
    events::a_version_that_moved_on_is_stale(&*make()()).await;
    events::a_stale_append_leaves_nothing_behind(&*make()()).await;
    events::a_broken_contract_is_refused(&*make()()).await;
    events::the_largest_leaf_fits(&*make()()).await;
    events::names_hold_any_character(&*make()()).await;
    events::what_was_acknowledged_is_there_after_opening_again(make()).await;

    races::one_of_64_wins_a_version(make()()).await;
    races::one_of_64_consumes_an_approval(make()()).await;
    races::one_of_64_gets_the_last_unit_of_a_budget(make()()).await;
    races::indexes_and_versions_are_dense_under_64_writers(make()()).await;
    races::a_read_after_the_answer_sees_the_append(make()()).await;

    beside::lookups_are_set_replaced_removed_and_listed(&*make()()).await;
    beside::jobs_are_set_moved_done_and_due_in_order(&*make()()).await;
    beside::disclosures_are_found_until_they_are_erased(&*make()()).await;
    beside::sealed_blobs_are_erased_and_public_ones_stay(&*make()()).await;
    beside::a_rebuild_tells_whether_the_rows_were_equal(&*make()()).await;
    beside::inventory_is_put_replaced_and_removed(&*make()()).await;

    proofs::every_leaf_is_proved_in_every_size(&*make()()).await;
    proofs::every_size_is_proved_to_extend_every_earlier_one(&*make()()).await;
    proofs::proofs_beyond_the_log_are_refused(&*make()()).await;
    proofs::a_checkpoint_is_kept_only_if_it_extends_the_one_before(&*make()()).await;
}

/// A leaf with the right hash.
fn leaf(stream: &StreamId, version: u64, text: &str) -> Leaf {
    let bytes = text.as_bytes().to_vec();
    Leaf { stream: stream.clone(), version, hash: leaf::hash(&bytes).0, bytes }
}

/// An append of one leaf per text to one stream, which has `expected` versions.
fn append(stream: &StreamId, expected: u64, texts: &[&str]) -> Append {
    let leaves = texts.iter().zip(expected + 1..).map(|(text, version)| leaf(stream, version, text)).collect();
    Append { leaves, expects: vec![(stream.clone(), expected)], ..Append::default() }
}

/// Appends `count` different leaves to one stream, in appends of uneven length.
async fn fill(store: &dyn Store, count: u64) {
    let stream = StreamId::new("case/C-fill");
    let mut at = store.size().await.expect("a size");
    let end = at + count;
    let mut length = 1;
    while at < end {
        let texts: Vec<String> = (at..end.min(at + length)).map(|n| format!("leaf {n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        store.append(append(&stream, at, &texts)).await.expect("an append");
        at += texts.len() as u64;
        length = length % 5 + 1;
    }
}

fn set(table: &'static str, key: &str, value: Value) -> LookupChange {
    LookupChange { table, key: key.to_owned(), value: Some(value) }
}

fn unset(table: &'static str, key: &str) -> LookupChange {
    LookupChange { table, key: key.to_owned(), value: None }
}

/// A moment, `seconds` after the beginning of 2026.
fn at(seconds: i64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, 1_767_225_600 + seconds)
}
