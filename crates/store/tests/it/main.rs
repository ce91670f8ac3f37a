//! The embedded store and its keys, on a real disk.

mod sqlite;

/// An empty directory that is gone after the test.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
