//! Records, alone or in the lists that senders wrap them in.
//!
//! A vendor's own lists (`data`, `value`, `events`) and the event bus it
//! delivers through are part of its format, so each detector names its own. A
//! message that is such a list and holds nothing is an answer only from those
//! that report by scan; all others must say something.

use std::ops::ControlFlow;

use crate::json::Value;

use quell_core::signal::Readout;

use crate::{
    field::{at, type_name},
    json::{self, Found},
    reading::Reading,
};

/// How a detector's records are told apart from what they are wrapped in.
pub struct Records {
    /// What one record is called in reasons, with its article.
    pub what: &'static str,
    /// By which marks one is known.
    pub is_one: fn(&Value) -> bool,
    /// The marks, for the reason why a record is none.
    pub marks: &'static str,
    /// Paths of lists and wrappers, sought in this order.
    pub inside: &'static [&'static [&'static str]],
    /// Whether an empty list or `null` is a report without findings.
    pub empty_is_an_answer: bool,
}

impl Records {
    /// The records in `value`: itself, or those of its list.
    pub fn of<'a>(&self, value: &'a Value) -> &'a [Value] {
        let mut value = value;
        // Two layers: a bus around a list. More has not been seen.
        for _ in 0..2 {
            if (self.is_one)(value) {
                break;
            }
            match self.inside.iter().find_map(|path| at(value, path).filter(|v| v.is_array() || v.is_object())) {
                Some(Value::Array(items)) => return items,
                Some(inner) => value = inner,
                None => break,
            }
        }
        std::slice::from_ref(value)
    }

    /// Whether a message that starts with `first` is of this detector.
    pub fn recognises(&self, first: &Value) -> bool {
        self.of(first).first().is_some_and(self.is_one)
    }

    /// Reads a message whole; `take` reads one record that has the marks.
    pub fn read(&self, bytes: &[u8], take: &mut dyn FnMut(&Value, &mut Reading) -> ControlFlow<()>) -> Readout {
        let mut reading = Reading::default();
        json::each(bytes, &mut |found| match found {
            Found::Document(Value::Null) if self.empty_is_an_answer => ControlFlow::Continue(()),
            Found::Document(value) | Found::Element(value) => self.of(&value).iter().try_for_each(|record| match self.refusal(record) {
                Some(reason) => reading.record(Err(reason)),
                None => take(record, &mut reading),
            }),
            Found::Broken(reason) => reading.record(Err(reason)),
        });
        if reading.records() == 0 && !self.empty_is_an_answer {
            let _ = reading.record(Err(format!("the message holds no {}", self.what)));
        }
        reading.finish()
    }

    fn refusal(&self, record: &Value) -> Option<String> {
        if !record.is_object() {
            return Some(format!("expected an object as {}, found {}", self.what, type_name(record)));
        }
        (!(self.is_one)(record)).then(|| format!("{}, so this is no {}", self.marks, self.what))
    }
}
