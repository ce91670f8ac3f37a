//! The drill itself, on real servers: all of it, and what it must find.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use quell_core::coverage::Row;
use quell_lab::secret::MARK;

/// Into a folder of the test's own, never into the file that is built in.
fn drill(into: &Path, further: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quell-lab-drill"))
        .arg("--coverage")
        .arg(into.join("coverage.json"))
        .arg("--page")
        .arg(into.join("coverage.md"))
        .args(further)
        .output()
        .expect("the drill runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

/// What was proved, without when.
fn courses(text: &str) -> Vec<(String, &'static str, String)> {
    let rows: Vec<Row> = serde_json::from_str(text).expect("rows");
    rows.into_iter().map(|row| (row.kind, row.action.name(), row.subject)).collect()
}

#[test]
fn every_action_of_every_plane_is_done_proved_and_undone() {
    let into = tempfile::tempdir().expect("a folder");
    let output = drill(into.path(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let rows = fs::read_to_string(into.path().join("coverage.json")).expect("written");
    assert_eq!(courses(&rows), courses(include_str!("../../../connectors/coverage.json")), "`make drill` writes what is built in");
    let page = fs::read_to_string(into.path().join("coverage.md")).expect("written");
    assert!([said(&output), rows, page].iter().all(|text| !text.contains(MARK)), "a secret of the lab was told");
}

#[test]
fn an_old_password_that_is_let_in_again_fails_the_drill_and_writes_nothing() {
    for (when, stage, action) in
        [("after-the-act", "done: ", "rotate_credential"), ("after-the-way-back", "taken back: ", "suspend_identity")]
    {
        let into = tempfile::tempdir().expect("a folder");
        let output = drill(into.path(), &["--sabotage", when]);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let wanted = format!("NOT PROVED  postgresql {action}");
        let line = told.lines().find(|line| line.starts_with(&wanted)).unwrap_or_else(|| panic!("{wanted} in {told}"));
        assert!(line.contains(stage) && line.contains("Live"), "{line}");
        assert_eq!(fs::read_dir(into.path()).expect("it is there").count(), 0, "nothing was proved, so nothing is written");
        assert!(!told.contains(MARK), "a secret of the lab was told");
    }
}
