//! Whether the events of a bundle are whole: no gap, no cut, no stream left out.
//!
//! Within a stream, versions run from 1 without a gap and each event names the
//! leaf hash of the one before. Across streams, the last event of the case's
//! own stream is the export, and it names the last event of every other stream.
//! Exports made earlier are history: the last one counts, and it counts only
//! where nothing follows it.

use super::report::{Code, Faults};
use super::{Head, Link};
use crate::leaf::Hash;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

/// One event as far as the chain goes.
pub(super) struct Linked {
    pub index: u64,
    pub leaf: Hash,
    pub link: Link,
}

/// Checks all streams. `case_stream` is the stream that the export must end.
/// Returns the export event where there is one.
pub(super) fn check<'e>(events: &'e [Linked], case_stream: &str, faults: &mut Faults) -> Option<&'e Linked> {
    let mut streams: BTreeMap<&str, Vec<&Linked>> = BTreeMap::new();
    for event in events {
        streams.entry(&event.link.stream).or_default().push(event);
    }
    for (stream, events) in &mut streams {
        events.sort_by_key(|event| (event.link.version, event.index));
        whole(stream, events, faults);
    }

    let Some(last) = streams.remove(case_stream).and_then(|events| events.last().copied()) else {
        faults.add(Code::MissingStream, format!("the case's own stream `{case_stream}` is not in the bundle"));
        return None;
    };
    let Some(heads) = &last.link.heads else {
        let index = last.index;
        faults.add(Code::Truncated, format!("event {index} ends the case's stream and is no export; the tail is cut"));
        return None;
    };
    linked(heads, &mut streams, faults);
    Some(last)
}

/// One stream, sorted by version.
fn whole(stream: &str, events: &[&Linked], faults: &mut Faults) {
    let mut before: Option<&Linked> = None;
    for event in events {
        let Linked { index, link, .. } = event;
        let due = before.map_or(1, |before| before.link.version.saturating_add(1));
        if link.version < due {
            let version = link.version;
            faults.add(Code::BadChain, format!("event {index}: `{stream}` cannot have a version {version} here"));
        } else if link.version > due {
            let (from, to) = (due, link.version - 1);
            faults.add(Code::MissingEvent, format!("`{stream}` lacks its versions {from} to {to} before event {index}"));
        } else if link.prev != before.map(|before| before.leaf) {
            faults.add(Code::BadChain, format!("event {index} does not follow the event before it in `{stream}`"));
        }
        before = Some(event);
    }
}

/// The heads that the export names against the other streams of the bundle.
fn linked(heads: &[Head], streams: &mut BTreeMap<&str, Vec<&Linked>>, faults: &mut Faults) {
    for Head { stream, version, leaf } in heads {
        let Some(last) = streams.remove(stream.as_str()).and_then(|events| events.last().copied()) else {
            let what = "the export names it, but it is not in the bundle, or it is named twice";
            faults.add(Code::MissingStream, format!("`{stream}`: {what}"));
            continue;
        };
        let found = last.link.version;
        if found < *version {
            faults.add(Code::Truncated, format!("`{stream}` ends at version {found}; the export names {version}"));
        } else if found > *version {
            faults.add(Code::BadChain, format!("`{stream}` goes on to version {found}; the export names {version}"));
        } else if last.leaf != *leaf {
            faults.add(Code::BadChain, format!("`{stream}` does not end with the event that the export names"));
        }
    }
    for stream in streams.keys() {
        faults.add(Code::ExtraStream, format!("`{stream}` is in the bundle, but the export does not name it"));
    }
}
