//! Published threat context: a STIX bundle, a KEV catalogue.

use std::{any::Any, collections::BTreeSet};

use quell_core::{
    context::{Context, ENTRIES_MAX, Entry, Feed, MATCHES_MAX},
    time::Timestamp,
};
use quell_detectors::feed::{self, Read, Unread};

use super::{Reads, Target, detector, files};

struct Bundle;

type Answer = Result<Read, Unread>;

pub(super) fn targets() -> Vec<Target> {
    vec![Target::new("feed", files("fuzz/corpus/feed", ".json"), detector::BOUND, Bundle)]
}

impl Reads for Bundle {
    fn read(&self, input: &[u8]) -> Box<dyn Any> {
        Box::new(feed::read(input))
    }

    fn is_same(&self, one: &dyn Any, other: &dyn Any) -> bool {
        one.downcast_ref::<Answer>() == other.downcast_ref::<Answer>()
    }

    fn judge(&self, input: &[u8], answer: &dyn Any) -> Result<BTreeSet<String>, String> {
        let answer = answer.downcast_ref::<Answer>().expect("it is what `read` gave");
        let read = match answer {
            Ok(read) => read,
            Err(refused) => {
                let said = refused.to_string();
                if said.is_empty() || said.len() > 400 {
                    return Err(format!("a refusal of {} bytes", said.len()));
                }
                return Ok([said.split(|c: char| !c.is_ascii_alphabetic()).take(12).collect::<Vec<_>>().join(" ")].into());
            }
        };
        if read.entries.len() > ENTRIES_MAX {
            return Err("more entries than one feed may have".to_owned());
        }
        // What was read is spelt as it is looked for, so that it is found again.
        if let Some(odd) = read.entries.iter().find(|e| Entry::new(e.kind, &e.value, "").is_none_or(|again| again.value != e.value)) {
            return Err(format!("{:?} `{}` is spelt as nobody looks for it", odd.kind, odd.value));
        }
        let traits = read.entries.iter().map(|e| format!("{:?} {} {} {}", e.kind, e.says.is_some(), e.since.is_some(), e.until.is_some()));
        let traits = traits.chain([format!("{:?} {}", read.form, read.left_out.min(3))]).collect();
        let context = Context::of(vec![Feed { name: "f".to_owned(), form: read.form, entries: read.entries.clone() }]);
        let text = String::from_utf8_lossy(&input[..input.len().min(4_096)]);
        let found = context.named_in([&*text], Timestamp::UNIX_EPOCH);
        if found.len() > MATCHES_MAX {
            return Err("more matches than one case shows".to_owned());
        }
        Ok(traits)
    }
}
