//! The record itself: events as they are stored.

use std::{any::Any, collections::BTreeSet};

use quell_core::event;

use super::{Reads, Target, files};
use crate::cost::Bound;

const BOUND: Bound = Bound { micros: 50_000, nanos_per_byte: 1_000, bytes: 4 << 20, bytes_per_byte: 200 };

struct Events;

pub(super) fn targets() -> Vec<Target> {
    vec![Target::new("event", files("crates/core/tests/golden", ".json"), BOUND, Events)]
}

type Decoded = Result<(String, Vec<u8>), String>;

impl Reads for Events {
    fn read(&self, input: &[u8]) -> Box<dyn Any> {
        let decoded: Decoded = event::decode(input, &Default::default()).map_err(|e| e.to_string()).and_then(|recorded| {
            let (bytes, _) = event::encode(&recorded).map_err(|e| e.to_string())?;
            Ok((recorded.event.name().to_owned(), bytes))
        });
        drop(event::linkage(input));
        Box::new(decoded)
    }

    fn is_same(&self, one: &dyn Any, other: &dyn Any) -> bool {
        one.downcast_ref::<Decoded>() == other.downcast_ref::<Decoded>()
    }

    fn judge(&self, _: &[u8], answer: &dyn Any) -> Result<BTreeSet<String>, String> {
        match answer.downcast_ref::<Decoded>().expect("it is what `read` gave") {
            Ok((name, bytes)) => {
                let again =
                    event::decode(bytes, &Default::default()).map_err(|e| format!("what was read and written cannot be read: {e}"))?;
                let (twice, _) = event::encode(&again).map_err(|e| e.to_string())?;
                if twice != *bytes {
                    return Err("an event that is read and written becomes another".to_owned());
                }
                Ok([name.clone()].into())
            }
            Err(reason) => Ok([reason.split('`').next().unwrap_or_default().to_owned()].into()),
        }
    }
}
