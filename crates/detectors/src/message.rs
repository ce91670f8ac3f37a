//! One message, taken apart into the records that count.
//!
//! Senders put many records into one: `Records`, `Findings`, `value`, `items`.
//! Each detector names the lists of its sender; what is in none of them is one
//! record. A message without any record says so, because only a few detectors
//! define an empty report.

use std::ops::ControlFlow;

use quell_core::signal::{Detected, Readout};

use crate::{
    field::field,
    json::{self, Found, Value},
    reading::Reading,
};

/// Reads every record of `bytes`, out of its envelope and its batch. `detect`
/// gets the record and the time at which its envelope was sent.
pub fn read(bytes: &[u8], lists: &[&str], detect: fn(&Value, Option<&Value>) -> Result<Detected, String>) -> Readout {
    // Incidents hold alerts, and a list may hold incidents: two levels.
    read_parts(bytes, &|value, each| records(value, lists).iter().flat_map(|part| records(part, lists)).try_for_each(each), detect)
}

/// How a record is taken apart: hands each part to its second argument.
type Apart<'a> = &'a dyn for<'v> Fn(&'v Value, &mut dyn FnMut(&'v Value) -> ControlFlow<()>) -> ControlFlow<()>;

/// The same, with another way to take a batch apart.
pub fn read_parts(bytes: &[u8], apart: Apart<'_>, detect: fn(&Value, Option<&Value>) -> Result<Detected, String>) -> Readout {
    let mut reading = Reading::default();
    json::each_sent(bytes, &mut |found, sent| match found {
        Found::Document(value) | Found::Element(value) => apart(&value, &mut |record| reading.record(detect(record, sent))),
        Found::Broken(reason) => reading.record(Err(reason)),
    });
    if reading.records() == 0 {
        let _: ControlFlow<()> = reading.record(Err("the message holds no record".into()));
    }
    reading.finish()
}

/// The records of a batch: the items of the first of `lists` that is there,
/// else the record itself.
pub fn records<'a>(value: &'a Value, lists: &[&str]) -> &'a [Value] {
    lists
        .iter()
        .find_map(|name| match field(value, name) {
            Some(Value::Array(items)) => Some(items.as_slice()),
            // A search answers `hits.hits`.
            Some(inner @ Value::Object(_)) => field(inner, name).and_then(Value::as_array).map(Vec::as_slice),
            _ => None,
        })
        .unwrap_or(std::slice::from_ref(value))
}

/// The first record, by which a message is recognised.
pub fn first<'a>(value: &'a Value, lists: &[&str]) -> &'a Value {
    let part = records(value, lists).first().unwrap_or(value);
    records(part, lists).first().unwrap_or(part)
}
