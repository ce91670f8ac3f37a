//! Hand-written messages and their readings. `QUELL_BLESS=1` writes the
//! readings anew, for a person to read before committing.

use std::{fs, path::Path};

use quell_detectors::REGISTRY;

use crate::shown;

#[test]
fn every_fixture_reads_as_its_golden_file_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut read = 0;
    for detector in REGISTRY {
        let mut files: Vec<_> =
            fs::read_dir(root.join(detector.name)).expect("each detector has fixtures").map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
            let readout = (detector.read)(&fs::read(file).unwrap());
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
    }
    assert!(read >= 10, "only {read} fixtures were read");
}
