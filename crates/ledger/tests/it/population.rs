//! Every case of a range: what is left out, changed or made up shows.

use crate::note::key;
use crate::world::{Fact, LOG, inspect};
use quell_ledger::bundle::{self, Code, Entry, Population, Report};
use quell_ledger::checkpoint::Checkpoint;
use quell_ledger::leaf;
use quell_ledger::note::SigningKey;
use quell_ledger::proof;
use quell_ledger::tree::{Frontier, Tree};

/// Three cases: the first opened before the range, the others within it.
struct Log {
    key: SigningKey,
    leaves: Vec<Vec<u8>>,
}

impl Log {
    fn usual() -> Log {
        let mut log = Log { key: key(LOG, 1), leaves: Vec::new() };
        log.add("case:1", 1, true, Some("detected"));
        log.add("policy", 1, false, None);
        log.add("case:2", 1, true, Some("detected"));
        log.add("case:1", 2, false, Some("closed"));
        log.add("case:2", 2, false, None);
        log.add("case:3", 1, true, Some("detected"));
        log.add("case:2", 3, false, Some("closed"));
        log.add("policy", 2, false, None);
        log.add("case:3", 2, false, Some("proven"));
        log
    }

    fn add(&mut self, stream: &str, version: u64, opens: bool, state: Option<&str>) {
        let at = format!("T{}", self.leaves.len());
        let fact = Fact { stream: stream.into(), version, opens, state: state.map(Into::into), at, ..Fact::default() };
        self.leaves.push(serde_json::to_vec(&fact).unwrap());
    }

    fn tree(&self) -> Tree {
        self.leaves.iter().map(|l| leaf::hash(l)).collect()
    }

    fn population(&self, from: usize, to: usize) -> Population {
        let mut tree = self.tree();
        let size = tree.size();
        let checkpoint = Checkpoint::new(LOG, size, tree.root()).sign(&self.key).unwrap().to_string();
        let mut before = Frontier::default();
        self.leaves[..from].iter().for_each(|l| drop(before.push(leaf::hash(l))));
        let consistency = if to as u64 == size { vec![] } else { proof::consistency(to as u64, size, &mut tree).unwrap() };
        Population { checkpoint, key: self.key.verifier().clone(), before, leaves: self.leaves[from..to].to_vec(), consistency }
    }

    fn bytes(&self, from: usize, to: usize) -> Vec<u8> {
        bundle::write_population(&self.population(from, to), &inspect).unwrap()
    }

    fn verify(&self, bytes: &[u8]) -> Report {
        bundle::verify(bytes, Some(self.key.verifier()), &inspect)
    }
}

fn codes(report: &Report) -> Vec<Code> {
    report.errors.iter().map(|e| e.code).collect()
}

fn repacked(bytes: &[u8], change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let entries = bundle::unpack(bytes).unwrap();
    let mut files = entries.iter().map(|e| (e.name.to_string(), e.data.to_vec())).collect();
    change(&mut files);
    let entries: Vec<Entry> = files.iter().map(|(name, data)| Entry { name, data }).collect();
    bundle::pack(&entries).unwrap()
}

fn text<'f>(files: &'f mut [(String, Vec<u8>)], name: &str) -> &'f mut Vec<u8> {
    &mut files.iter_mut().find(|f| f.0 == name).unwrap().1
}

fn rows(bytes: &[u8]) -> Vec<(String, String, u64)> {
    let entries = bundle::unpack(bytes).unwrap();
    let listing: serde_json::Value = serde_json::from_slice(entries[0].data).unwrap();
    let row =
        |r: &serde_json::Value| (r["case"].as_str().unwrap().into(), r["state"].as_str().unwrap().into(), r["events"].as_u64().unwrap());
    listing["cases"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn every_range_verifies_and_lists_the_cases_opened_in_it_as_they_stood_at_its_end() {
    let log = Log::usual();
    let all = log.leaves.len();
    for from in 0..all {
        for to in from + 1..=all {
            let report = log.verify(&log.bytes(from, to));
            assert!(report.ok && report.complete, "{from}..{to}: {:?}", report.errors);
            let census = report.population.unwrap();
            assert_eq!((census.from.size, census.to.size, report.events), (from as u64, to as u64, (to - from) as u64));
        }
    }
    let row = |case: &str, state: &str, events| (case.to_string(), state.to_string(), events);
    assert_eq!(rows(&log.bytes(1, 9)), [row("case:2", "closed", 3), row("case:3", "proven", 2)]);
    assert_eq!(rows(&log.bytes(1, 6)), [row("case:2", "detected", 2), row("case:3", "detected", 1)], "as it stood then");
    assert_eq!(rows(&log.bytes(3, 5)), []);
}

#[test]
fn an_omitted_case_shows_however_it_is_omitted() {
    let log = Log::usual();
    let whole = log.bytes(1, 8);
    let without = |listing: &str| {
        let mut value: serde_json::Value = serde_json::from_str(listing).unwrap();
        value["cases"].as_array_mut().unwrap().retain(|r| r["case"] != "case:2");
        format!("{}\n", serde_json::to_string_pretty(&value).unwrap())
    };

    // Off the list alone.
    let off = repacked(&whole, |files| {
        let listing = String::from_utf8(text(files, "population.json").clone()).unwrap();
        *text(files, "population.json") = without(&listing).into_bytes();
    });
    assert!(codes(&log.verify(&off)).contains(&Code::MissingCase), "{:?}", log.verify(&off).errors);

    // Off the list and out of the events, everything that follows computed anew.
    let mut population = log.population(1, 8);
    population.leaves.retain(|l| inspect(l).unwrap().stream != "case:2");
    let forged = bundle::write_population(&population, &inspect).unwrap();
    let report = log.verify(&forged);
    assert!(!report.ok && codes(&report).contains(&Code::BadInclusion), "{:?}", report.errors);

    // Another event in the place of the one that opened it.
    let mut population = log.population(1, 8);
    population.leaves[1] = population.leaves[0].clone();
    population.leaves.retain(|l| inspect(l).unwrap().stream != "case:2");
    let report = log.verify(&bundle::write_population(&population, &inspect).unwrap());
    assert!(codes(&report).contains(&Code::BadInclusion), "{:?}", report.errors);

    // A shorter range that calls itself the longer one.
    let short = log.bytes(3, 8);
    let renamed = repacked(&short, |files| {
        let listing = String::from_utf8(text(files, "population.json").clone()).unwrap();
        *text(files, "population.json") = listing.replacen("\"size\": 3", "\"size\": 1", 1).into_bytes();
    });
    assert!(!log.verify(&renamed).ok);
}

#[test]
fn what_the_events_do_not_say_is_refused() {
    let log = Log::usual();
    let whole = log.bytes(1, 8);
    let changed = |change: &dyn Fn(String) -> String, name: &str| {
        let bytes = repacked(&whole, |files| {
            let old = String::from_utf8(text(files, name).clone()).unwrap();
            *text(files, name) = change(old).into_bytes();
        });
        log.verify(&bytes)
    };
    let listing = "population.json";
    for (name, file, change) in [
        ("a better end", listing, &(|s: String| s.replacen("closed", "proven", 1)) as &dyn Fn(String) -> String),
        ("another root", listing, &|s| s.replacen("\"root\": \"", "\"root\": \"A", 1)),
        ("a word more", listing, &|s| s.replacen("\"format\"", "\"note\": \"all is well\", \"format\"", 1)),
        ("another spelling", listing, &|s| s.replace('\n', " ")),
        ("a changed event", "leaves.jsonl", &|s| s.replacen("detected", "detectee", 1)),
        ("an event less", "leaves.jsonl", &|s| s.split_once('\n').unwrap().1.to_string()),
        ("another readme", "README.txt", &|s| s.replacen("not", "now", 1)),
        ("another checkpoint", "checkpoint", &|s| s.replacen("\n9\n", "\n8\n", 1)),
    ] {
        let report = changed(change, file);
        assert!(!report.ok && !report.integrity, "{name}");
    }
    let extra = repacked(&whole, |files| files.push(("case.json".into(), b"{}".to_vec())));
    assert!(codes(&log.verify(&extra)).contains(&Code::ExtraFile));
    let unpinned = bundle::verify(&whole, None, &inspect);
    assert_eq!((unpinned.ok, codes(&unpinned)), (false, vec![Code::UnpinnedKey]));
    let other = bundle::verify(&whole, Some(key(LOG, 2).verifier()), &inspect);
    assert_eq!(codes(&other), vec![Code::WrongKey]);
    for at in 0..whole.len() {
        let mut bit = whole.clone();
        bit[at] ^= 1;
        assert!(!log.verify(&bit).ok, "one bit at {at}");
    }
}
