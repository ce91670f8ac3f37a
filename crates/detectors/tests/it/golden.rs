//! Hand-written messages and their readings. `QUELL_BLESS=1` writes the
//! readings anew, for a person to read before committing.

use std::fs;

use quell_detectors::REGISTRY;

use crate::{fixtures, shown};

#[test]
fn every_fixture_reads_as_its_golden_file_says() {
    let mut read = 0;
    for (name, file, bytes) in fixtures::files() {
        let detector = REGISTRY.iter().find(|d| d.name == name).unwrap();
        let readout = (detector.read)(&bytes);
        let got: String = shown::lines(detector.name, readout).iter().map(|line| format!("{line}\n")).collect();
        let golden = file.with_extension("golden.jsonl");
        if std::env::var_os("QUELL_BLESS").is_some() {
            fs::write(&golden, &got).unwrap();
        }
        let wanted = fs::read_to_string(&golden).unwrap_or_else(|e| panic!("{}: {e}", golden.display()));
        // Compared as values: a build that links Cedar keeps keys in another order.
        let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON");
        let different = got.lines().zip(wanted.lines()).find(|(g, w)| value(g) != value(w));
        assert!(
            different.is_none() && got.lines().count() == wanted.lines().count(),
            "{}: {} lines, wanted {}; first difference {different:#?}",
            file.display(),
            got.lines().count(),
            wanted.lines().count()
        );
        read += 1;
    }
    assert!(read >= 10, "only {read} fixtures were read");
}
