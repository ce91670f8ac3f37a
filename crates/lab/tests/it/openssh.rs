//! The lab's OpenSSH: accounts of its own, on loopback alone, and gone with its owner.

use quell_lab::{
    openssh::{KeyPair, Login, Sshd},
    process::alive,
};

#[tokio::test]
async fn an_account_of_the_instance_logs_in_and_opens_channels() {
    let server = Sshd::start().await.expect("a real sshd is installed");
    let [key, other] = ["key", "other"].map(|name| KeyPair::generate(name).expect("made"));
    server.authorize("deploy", key.public()).expect("written");
    let mut client = server.log_in("deploy", &key, None).await.and_then(Login::is_in).expect("let in");
    assert!(client.is_served().await.expect("asked"));
    assert!(!server.log_in("deploy", &other, None).await.expect("answered").was_taken());
    assert!(!server.log_in("backup", &key, None).await.expect("answered").was_taken());
    assert!(server.log().expect("a log").contains("Server listening on 127.0.0.1 port"));
    assert!(!server.log().expect("a log").contains("listening on ::"));
}

#[tokio::test]
async fn nothing_is_left_of_an_instance_whose_owner_is_gone() {
    let server = Sshd::start().await.expect("a real sshd is installed");
    let (dir, pid) = (server.dir().to_owned(), server.pid().expect("it runs"));
    assert!(dir.exists() && alive(pid));
    drop(server);
    assert!(!dir.exists() && !alive(pid));
}
