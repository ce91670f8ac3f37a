//! The credential file of a consumer.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    sync::Arc,
};

use quell_connectors::file_sink::FileSink;
use quell_engine::port::{Connectors, PlaneError, Sink};
use quell_lab::secret::MARK;

use crate::plane::new_secret;

#[tokio::test]
async fn a_login_is_written_with_0600_and_read_back_without_its_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("billing.json");
    let sink = FileSink::new("billing-file", &path);
    assert_eq!((sink.name(), sink.current().await), ("billing-file", Ok(None)));
    for login in ["billing_app_q7f3k", "o'neil \"x\"", "\u{202e}\u{1b}[2J\n"] {
        let secret = new_secret();
        sink.put(login, &secret).await.expect("written");
        assert_eq!(sink.current().await, Ok(Some(login.to_owned())));
        let read = quell_lab::sink::read(&path).expect("the consumer reads it");
        assert_eq!((read.user.as_str(), read.password.reveal()), (login, secret.expose()));
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "nothing stays beside it");
    assert!(Connectors::new([], [Arc::new(sink) as Arc<dyn Sink>]).sink("billing-file").is_some());
}

#[tokio::test]
async fn a_reader_sees_the_old_login_or_the_new_one_never_a_half() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("billing.json");
    let sink = FileSink::new("billing-file", &path);
    sink.put("login_0", &new_secret()).await.expect("written");
    let reading = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let mut logins = std::collections::BTreeSet::new();
            while !logins.contains("login_200") {
                logins.insert(quell_lab::sink::read(&path).expect("whole at every moment").user);
            }
            logins.len()
        })
    };
    for n in 1..=200 {
        sink.put(&format!("login_{n}"), &new_secret()).await.expect("written");
    }
    assert!(reading.await.expect("no half") >= 1);
}

#[tokio::test]
async fn what_a_crash_or_a_stranger_left_beside_it_is_replaced_and_not_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, beside, victim) = (dir.path().join("f.json"), dir.path().join(".f.json.quell-new"), dir.path().join("victim"));
    fs::write(&victim, "untouched").expect("written");
    symlink(&victim, &beside).expect("linked");
    let sink = FileSink::new("f", &path);
    sink.put("a", &new_secret()).await.expect("written");
    assert_eq!(fs::read_to_string(&victim).expect("there"), "untouched");
    fs::write(&beside, "half").expect("left by a crash");
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o644)).expect("set");
    sink.put("b", &new_secret()).await.expect("written");
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    assert!(!beside.exists());
}

#[tokio::test]
async fn what_cannot_be_written_or_read_is_said_without_the_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let gone = FileSink::new("gone", dir.path().join("nowhere/f.json"));
    let refused = gone.put("a", &new_secret()).await.expect_err("no directory");
    assert!(matches!(refused, PlaneError::NotPermitted { .. }) && !refused.to_string().contains(MARK), "{refused}");
    assert_eq!(gone.current().await, Ok(None));
    for text in ["", "{", "null", "{\"password\":\"quell-lab-secret-x\"}", "[\"quell-lab-secret-x\"]"] {
        let path = dir.path().join("other.json");
        fs::write(&path, text).expect("written");
        let garbled = FileSink::new("other", &path).current().await.expect_err("not a login");
        assert!(matches!(garbled, PlaneError::Garbled { .. }) && !garbled.to_string().contains(MARK), "{garbled}");
    }
    let long = dir.path().join("long.json");
    fs::write(&long, vec![b' '; 100_000]).expect("written");
    assert!(FileSink::new("long", &long).current().await.is_err());
    assert!(FileSink::new("root", "/").put("a", &new_secret()).await.is_err());
}
