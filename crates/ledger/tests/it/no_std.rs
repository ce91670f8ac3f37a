//! The pure crates, built alone, link into a program without std.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn core_and_ledger_link_and_run_without_std() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = root.join("testdata/no_std_link");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("no_std_link");
    // The versions of the workspace, so that nothing has to be fetched; what
    // this program does not use is dropped from it.
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();

    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(&project)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(target.join("debug/no-std-link")).status().unwrap();
    assert_eq!(ran.code(), Some(0));
}
